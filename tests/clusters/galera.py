"""Three MariaDB members on loopback as one Galera cluster, and HAProxy before them with one writer.

Debian packages: galera-4 mariadb-server-core haproxy rsync lsof, and of mariadb-server the script `wsrep_sst_rsync` on
PATH. `run_galera.py` uses it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pymysql

from tests.clusters.patroni import until

MEMBERS = (1, 2, 3)
PORT, GROUP, TRANSFER, INCREMENT, PROXY = 24100, 24200, 24300, 24400, 24501
PROVIDER = "/usr/lib/galera/libgalera_smm.so"
HAPROXY = """
global
  maxconn 500
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
listen one
  bind 127.0.0.1:{proxy}
  server m1 127.0.0.1:{first} check inter 500 on-marked-down shutdown-sessions
  server m2 127.0.0.1:{second} check inter 500 backup on-marked-down shutdown-sessions
  server m3 127.0.0.1:{third} check inter 500 backup on-marked-down shutdown-sessions
"""


class Galera:
    """`url` leads through the proxy to one writer."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hydra-galera-"))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = f"mysql://root@127.0.0.1:{PROXY}/billing?writer=single"

    def start(self) -> None:
        data = self.folder / "m1"
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root"]
        subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, stdout=subprocess.DEVNULL)
        self.start_member(1, is_first=True)
        for n in MEMBERS[1:]:
            (self.folder / f"m{n}").mkdir()
            self.start_member(n)
        with self.connect(1) as connection:
            connection.cursor().execute("create database billing")
            connection.cursor().execute("grant all on *.* to root@'127.0.0.1'")
        ports = {"proxy": PROXY, "first": PORT + 1, "second": PORT + 2, "third": PORT + 3}
        (self.folder / "haproxy.cfg").write_text(HAPROXY.format(**ports))
        self._spawn("haproxy", [shutil.which("haproxy", path="/usr/sbin:/usr/bin") or "haproxy", "-f", "haproxy.cfg"])

    def start_member(self, n: int, *, is_first: bool = False) -> None:
        members = ",".join(f"127.0.0.1:{GROUP + 10 * each}" for each in MEMBERS)
        options = ";".join(
            [
                f"base_port={GROUP + 10 * n}",
                f"gmcast.listen_addr=tcp://127.0.0.1:{GROUP + 10 * n}",
                f"ist.recv_addr=127.0.0.1:{INCREMENT + 10 * n}",
                "evs.keepalive_period=PT0.5S",
                "evs.suspect_timeout=PT3S",
                "evs.inactive_timeout=PT6S",
            ]
        )
        settings = [
            f"--datadir={self.folder}/m{n}",
            f"--socket={self.folder}/m{n}.sock",
            f"--pid-file={self.folder}/m{n}.pid",
            f"--port={PORT + n}",
            "--bind-address=127.0.0.1",
            "--user=root",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--innodb-flush-log-at-trx-commit=1",
            "--wsrep-on=ON",
            f"--wsrep-provider={PROVIDER}",
            f"--wsrep-node-name=m{n}",
            "--wsrep-node-address=127.0.0.1",
            f"--wsrep-cluster-address=gcomm://{'' if is_first else members}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{TRANSFER + 10 * n}",
            f"--wsrep-provider-options={options}",
        ]
        self._spawn(
            f"m{n}", [shutil.which("mariadbd", path="/usr/sbin:/usr/bin") or "mariadbd", "--no-defaults", *settings]
        )
        until(lambda: self.is_synced(n))

    def is_synced(self, n: int) -> bool:
        try:
            with self.connect(n) as connection, connection.cursor() as cursor:
                cursor.execute("show status like 'wsrep_local_state_comment'")
                return (cursor.fetchone() or ("", ""))[1] == "Synced"
        except pymysql.Error:
            return False

    def connect(self, n: int) -> pymysql.Connection:
        return pymysql.connect(unix_socket=f"{self.folder}/m{n}.sock", user="root", autocommit=True, read_timeout=5)

    def kill(self, *members: int) -> None:
        for n in members:
            self._processes[f"m{n}"].send_signal(signal.SIGKILL)
            self._processes[f"m{n}"].wait()

    def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, cwd=self.folder, env=os.environ
            )
