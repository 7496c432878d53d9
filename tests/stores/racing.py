"""Two nodes that race on real connections, each step made to happen when the test wants it; a stage for each store.

What differs between the databases is in `sqlite_stage`, `postgres_stage` and `mysql_stage`: how one sees that a session
waits, how a stranger holds a row, and by which text of which statement a guard stands there.
"""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol, TypeVar

import pytest
from hydra import _core
from hydra.execution import Claimed, End, ExecutionCommit, NodeInfo, NodeRef, Record, Status, Submission
from hydra.records.child_records import encode_request
from hydra.stores.store import Store

T = TypeVar("T")

NOW = 1_767_225_600_000_000
BLOCKED_SECONDS = 20.0

# Of a guard that is one statement's text: statement, what is taken out, what stands there instead.
Guard = tuple[tuple[str, str, str], ...]


def submission(**values: object) -> Submission:
    return Submission(_core.uuid7(), "bill", b"input", b"d" * 16, **values)  # type: ignore[arg-type]


def node_info() -> NodeInfo:
    return NodeInfo(str(uuid.uuid4()), "host", "boot", 1, 1, "code", 1)


def record(seq: int, name: str = "charge") -> Record:
    return Record(seq, "step", "", name, seq, 1, b"d" * 16, b"result", NOW, NOW)


def spawning(seq: int) -> Record:
    """A record that asks for a child."""
    asked = submission()
    return Record(seq, "spawn", "", "hydra.spawn:bill", 0, 1, b"d" * 16, encode_request(asked), NOW, NOW)


def recorded(execution: Claimed, *records: Record) -> ExecutionCommit:
    return ExecutionCommit(execution.id, execution.epoch, list(records))


def ended(execution: Claimed, kind: str, *records: Record, **values: object) -> ExecutionCommit:
    return ExecutionCommit(execution.id, execution.epoch, list(records), End(kind, **values))  # type: ignore[arg-type]


class Holder(Protocol):
    """A stranger's open transaction."""

    def lock(self, id: str) -> None:
        """Have that execution's row, too."""
        ...


class Stage(ABC):
    """Stores `a` and `b` with a node each."""

    GUARDS: ClassVar[dict[str, Guard]] = {}
    lost_cancel_says = Status.SLEEPING  # what a cancel answers that did not lock before it looked

    def __init__(self, a: Store, b: Store) -> None:
        self.a, self.b = a, b
        self.node_a = a.register_node(node_info(), NOW)
        self.node_b = b.register_node(node_info(), NOW)
        self._threads = ThreadPoolExecutor(8)

    def submit(self, count: int = 1, **values: object) -> list[str]:
        return [answer.id for answer in self.a.submit([submission(**values) for _ in range(count)], NOW)]

    def claim_a(self, slots: int = 10, now: int = NOW) -> list[Claimed]:
        return self.a.claim(self.node_a, ["bill"], slots, now)

    def claim_b(self, slots: int = 10, now: int = NOW) -> list[Claimed]:
        return self.b.claim(self.node_b, ["bill"], slots, now)

    def in_thread(self, verb: Callable[..., T], *arguments: object) -> Future[T]:
        return self._threads.submit(verb, *arguments)

    def give_back(self) -> None:
        """All of dead nodes, and once more: a node is empty only when a later look finds none (R8)."""
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

    def sent(self) -> None:
        """What `a` wrote in its open transaction has reached the server."""
        self.a.recover(self.node_a, [])

    def without(self, monkeypatch: pytest.MonkeyPatch, guard: str) -> None:
        """Take a guard out of its statements."""
        for statement, text, instead in self.GUARDS[guard]:
            self.replace(monkeypatch, statement, text, instead)

    def until_blocked(self, count: int = 1) -> None:
        """Return when so many sessions wait for a lock."""
        deadline = time.monotonic() + BLOCKED_SECONDS
        while self.blocked_count() != count:
            assert time.monotonic() < deadline, "nobody waits for a lock"

    @abstractmethod
    def blocked_count(self) -> int: ...

    @abstractmethod
    def replace(self, monkeypatch: pytest.MonkeyPatch, statement: str, text: str, instead: str = "") -> None:
        """Write something else into one SQL file."""

    def close(self) -> None:
        self._threads.shutdown()


class ServerStage(Stage):
    """Several writers at once, and a stranger beside them."""

    @abstractmethod
    def holding(self, id: str | None = None) -> AbstractContextManager[Holder]:
        """A stranger's transaction that has that execution's row; whoever deadlocks with it is the victim."""

    @abstractmethod
    def holding_node(self, node: NodeRef) -> AbstractContextManager[None]:
        """A stranger's transaction that has that node's row."""

    @abstractmethod
    def free_executions(self) -> list[str]:
        """Those that nobody has locked."""

    @abstractmethod
    def deadlock_count(self) -> int: ...
