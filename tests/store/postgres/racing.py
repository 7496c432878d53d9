"""Two nodes that race on real connections, each step made to happen when the test wants it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import psycopg
import pytest
from hydra import _core
from hydra.execution import Claimed, End, ExecutionCommit, NodeInfo, NodeRef, Record, Submission
from hydra.stores.postgres import PostgresStore
from hydra.stores.postgres.statements import statements
from psycopg.rows import TupleRow

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
    text = statements()[statement].decode()
    assert rule in text, f"`{statement}` has no `{rule}`"
    monkeypatch.setitem(statements(), statement, text.replace(rule, instead).encode())


class Stage:
    """Stores `a` and `b` with a node each. `raw` sees and does what no verb does."""

    def __init__(self, a: PostgresStore, b: PostgresStore, raw: psycopg.Connection[TupleRow]) -> None:
        self.a, self.b, self.raw = a, b, raw
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
        """Return when so many sessions of this database wait for a lock."""
        deadline = time.monotonic() + BLOCKED_SECONDS
        while self.raw.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchone() != (count,):
            assert time.monotonic() < deadline, "nobody waits for a lock"

    def give_back(self) -> None:
        while self.b.return_executions(NOW, 100):
            pass

    def counter(self, node: NodeRef) -> int:
        return next(state.counter for state in self.a.nodes() if state.info.id == node.id)

    def close(self) -> None:
        self._threads.shutdown()
