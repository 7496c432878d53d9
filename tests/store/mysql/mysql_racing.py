"""Two nodes that race on real connections, each step made to happen when the test wants it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import pymysql
import pytest
from hydra import _core
from hydra.execution import Claimed, End, ExecutionCommit, NodeInfo, NodeRef, Record, Status, Submission
from hydra.stores.mysql import MysqlStore
from hydra.stores.mysql.statements import STATEMENTS, id_literal
from servers import mysql

T = TypeVar("T")

NOW = 1_767_225_600_000_000
BLOCKED_SECONDS = 20.0


def submission(**values: object) -> Submission:
    return Submission(_core.uuid7(), "bill", b"input", b"d" * 16, **values)  # type: ignore[arg-type]


def node_info() -> NodeInfo:
    return NodeInfo(str(uuid.uuid4()), "host", "boot", 1, 1, "code", 1)


def record(seq: int, name: str = "charge") -> Record:
    return Record(seq, "step", "", name, seq, 1, b"d" * 16, b"result", NOW, NOW)


def recorded(execution: Claimed, *records: Record) -> ExecutionCommit:
    return ExecutionCommit(execution.id, execution.epoch, list(records))


def ended(execution: Claimed, kind: str, *records: Record, **values: object) -> ExecutionCommit:
    return ExecutionCommit(execution.id, execution.epoch, list(records), End(kind, **values))  # type: ignore[arg-type]


def without(monkeypatch: pytest.MonkeyPatch, statement: str, rule: str, instead: str = "") -> None:
    """Take a rule out of one SQL file."""
    text = STATEMENTS[statement]
    assert rule in text, f"`{statement}` has no `{rule}`"
    monkeypatch.setitem(STATEMENTS, statement, text.replace(rule, instead))


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


class Stage:
    """Stores `a` and `b` with a node each; `raw` observes, `other` interferes."""

    def __init__(self, a: MysqlStore, b: MysqlStore, url: str) -> None:
        self.a, self.b, self.url = a, b, url
        self.raw, self.other = Behind(url), Behind(url)
        self.node_a = a.register_node(node_info(), NOW)
        self.node_b = b.register_node(node_info(), NOW)
        self._threads = ThreadPoolExecutor(8)

    def submit(self, count: int = 1) -> list[str]:
        return [answer.id for answer in self.a.submit([submission() for _ in range(count)], NOW)]

    def claim_a(self, slots: int = 10, now: int = NOW) -> list[Claimed]:
        return self.a.claim(self.node_a, ["bill"], slots, now)

    def claim_b(self, slots: int = 10, now: int = NOW) -> list[Claimed]:
        return self.b.claim(self.node_b, ["bill"], slots, now)

    def in_thread(self, verb: Callable[..., T], *arguments: object) -> Future[T]:
        return self._threads.submit(verb, *arguments)

    def until_blocked(self, count: int = 1) -> None:
        """Return when so many transactions wait for a lock."""
        deadline = time.monotonic() + BLOCKED_SECONDS
        while self.server_count("innodb_row_lock_current_waits") != count:
            assert time.monotonic() < deadline, "nobody waits for a lock"

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

    def lock_execution(self, id: str) -> None:
        """`other` holds the execution's row from here on."""
        self.other.run(f"select id from hydra_execution where id = {id_literal(id)} for update")

    def give_back(self) -> None:
        while self.b.return_executions(NOW, 100):
            pass
        self.b.return_executions(NOW, 100)

    def counter(self, node: NodeRef) -> int:
        return next(state.counter for state in self.b.nodes() if state.info.id == node.id)

    def node_state(self, node: NodeRef) -> str:
        return next(state.state for state in self.b.nodes() if state.info.id == node.id)

    def status(self, id: str) -> Status:
        (snapshot,) = self.a.get([id])
        assert snapshot is not None
        return snapshot.status

    def kill_session(self, store: MysqlStore) -> None:
        """The server ends the store's writing connection, as an operator or a proxy would."""
        writer = store._database._writer
        assert writer is not None
        self.raw.run(f"kill {writer._connection.thread_id()}")

    def close(self) -> None:
        self._threads.shutdown()
        for behind in (self.raw, self.other):
            try:
                behind.connection.close()
            except pymysql.Error:
                continue
