"""A real MariaDB or MySQL server for tests: private data folder and socket, durable, gone when its owner is.

Never skips: where no `mariadbd` is found, `find_server` raises one sentence that says what to install.
`HYDRA_TEST_MYSQL_URL` names a server that exists instead (a user who may create databases); it cannot be restarted.
`HYDRA_TEST_MYSQL_PROGRAM` names another server's program, as `fetch_mysql.py` makes one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

import pymysql

from tests.servers import new_folders

START_SECONDS = 60
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"  # a plain user's PATH often has no sbin
SETTINGS = (
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=256M",
    "--loose-innodb-log-file-size=256M",
    "--innodb-fast-shutdown=1",
    "--innodb-file-per-table=0",
    "--max-allowed-packet=64M",
    "--max-connections=150",
    "--innodb-use-native-aio=0",  # several servers at once would run out of kernel buffers
    "--character-set-server=latin1",  # hydra may not lean on the server's defaults
    "--transaction-isolation=REPEATABLE-READ",
    "--default-time-zone=+05:30",
)
MARIADB_NEW = (
    "--skip-test-db",
    "--skip-name-resolve",
    "--auth-root-authentication-method=normal",
    "--innodb-log-file-size=8M",  # it grows when the server starts
)
MYSQL_SETTINGS = ("--mysqlx=OFF", "--secure-file-priv=NULL")  # no second port, and no folder of the system's


def find_server() -> str:
    """The path of `mariadbd`, or of the program that was named."""
    if named := os.environ.get("HYDRA_TEST_MYSQL_PROGRAM"):
        return named
    path = os.environ.get("PATH", "") + ":" + SYSTEM_FOLDERS
    found = shutil.which("mariadbd", path=path)
    if found is None or shutil.which("mariadb-install-db", path=path) is None:
        raise RuntimeError(
            "no MariaDB server found: put `mariadbd` and `mariadb-install-db` on PATH (Debian: `apt-get install "
            "mariadb-server-core mariadb-client`), or name a server in `HYDRA_TEST_MYSQL_URL` or its program in "
            "`HYDRA_TEST_MYSQL_PROGRAM`"
        )
    return found


class MysqlServer:
    """One server process; `stop`, `kill` and `restart` are for chaos tests. Root's server is root's, nobody else's."""

    def __init__(self, *settings: str, port: int = 0, environment: Mapping[str, str] | None = None) -> None:
        """One with a port, of this host only, writes a log that others may replicate. `environment` is the server's own
        beside this process's, such as a clock that is wrong."""
        self._program = find_server()
        version = subprocess.run([self._program, "--no-defaults", "--version"], capture_output=True, check=True)
        self.is_mariadb = b"MariaDB" in version.stdout
        self._folder = Path(tempfile.mkdtemp(prefix="hydra-my-"))
        self._settings = settings
        self._environment = {**os.environ, **(environment or {})}
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = self._folder / "s"
        self.data_folder = self._folder / "data"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def url(self, database: str = "") -> str:
        return f"mysql://root@localhost/{database}?unix_socket={quote(str(self.socket), safe='')}"

    def start(self) -> MysqlServer:
        if not self.data_folder.exists():
            self._initialise()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig=KILL", "--", self._program, "--no-defaults", *self._user()),
                    *(f"--datadir={self.data_folder}", f"--socket={self.socket}", f"--pid-file={self._folder / 'pid'}"),
                    *(f"--tmpdir={self._folder}", *SETTINGS, *self._network()),
                    *(*(() if self.is_mariadb else MYSQL_SETTINGS), *self._settings),
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                connect(self.url()).close()
                return self
            except pymysql.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"`{self._program}` did not start:\n{self.log}") from None
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM is a clean shutdown, SIGKILL what a power cut does to the process."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def freeze(self) -> None:
        """Its kernel goes on accepting what clients send, and nobody reads it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def destroy(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _initialise(self) -> None:
        options = MARIADB_NEW if self.is_mariadb else (*MYSQL_SETTINGS, "--initialize-insecure")
        new_folders.fill(self.data_folder, Path(self._program), options, partial(self._make_folder, options))
        (self.data_folder / "auto.cnf").unlink(missing_ok=True)  # the name of one server of MySQL

    def _make_folder(self, options: Sequence[str]) -> None:
        path = os.environ.get("PATH", "") + ":" + SYSTEM_FOLDERS
        # A server that starts clears its folder for temporary files of what looks like its own.
        program = ["mariadb-install-db", f"--tmpdir={self._folder}"] if self.is_mariadb else [self._program]
        command = [program[0], "--no-defaults", *self._user(), f"--datadir={self.data_folder}", *program[1:], *options]
        done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`{program[0]}` failed:\n{done.stdout}{done.stderr}")

    def _network(self) -> list[str]:
        if not self._port:
            return ["--skip-networking", "--skip-log-bin"]
        gtids = [] if self.is_mariadb else ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]
        log = ["--log-bin=log", "--relay-log=relay", f"--server-id={self._port}", "--sync-binlog=1", *gtids]
        return ["--bind-address=127.0.0.1", f"--port={self._port}", *log]

    def _user(self) -> list[str]:
        """MariaDB refuses to run as root unless told that this is meant."""
        return ["--user=root"] if os.geteuid() == 0 else []


class ExistingServer:
    """The server of `HYDRA_TEST_MYSQL_URL`."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)

    def url(self, database: str = "") -> str:
        return urlunsplit(self._parts._replace(path=f"/{database}"))


def connect(url: str, flags: int = 0) -> pymysql.Connection:
    """A plain autocommit connection, for what a test does behind the store's back."""
    parts = urlsplit(url)
    socket = parse_qs(parts.query).get("unix_socket", [None])[0]
    return pymysql.connect(
        host=parts.hostname or "localhost",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/") or None,
        unix_socket=socket,
        ssl_disabled=socket is not None,  # a context for TLS takes 20 ms
        charset="utf8mb4",
        autocommit=True,
        client_flag=flags,
    )


def create_database(server: MysqlServer | ExistingServer, name: str = "") -> str:
    """A fresh, empty database; returns its URL."""
    name = name or f"hydra_{uuid.uuid4().hex[:16]}"
    with connect(server.url()) as connection, connection.cursor() as cursor:
        cursor.execute(f"create database `{name}`")
    return server.url(name)


def drop_database(server: MysqlServer | ExistingServer, url: str) -> None:
    """Sessions still in the database are ended first: an open transaction would hold the drop up."""
    name = urlsplit(url).path.strip("/")
    with connect(server.url()) as connection, connection.cursor() as cursor:
        cursor.execute("select id from information_schema.processlist where db = %s", (name,))
        for (session,) in cursor.fetchall():
            try:
                cursor.execute(f"kill {session}")
            except pymysql.OperationalError as error:
                if error.args[0] != 1094:  # it went by itself
                    raise
        cursor.execute(f"drop database if exists `{name}`")
