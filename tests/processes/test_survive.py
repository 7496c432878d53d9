"""Supervisors on a database that is read-only, full, locked or deaf for a while: all completes, nothing runs twice.

They run as the role of docs/operations.md that has the fewest rights, which no limit makes an exception for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pymysql
import pytest
from hydra.stores import open_store

from tests.processes import apps, ledger_app
from tests.processes.scene import Node, Scene, until
from tests.processes.test_servers import end_sessions
from tests.processes.test_transactions import connect, once, rows
from tests.servers.mysql_proxy import MysqlProxy
from tests.servers.proxy import Proxy
from tests.servers.roles import Roles, make_mysql_roles, make_postgres_roles

EXECUTIONS = 12
PG_COMMIT = b"Q\x00\x00\x00\x0bcommit\x00"


@pytest.fixture
def roles(request: pytest.FixtureRequest, database: str) -> Roles:
    if database == "postgres":
        return make_postgres_roles(request.getfixturevalue("postgres_server"))
    return make_mysql_roles(request.getfixturevalue("mysql_server"))


@pytest.fixture
def scene(tmp_path: Path, roles: Roles) -> Iterator[Scene]:
    open_store(roles.owner).migrate()
    administrator = connect(roles.administrator)
    administrator.cursor().execute(ledger_app.TABLE)
    if roles.app.startswith("postgresql"):
        administrator.cursor().execute("grant select, insert on ledger to public")
    administrator.close()
    scene = Scene(tmp_path, roles.app)
    try:
        yield scene
        assert [node.stop() for node in scene.nodes] == [0] * len(scene.nodes)
        assert scene.engine.audit() == []
    finally:
        scene.close()


pytestmark = pytest.mark.parametrize("database", ["postgres", "mysql"])


class Work:
    """Executions at work, half of them before a gate and half in transactions."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._accounts = [f"a{number}" for number in range(EXECUTIONS)]
        self._climbs = [scene.engine.submit(apps.climb.bind(self._log(n), str(scene.gate))) for n in range(EXECUTIONS)]
        until(lambda: all(Path(self._log(number)).exists() for number in range(EXECUTIONS)))
        self._books = [scene.engine.submit(ledger_app.book.bind(account)) for account in self._accounts[:2]]

    def _log(self, number: int) -> str:
        return f"{self._scene.log}-{number}"

    def go_on(self) -> None:
        """What cannot be recorded now: the gate opens."""
        self._scene.gate.touch()
        Path(f"{self._scene.gate}-above").touch()

    def assert_done_once(self, url: str) -> None:
        assert [handle.result(timeout=90) for handle in self._climbs] == ["above"] * EXECUTIONS
        for number in range(EXECUTIONS):
            words = [line.split("\t")[0] for line in Path(self._log(number)).read_text().splitlines()]
            assert words == ["hold", "behind the gate", "hold"]
        rest = [self._scene.engine.submit(ledger_app.book.bind(account)) for account in self._accounts[2:]]
        assert [handle.result(timeout=90) for handle in [*self._books, *rest]] == [[1, 5, 2, 7]] * EXECUTIONS
        assert rows(url) == once(*self._accounts, *(f"{account}/2" for account in self._accounts))


def run(url: str, *statements: str) -> None:
    connection = connect(url)
    for statement in statements:
        connection.cursor().execute(statement)
    connection.close()


def test_g7_a_database_that_is_read_only_for_a_while(scene: Scene, roles: Roles) -> None:
    """Sessions that began read-only stay so on PostgreSQL, until somebody replaces them: the nodes do."""
    node = scene.start("ledger_app", lease_ttl_seconds=2.0)
    work = Work(scene)
    name = urlsplit(roles.app).path.strip("/")
    if roles.app.startswith("mysql"):
        run(roles.administrator, "set global read_only = 1")
    else:
        run(roles.administrator, f"alter database {name} set default_transaction_read_only = on")
        end_sessions(roles.administrator)
    try:
        work.go_on()
        until(lambda: has_met_it(node))
    finally:
        if roles.app.startswith("mysql"):
            run(roles.administrator, "set global read_only = 0")
        else:
            run(
                roles.administrator,
                "set default_transaction_read_only = off",
                f"alter database {name} reset default_transaction_read_only",
            )
    work.assert_done_once(roles.administrator)


def test_g7_a_server_without_a_connection_to_spare(scene: Scene, roles: Roles) -> None:
    """This role may have no connection, or only one, which somebody else has."""
    node = scene.start("ledger_app", lease_ttl_seconds=2.0)
    work = Work(scene)
    user, is_mysql = urlsplit(roles.app).username, roles.app.startswith("mysql")
    limit = "alter user {} with max_user_connections {}" if is_mysql else "alter role {} connection limit {}"
    run(roles.administrator, limit.format(user, 1 if is_mysql else 0))
    end_sessions(roles.administrator)
    taken = take_the_only_one(roles) if is_mysql else None
    work.go_on()
    until(lambda: has_met_it(node))
    run(roles.administrator, limit.format(user, 0 if is_mysql else -1))
    if taken is not None:
        taken.close()
    work.assert_done_once(roles.administrator)


