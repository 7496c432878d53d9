"""A primary and its replica (binary log, GTIDs) behind one address, which moves when the replica takes over."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pymysql

from tests.servers.mysql import MysqlServer, connect, create_database
from tests.servers.mysql_proxy import MysqlProxy

WAIT_SECONDS = 60
USER, PASSWORD = "replicator", "secret"
NEVER_MS = 3_600_000

# One thing in the words of MariaDB, of MySQL, and of MySQL before 8.4.
WORDS = {
    "mariadb": {
        "source": "master",
        "replica": "slave",
        "follow": "change master to master_host = '127.0.0.1', master_port = {port}, master_user = '{user}', "
        "master_password = '{password}', master_use_gtid = slave_pos",
        "written": "select @@global.gtid_binlog_pos",
        "catch_up": "select master_gtid_wait('{written}', {seconds})",
    },
    "mysql": {
        "source": "source",
        "replica": "replica",
        "follow": "change replication source to source_host = '127.0.0.1', source_port = {port}, "
        "source_user = '{user}', source_password = '{password}', source_auto_position = 1, get_source_public_key = 1",
        "written": "select @@global.gtid_executed",
        "catch_up": "select wait_for_executed_gtid_set('{written}', {seconds})",
    },
    "old mysql": {
        "source": "master",
        "replica": "slave",
        "follow": "change master to master_host = '127.0.0.1', master_port = {port}, master_user = '{user}', "
        "master_password = '{password}', master_auto_position = 1, get_master_public_key = 1",
        "written": "select @@global.gtid_executed",
        "catch_up": "select wait_for_executed_gtid_set('{written}', {seconds})",
    },
}


class MysqlPair:
    """`url` leads to the primary, from `fail_over` on to what was its replica."""

    def __init__(self, folder: Path) -> None:
        ports = _free_ports(2)
        self._primary, self._replica = (MysqlServer(port=port).start() for port in ports)
        self._words = WORDS[self._dialect()]
        _run(self._primary, f"create user {USER}@'127.0.0.1' identified by '{PASSWORD}'")
        _run(self._primary, f"grant replication slave on *.* to {USER}@'127.0.0.1'")
        _run(self._replica, self._words["follow"].format(port=ports[0], user=USER, password=PASSWORD))
        _run(self._replica, "set global read_only = 1")
        self._run_replica("start")
        self._proxy = MysqlProxy(folder / "address", self._primary.socket)
        database = urlsplit(create_database(self._primary)).path
        self.url = f"mysql://root@localhost{database}?unix_socket={quote(str(self._proxy.path), safe='')}"

    @property
    def url_now(self) -> str:
        return self.url

    def stream(self, *, synchronously: bool) -> None:
        """Where it is synchronous, no commit is confirmed before the replica has it, too."""
        self._catch_up()
        if not synchronously:
            return
        source, replica = self._words["source"], self._words["replica"]
        if not self._primary.is_mariadb:
            _run(self._primary, f"install plugin rpl_semi_sync_{source} soname 'semisync_{source}.so'")
            _run(self._replica, f"install plugin rpl_semi_sync_{replica} soname 'semisync_{replica}.so'")
        for setting in ("wait_point = AFTER_SYNC", f"timeout = {NEVER_MS}", "enabled = 1"):
            _run(self._primary, f"set global rpl_semi_sync_{source}_{setting}")
        _run(self._replica, f"set global rpl_semi_sync_{replica}_enabled = 1")
        _run(self._replica, f"set global {replica}_net_timeout = 5")  # so that a frozen primary does not hold it up
        for verb in ("stop", "start"):
            self._run_replica(verb)
        clients = f"show global status like 'Rpl_semi_sync_{source}_clients'"
        _until(lambda: _run(self._primary, clients)[0]["Value"] == "1")

    def hold_back(self) -> None:
        """The replica has applied all there is now, and applies nothing more of what it hears."""
        self._catch_up()
        self._run_replica("stop", " sql_thread")

    def freeze(self) -> None:
        """The primary stands still, and its connections stay open."""
        self._primary.freeze()

    def fail_over(self) -> None:
        """The primary's power fails; the replica, when it has applied what it heard unless held back, takes over."""
        self._primary.kill()
        self._take_over()

    def replace(self) -> None:
        """The replica takes over from a primary that is frozen."""
        self._take_over()

    def _take_over(self) -> None:
        if self._status("SQL_Running") == "Yes":
            _until(self._has_applied_what_it_heard)
        self._run_replica("stop")
        self._run_replica("reset", " all")
        _run(self._replica, "set global read_only = 0")
        self._proxy.lead_to(self._replica.socket)

    def destroy(self) -> None:
        self._proxy.close()
        for server in (self._primary, self._replica):
            server.destroy()

    def _dialect(self) -> str:
        if self._primary.is_mariadb:
            return "mariadb"
        with connect(self._primary.url()) as connection:
            version = tuple(map(int, str(connection.get_server_info()).split("-")[0].split(".")))
        return "mysql" if version >= (8, 4) else "old mysql"

    def _catch_up(self) -> None:
        (written,) = _run(self._primary, self._words["written"])[0].values()
        caught_up = self._words["catch_up"].format(written=written, seconds=WAIT_SECONDS)
        assert list(_run(self._replica, caught_up)[0].values()) == [0], "the replica lags"

    def _has_applied_what_it_heard(self) -> bool:
        source = self._words["source"].capitalize()
        heard = self._status(f"{source}_Log_File", exactly=True), self._status(f"Read_{source}_Log_Pos", exactly=True)
        applied = (
            self._status(f"Relay_{source}_Log_File", exactly=True),
            self._status(f"Exec_{source}_Log_Pos", exactly=True),
        )
        return self._status("IO_Running") != "Yes" and heard == applied

    def _status(self, name: str, *, exactly: bool = False) -> Any:
        (status,) = _run(self._replica, f"show {self._words['replica']} status")
        return status[name if exactly else f"{self._words['replica'].capitalize()}_{name}"]

    def _run_replica(self, verb: str, rest: str = "") -> None:
        _run(self._replica, f"{verb} {self._words['replica']}{rest}")


def _run(server: MysqlServer, statement: str) -> list[dict[str, Any]]:
    with connect(server.url()) as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _until(condition: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the replica does not do what it shall")
        time.sleep(0.02)


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
