"""The stage of MySQL and MariaDB; `raw` observes, `other` interferes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pymysql
import pytest
from hydra.execution import NodeRef, Status
from hydra.stores.mysql import MysqlStore
from hydra.stores.mysql.statements import STATEMENTS, id_literal, id_text

from tests.servers import mysql
from tests.stores.racing import Guard, ServerStage


class Behind:
    """A connection that does what no verb does."""

    def __init__(self, url: str) -> None:
        self.connection = mysql.connect(url)

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def explain(self, query: str) -> list[dict[str, Any]]:
        """A row for each table; its columns are not the same on every server."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"explain format=traditional {query}")
            names = [column[0].lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def lift_checks(self) -> None:
        """From here on no constraint of the tables holds this connection back; on MySQL, none any other either."""
        if self.is_mariadb():
            self.run("set check_constraint_checks = 0")
            return
        checks = "constraint_type = 'CHECK' and constraint_schema = database()"
        for table, name in self.run(
            f"select table_name, constraint_name from information_schema.table_constraints where {checks}"
        ):
            self.run(f"alter table {table} alter check {name} not enforced")

    def is_mariadb(self) -> bool:
        return "mariadb" in self.connection.get_server_info().lower()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """A transaction that stays open, and for which the server keeps all that was there when it began."""
        self.run("set session transaction isolation level repeatable read")
        self.run("start transaction with consistent snapshot")
        yield
        self.run("rollback")

    @contextmanager
    def transaction(self) -> Iterator[Behind]:
        """Committed at the end."""
        self.run("set session transaction isolation level read committed")
        self.run("begin")
        yield self
        self.run("commit")

    def lock(self, id: str) -> None:
        """It holds the execution's row from here on."""
        self.run(f"select id from hydra_execution where id = {id_literal(id)} for update")

    def make_heavy(self) -> None:
        """The lightest of a deadlock's transactions is its victim: this one has written most."""
        rows = ", ".join(f"(x'{number:032x}')" for number in range(100))
        self.run(f"insert into hydra_probe (id) values {rows}")


class MysqlStage(ServerStage):
    GUARDS: ClassVar[dict[str, Guard]] = {
        "claims skip": (("claim_lock", "skip locked", ""),),
        "a beat shares the fence": (("fence", "lock in share mode", "for update"),),
        "a reaper locks first": (("lock_node", "for update skip locked", ""),),
        "a suspend looks at what is locked": (("commit_read", "for update", ""),),
        "a cancel locks first": (("lock_executions", "for update", ""),),
    }
    lost_cancel_says = Status.RUNNING
    a: MysqlStore
    b: MysqlStore

    def __init__(self, a: MysqlStore, b: MysqlStore, url: str) -> None:
        self.url = url
        self.raw, self.other = Behind(url), Behind(url)
        super().__init__(a, b)

    def blocked_count(self) -> int:
        return self.server_count("innodb_row_lock_current_waits")

    def replace(self, monkeypatch: pytest.MonkeyPatch, statement: str, text: str, instead: str = "") -> None:
        before = STATEMENTS[statement]
        assert text in before, f"`{statement}` has no `{text}`"
        monkeypatch.setitem(STATEMENTS, statement, before.replace(text, instead))

    @contextmanager
    def holding(self, id: str | None = None) -> Iterator[Behind]:
        with self.other.transaction() as other:
            other.make_heavy()
            if id is not None:
                other.lock(id)
            yield other

    @contextmanager
    def holding_node(self, node: NodeRef) -> Iterator[None]:
        with self.other.transaction() as other:
            other.run(f"select id from hydra_node where id = {id_literal(node.id)} for update")
            yield

    def free_executions(self) -> list[str]:
        self.raw.run("begin")
        rows = self.raw.run("select id from hydra_execution force index (primary) for update skip locked")
        self.raw.run("rollback")
        return [id_text(id) for (id,) in rows]

    def server_count(self, name: str) -> int:
        """A counter of the whole server, which this test has to itself."""
        ((_, count),) = self.raw.run(f"show global status like '{name}'")
        return int(count)

    def deadlock_count(self) -> int:
        """The same of deadlocks."""
        if self.raw.is_mariadb():
            return self.server_count("innodb_deadlocks")
        ((count,),) = self.raw.run("select count from information_schema.innodb_metrics where name = 'lock_deadlocks'")
        return int(count)

    def kill_session(self, store: MysqlStore) -> None:
        """The server ends the store's writing connection, as an operator or a proxy would."""
        writer = store._database._writer
        assert writer is not None
        self.raw.run(f"kill {writer._connection.thread_id()}")

    def close(self) -> None:
        super().close()
        for behind in (self.raw, self.other):
            try:
                behind.connection.close()
            except pymysql.Error:
                continue
