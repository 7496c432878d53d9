"""The real PgBouncer in transaction mode, on a private socket in front of a test server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg

from tests.servers.postgres import NOBODY, PostgresServer

START_SECONDS = 30
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"


class Pooler:
    """One PgBouncer; `pool_size` server connections for everybody."""

    def __init__(self, server: PostgresServer, pool_size: int = 4, settings: str = "") -> None:
        program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":" + SYSTEM_FOLDERS)
        if program is None:
            raise RuntimeError("no `pgbouncer` found: `apt-get install pgbouncer`, or put it on PATH")
        self._folder = Path(tempfile.mkdtemp(prefix="hydra-pb-"))
        self._folder.chmod(0o755)
        (self._folder / "users").write_text('"hydra" ""\n')
        (self._folder / "config").write_text(
            f"""
[databases]
* = host={server.socket_folder} port={server.port}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {self._folder}
unix_socket_mode = 0777
auth_type = trust
auth_file = {self._folder / "users"}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
server_reset_query_always = 1
{settings}
"""
        )
        drop: list[str] = []
        if os.geteuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
            drop = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", *drop, "--", program, "-q", self._folder / "config"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self) -> Pooler:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgresql://hydra@/postgres"), prepare_threshold=None).close()
                return self
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PgBouncer did not start: {error}") from None
                time.sleep(0.02)

    def url(self, direct: str) -> str:
        """The same database, through the pooler; add `&pooler=transaction` for hydra."""
        database = urlsplit(direct).path.strip("/")
        return f"postgresql://hydra@/{database}?host={quote(str(self._folder), safe='')}&port=6432"

    def destroy(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
