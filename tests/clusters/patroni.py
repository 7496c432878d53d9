"""etcd and three Patroni members of PostgreSQL on loopback, without a watchdog; root's run as `postgres`.

Debian packages: patroni etcd-server postgresql. `run_patroni.py` uses it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MEMBERS = (1, 2, 3)
POSTGRES, REST, ETCD = 24600, 24610, 24620
WAIT_SECONDS = 120
TTL_SECONDS = 20

CONFIG = """
scope: hydra
name: p{n}
restapi: {{listen: "127.0.0.1:{rest}", connect_address: "127.0.0.1:{rest}"}}
etcd3: {{host: "127.0.0.1:{etcd}"}}
bootstrap:
  dcs:
    ttl: {ttl}
    loop_wait: 3
    retry_timeout: 4
    maximum_lag_on_failover: 1048576
    synchronous_mode: {synchronous}
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 100, wal_level: replica, hot_standby: "on", wal_log_hints: "on"}}
  initdb: [{{encoding: UTF8}}, data-checksums, {{locale: C}}]
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust", "local all all trust"]
postgresql:
  listen: "127.0.0.1:{port}"
  connect_address: "127.0.0.1:{port}"
  data_dir: {folder}/p{n}
  bin_dir: {programs}
  pgpass: {folder}/pgpass{n}
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust", "local all all trust"]
  authentication:
    superuser: {{username: postgres, password: x}}
    replication: {{username: replicator, password: x}}
    rewind: {{username: postgres, password: x}}
  parameters: {{unix_socket_directories: "{folder}"}}
watchdog: {{mode: "off"}}
"""


class Patroni:
    """`url` names all three members and asks for the one that can be written."""

    def __init__(self, *, synchronous: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hydra-patroni-"))
        self._programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._frozen: list[int] = []
        hosts = ",".join(f"127.0.0.1:{POSTGRES + n}" for n in MEMBERS)
        self.url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        for n in MEMBERS:
            (self.folder / f"p{n}.yml").write_text(
                CONFIG.format(
                    n=n,
                    rest=REST + n,
                    etcd=ETCD,
                    ttl=TTL_SECONDS,
                    port=POSTGRES + n,
                    folder=self.folder,
                    programs=self._programs,
                    synchronous=str(synchronous).lower(),
                )
            )
        shutil.chown(self.folder, "postgres", "postgres")

    def start(self) -> None:
        client, peer = f"http://127.0.0.1:{ETCD}", f"http://127.0.0.1:{ETCD + 1}"
        listen = ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
        join = ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        self._spawn("etcd", ["etcd", "--data-dir", str(self.folder / "etcd"), *listen, *join])
        self.start_member(1)
        until(self.leader)
        for n in MEMBERS[1:]:
            self.start_member(n)
        until(self.is_healthy)

    def start_member(self, n: int) -> None:
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        self._spawn(f"patroni{n}", [*drop, "patroni", str(self.folder / f"p{n}.yml")])

    def leader(self) -> int | None:
        led = [m for m in self._members() if m["role"] == "leader" and m["state"] == "running"]
        return int(led[0]["name"][1:]) if led else None

    def is_healthy(self) -> bool:
        members = self._members()
        return (
            len(members) == len(MEMBERS)
            and self.leader() is not None
            and all(m["state"] in ("running", "streaming") for m in members)
        )

    def kill_leader(self) -> int:
        """As if its machine were gone."""
        n = until(self.leader)
        _send(self._pids(n), signal.SIGKILL)
        return int(n)

    def switch_over(self) -> int:
        """As an administrator asks for it, to the synchronous standby where there is one; once Patroni is ready."""
        n = until(self.leader)
        until(lambda: self._asks_for_switch(n))
        return int(n)

    def kill_leader_that_replicates_no_more(self, seconds: float) -> int:
        """For so long nothing reaches the standbys, then its machine is gone: what it confirmed alone is lost."""
        n = until(self.leader)
        senders = [pid for pid in self._pids(n) if b"walsender" in _command(pid)]
        _send(senders, signal.SIGSTOP)
        time.sleep(seconds)
        return self.kill_leader()

    def freeze_leader(self) -> int:
        """Patroni and PostgreSQL stand still, as in a virtual machine that is paused."""
        n = until(self.leader)
        self._frozen = self._pids(n)
        _send(self._frozen, signal.SIGSTOP)
        return int(n)

    def thaw(self) -> None:
        """They go on as if nothing had been."""
        _send(self._frozen, signal.SIGCONT)
        self._frozen = []

    def stop(self) -> None:
        for n in MEMBERS:
            _send(self._pids(n), signal.SIGKILL)
        for process in self._processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _members(self) -> list[dict[str, Any]]:
        for n in MEMBERS:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{REST + n}/cluster", timeout=2) as answer:
                    return list(json.load(answer)["members"])
            except OSError:
                continue
        return []

    def _asks_for_switch(self, leader: int) -> bool:
        others = [m for m in self._members() if m["role"] != "leader"]
        chosen = min(others, key=lambda m: m["role"] != "sync_standby")["name"]
        asked = json.dumps({"leader": f"p{leader}", "candidate": chosen}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{REST + leader}/switchover", asked, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60):
                return True
        except urllib.error.HTTPError:  # 412: a standby is not where it should be yet
            return False

    def _pids(self, n: int) -> list[int]:
        roots = [process.pid for name, process in self._processes.items() if name == f"patroni{n}"]
        lock = self.folder / f"p{n}" / "postmaster.pid"
        if lock.exists():
            roots.append(int(lock.read_text().split()[0]))
        return [pid for root in roots for pid in _tree(root)]

    def _spawn(self, name: str, command: list[str]) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )


def until(question: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Its first true answer."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {question}")
        time.sleep(0.2)
    return answer


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it went by itself
            os.kill(pid, number)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(each for child in children for each in _tree(int(child)))]
