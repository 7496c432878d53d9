"""Several hosts on one machine: network namespaces with addresses of their own, links that can be cut.

    host 1: 10.77.1.2 ──── 10.77.1.1 ┐
    host 2: 10.77.2.2 ──── 10.77.2.1 ┴ hub: relays to the database servers' Unix sockets

As root these are plain namespaces; as a plain user they live in a user namespace, which Debian's kernel allows. They
are gone when their processes are. Never skips: what is missing is one sentence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

RELAY = Path(__file__).parent / "relay.py"
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
PACKAGES = {"ip": "iproute2", "iptables": "iptables", "nsenter": "util-linux", "unshare": "util-linux"}
FAKETIME = "libfaketimeMT.so.1"


class Network:
    """The hub; `ports` are the relayed Unix sockets."""

    def __init__(self, ports: dict[int, Path], folder: Path) -> None:
        missing = {package for program, package in PACKAGES.items() if find(program) is None}
        if missing:
            raise RuntimeError(f"many hosts need `apt-get install {' '.join(sorted(missing))}`")
        self._folder = folder
        self._is_root = os.geteuid() == 0
        self._hosts: list[Host] = []
        user = [] if self._is_root else ["--user", "--map-root-user"]
        relays = [f"{port}={path}" for port, path in ports.items()]
        self._hub = _start(["unshare", *user, "--net", "--", sys.executable, str(RELAY), *relays])
        self.run("ip", "link", "set", "dev", "lo", "up")

    def add_host(self) -> Host:
        number = len(self._hosts) + 1
        holder = _start([*self.inside(self._hub.pid), "unshare", "--net", "--", "sh", "-c", "echo ready; exec cat"])
        host = Host(self, number, holder, self._folder / f"host-{number}")
        self._hosts.append(host)
        pair = ("type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        self.run("ip", "link", "add", "name", host.link, *pair)
        self.run("ip", "address", "add", f"{host.gateway}/30", "dev", host.link)
        self.run("ip", "link", "set", "dev", host.link, "up")
        for command in (
            f"address add {host.address}/30 dev eth0",
            "link set dev eth0 up",
            "link set dev lo up",
        ):
            subprocess.run([*host.prefix, find("ip") or "ip", *command.split()], check=True)
        return host

    def inside(self, pid: int) -> list[str]:
        """What runs a program in the network of that process."""
        user = [] if self._is_root else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={pid}", *user, "--net", "--"]

    def run(self, program: str, *arguments: str) -> None:
        """At the hub."""
        command = [*self.inside(self._hub.pid), find(program) or program, *arguments]
        environment = {**os.environ, "XTABLES_LOCKFILE": str(self._folder / "xtables.lock")}
        subprocess.run(command, check=True, env=environment)

    def close(self) -> None:
        for host in self._hosts:
            host.close()
        self._hub.kill()
        self._hub.wait()


class Host:
    """One network namespace; `prefix` runs a program there, `environment` gives it files of its own."""

    def __init__(self, network: Network, number: int, holder: subprocess.Popen[str], folder: Path) -> None:
        self._network = network
        self._holder = holder
        self.link = f"host{number}"
        self.gateway = f"10.77.{number}.1"
        self.address = f"10.77.{number}.2"
        self.prefix = network.inside(holder.pid)
        folder.mkdir()
        self.environment = {"TMPDIR": str(folder)}  # lock files of other hosts are not seen here

    def contained(self, name: str) -> list[str]:
        """The same as `prefix`, in a container's way: process 1 of its own, of that host name."""
        namespaces = ["--pid", "--fork", "--kill-child", "--mount-proc", "--uts"]
        return [*self.prefix, "unshare", *namespaces, "--", "sh", "-c", f'hostname {name} && exec "$0" "$@"']

    def shift_clock(self, by: str) -> dict[str, str]:
        """The environment in which the wall clock is wrong, as `+5h`; the monotonic ones go on as they are."""
        return fake_clock(by)

    def cut(self) -> None:
        """Pull the cable."""
        self._network.run("ip", "link", "set", "dev", self.link, "down")

    def mend(self) -> None:
        self._network.run("ip", "link", "set", "dev", self.link, "up")

    def deafen(self) -> None:
        """What it sends arrives; it hears nothing."""
        self._network.run("iptables", "--wait", "-A", "OUTPUT", "-o", self.link, "-j", "DROP")

    def mute(self) -> None:
        """Nothing it sends arrives."""
        self._network.run("iptables", "--wait", "-A", "INPUT", "-i", self.link, "-j", "DROP")

    def pass_all(self) -> None:
        """An end to deafness and muteness."""
        for chain in ("INPUT", "OUTPUT"):
            self._network.run("iptables", "--wait", "-F", chain)

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


def fake_clock(by: str) -> dict[str, str]:
    """The environment in which a program's wall clock is wrong, as `+5h`; the monotonic ones go on as they are."""
    return {**_fake(), "FAKETIME": by}


def fake_clock_file(path: Path) -> dict[str, str]:
    """The same by what the file says at each moment, so that the clock jumps while the program runs."""
    return {**_fake(), "FAKETIME_TIMESTAMP_FILE": str(path), "FAKETIME_NO_CACHE": "1"}


def _fake() -> dict[str, str]:
    found = sorted(Path("/usr/lib").glob(f"*/faketime/{FAKETIME}"))
    if not found:
        raise RuntimeError(f"no `{FAKETIME}` found: `apt-get install faketime`")
    return {"LD_PRELOAD": str(found[0]), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def find(program: str) -> str | None:
    """A plain user's PATH often has no sbin."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":" + SYSTEM_FOLDERS)


def _start(command: list[str]) -> subprocess.Popen[str]:
    """A process that says one line when it is ready, and dies with this one."""
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", "--", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    output: IO[str] | None = process.stdout
    if output is None or not output.readline():
        raise RuntimeError(f"no namespaces can be made here (`{' '.join(command[:4])}` failed)")
    return process