def test_g7_a_server_without_a_connection_to_spare_when_a_node_starts(scene: Scene, roles: Roles) -> None:
    """It says so in one sentence, and comes up by itself when there is one."""
    handle = scene.engine.submit(ledger_app.book.bind("a0"))
    user, is_mysql = urlsplit(roles.app).username, roles.app.startswith("mysql")
    limit = "alter user {} with max_user_connections {}" if is_mysql else "alter role {} connection limit {}"
    run(roles.administrator, limit.format(user, 1 if is_mysql else 0))
    end_sessions(roles.administrator)
    taken = take_the_only_one(roles) if is_mysql else None
    node = scene.start("ledger_app", lease_ttl_seconds=2.0)
    told = "waits for its database"
    until(lambda: told in node.text())
    run(roles.administrator, limit.format(user, 0 if is_mysql else -1))
    if taken is not None:
        taken.close()
    assert handle.result(timeout=60) == [1, 5, 2, 7]
    assert "Traceback" not in node.text()


def test_g7_an_administrators_limits_for_statements_and_idle_sessions(scene: Scene, roles: Roles) -> None:
    """Lower than hydra's own, which hold in its sessions; an idle one that is ended is replaced."""
    if roles.app.startswith("mysql"):
        names, who, low, back = ("wait_timeout", "innodb_lock_wait_timeout"), "set global", " = 1", " = default"
    else:
        names = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout", "idle_session_timeout")
        who, low, back = f"alter role {urlsplit(roles.app).username} set", " = '250ms'", " = default"
    run(roles.administrator, *(f"{who} {name}{low}" for name in names))
    try:
        end_sessions(roles.administrator)
        scene.start("ledger_app", lease_ttl_seconds=2.0)
        work = Work(scene)
        work.go_on()
        work.assert_done_once(roles.administrator)
    finally:
        run(roles.administrator, *(f"{who} {name}{back}" for name in names))


def test_g7_tables_that_somebody_locks_for_longer_than_a_statement_may_take(scene: Scene, roles: Roles) -> None:
    node = scene.start("ledger_app", lease_ttl_seconds=3.0)
    work = Work(scene)
    locker = connect(roles.administrator)
    if roles.app.startswith("mysql"):
        locker.cursor().execute("lock tables hydra_record write, hydra_claim write")
    else:
        locker.cursor().execute("begin")
        locker.cursor().execute("lock table hydra_record, hydra_claim in access exclusive mode")
    work.go_on()
    until(lambda: has_met_it(node), seconds=60)
    locker.close()
    work.assert_done_once(roles.administrator)


def test_r21_the_reply_to_a_transactions_commit_is_lost(
    request: pytest.FixtureRequest, scene: Scene, roles: Roles, tmp_path: Path
) -> None:
    """It was written, and nobody was told: the record says so, and the function does not run again."""
    parts = urlsplit(roles.app)
    proxy: Any
    if parts.scheme == "mysql":
        proxy = MysqlProxy(tmp_path / "proxy", request.getfixturevalue("mysql_server").socket)
        query = f"unix_socket={quote(str(tmp_path / 'proxy'), safe='')}"
        statement = b"commit"
    else:
        server = request.getfixturevalue("postgres_server")
        proxy = Proxy(tmp_path, server.socket_folder / f".s.PGSQL.{server.port}")
        query = f"host={quote(str(tmp_path), safe='')}"
        statement = PG_COMMIT
    try:
        proxy.lose_reply_to(statement)
        scene.start("ledger_app", url=parts._replace(query=query).geturl())
        handle = scene.engine.submit(ledger_app.book.bind("a"))
        assert handle.result(timeout=60) == [1, 5, 2, 7]
        assert proxy.lost.is_set()
        assert rows(roles.administrator) == once("a", "a/2")
        assert [record.kind for record in open_store(roles.app).records(handle.id)] == ["step"] * 4
        assert scene.nodes[0].stop() == 0
        scene.nodes.clear()
    finally:
        proxy.close()


def has_met_it(node: Node) -> bool:
    """What the work wanted recorded could not be; told once, however long it lasts."""
    return any(words in node.text() for words in ("a commit failed", "cannot read back", "may or may not"))


def take_the_only_one(roles: Roles) -> Any:
    """The supervisor may have been quicker: then its session is ended once more."""
    while True:
        try:
            return connect(roles.app)
        except pymysql.OperationalError:
            end_sessions(roles.administrator)
