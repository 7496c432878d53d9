"""How a verb calls its statements, by the names of their files: `verb(transaction, …)`. Never commits one by itself.

A verb that only reads takes a `Reading`, which the open transaction is, too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hydra.errors import LeaseLost
from hydra.execution import NodeRef
from hydra.stores.mysql.statements import STATEMENTS, id_literal, literal

MAX_ROWS = 1000  # of one multi-row statement

Rows = Sequence[tuple[Any, ...]]


class Sender(Protocol):
    """A connection: hydra's own, or a caller's."""

    max_flush_bytes: int

    def send(self, statements: Sequence[str]) -> list[Any]: ...


class Reading(ABC):
    """What is read of one namespace, which is a literal, ready for a statement."""

    def __init__(self, namespace: str) -> None:
        self.namespace_name = namespace
        self.namespace = literal(namespace)

    def select(self, name: str, /, **values: object) -> Rows:
        """The rows of a statement."""
        return self.rows_of(self.render(name, **values))

    @abstractmethod
    def rows_of(self, statement: str) -> Rows:
        """The rows of a statement that was put together, as it is."""

    def render(self, name: str, /, **values: object) -> str:
        return STATEMENTS[name].format(namespace=self.namespace, **values)


class Reader(Reading):
    """Outside of a transaction: `run` sends each statement by itself."""

    def __init__(self, namespace: str, run: Callable[[str], Rows]) -> None:
        super().__init__(namespace)
        self._run = run

    def rows_of(self, statement: str) -> Rows:
        return self._run(statement)


class Transaction(Reading):
    """One that is open: what it sends, what it changed, whom its fence proved alive."""

    def __init__(self, session: Sender, namespace: str, share_locks_block: bool) -> None:
        super().__init__(namespace)
        self.session = session
        self.changes: Counter[tuple[str, str]] = Counter()
        self.due_count = 0  # that became due or delayed: something a node may have to see to
        self.failed = False
        self.begun = False
        self._share_locks_block = share_locks_block
        self.is_finished = False
        self.has_changed = False  # something others wait for; once it is finished
        self._fenced: set[NodeRef] = set()
        self._fencing: tuple[NodeRef, int] | None = None  # a fence that waits in the queue, and where
        self._queue: list[str] = []
        self._queued_bytes = 0

    def move(self, workflow: str, before: str | None, after: str | None, count: int = 1) -> None:
        """Executions changed their state; None stands for not being there."""
        if before is not None:
            self.changes[workflow, before] -= count
        if after is not None:
            self.changes[workflow, after] += count
            self.due_count += count if after == "pending" else 0

    def check_fence(self, node: NodeRef) -> None:
        """Refuse whatever follows unless the node is alive in this session (R6). It stays so until COMMIT.

        It leaves with the next flush, first of what follows it: where it is refused, all of that is rolled back.
        """
        if node in self._fenced or (self._fencing is not None and self._fencing[0] == node):
            return
        self.flush_fence()
        self._fencing = node, len(self._queue)
        name = "fence" if self._share_locks_block else "fence_update"
        self._queue.append(self.render(name, node=id_literal(node.id), session=node.session))

    @property
    def is_empty(self) -> bool:
        return not self.begun and not self._queue

    @property
    def has_writes(self) -> bool:
        """Whether more than a fence waits to be sent."""
        return len(self._queue) > (self._fencing is not None)

    def flush_fence(self) -> None:
        if self._fencing is not None:
            self.flush()

    def execute(self, name: str, /, **values: object) -> int:
        """Run a writing statement; how many rows it matched."""
        return int(self._send([self.render(name, **values)])[-1])

    def peek(self, name: str, /, **values: object) -> Rows | None:
        """The rows of a statement by itself, which begins nothing; None where the transaction has begun."""
        if self.begun or self._queue:
            return None
        rows: Rows = self.session.send([self.render(name, **values)])[-1]
        return rows

    def all_of(self, statements: Sequence[str]) -> list[Any]:
        """The answers of several, and of what was queued before them, in one flush."""
        return self._send(list(statements))

    def rows_of(self, statement: str) -> Rows:
        rows: Rows = self._send([statement])[-1]
        return rows

    def queue(self, name: str, /, **values: object) -> None:
        """A writing statement whose count nobody needs: it leaves with the next one."""
        statement = self.render(name, **values)
        if self._queued_bytes + len(statement) > self.session.max_flush_bytes:
            self.flush()
        self._queue.append(statement)
        self._queued_bytes += len(statement)

    def queue_rows(self, name: str, rows: Sequence[str]) -> None:
        """Rows into one table, in as few statements as the server's packets allow."""
        start = size = 0
        for index, text in enumerate(rows):
            if index > start and (index - start == MAX_ROWS or size + len(text) > self.session.max_flush_bytes):
                self.queue(name, rows=", ".join(rows[start:index]))
                start, size = index, 0
            size += len(text) + 2
        if start < len(rows):
            self.queue(name, rows=", ".join(rows[start:]))

    def flush(self) -> None:
        if self._queue:
            self._send([])

    def savepoint(self, name: str) -> None:
        self._queue.append(f"savepoint {name}")

    def release_savepoint(self, name: str) -> None:
        """Everything since the savepoint is done, or fails, when this returns."""
        self._send([f"release savepoint {name}"])

    def roll_back_to(self, name: str) -> None:
        self._queue, self._queued_bytes, self._fencing = [], 0, None
        self._send([f"rollback to savepoint {name}", f"release savepoint {name}"])

    def finish(self, tallies: Sequence[str], reads: Sequence[str]) -> list[Any]:
        """COMMIT; everything still queued and what is to be read leave with it. The answers of all but COMMIT."""
        if tallies:
            self.queue("add_tallies", rows=", ".join(tallies))
        answers = self._send([*reads, "commit"])
        self.is_finished = True
        return answers[:-1]

    def _send(self, statements: list[str]) -> list[Any]:
        if self._queue and statements and self._queued_bytes + sum(map(len, statements)) > self.session.max_flush_bytes:
            self._send([])
        batch, fencing = self._queue + statements, self._fencing
        self._queue, self._queued_bytes, self._fencing = [], 0, None
        prelude = [] if self.begun else ["begin"]
        self.begun = True
        answers = self.session.send(prelude + batch)
        if fencing is not None:
            node, place = fencing
            self._check_alive(node, answers[len(prelude) + place])
        return answers

    def _check_alive(self, node: NodeRef, answer: Any) -> None:
        if not (answer if self._share_locks_block else answer == 1):
            raise LeaseLost(f"node `{node.id}` may no longer write: it was declared dead or its session is over")
        self._fenced.add(node)
