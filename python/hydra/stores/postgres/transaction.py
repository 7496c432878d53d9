"""How a verb calls its statements, by the names of their files: `verb(transaction, …)`. Never commits one by itself.

    transaction.run(("retry", {…}), ("states", {…})) ──► one flush ──► a result for each
    transaction.select("acts", id=…)                 ──► a flush of its own ──► its rows

A verb that only reads takes a `Reading`, which the open transaction is, too. `%(namespace)s` is that of the store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from hydra.stores.postgres.session import Result, Step

Rows = list[tuple[Any, ...]]
Announce = Callable[[str, int], None]

UNDO: Step = ("undo", {})  # what was done in a caller's transaction since it was joined


class Reading(ABC):
    """What is read of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def select(self, name: str, /, **values: object) -> Rows:
        """The rows of a statement."""
        (rows,) = self.rows_of((name, values))
        return rows

    @abstractmethod
    def rows_of(self, *steps: Step) -> list[Rows]:
        """The rows of several, which leave in one flush."""

    def in_namespace(self, steps: Sequence[Step]) -> list[Step]:
        return [(name, {"namespace": self.namespace, **values}) for name, values in steps]


class Reader(Reading):
    """Outside of a transaction: `fetch` has the rows of one flush."""

    def __init__(self, namespace: str, fetch: Callable[..., list[Rows]]) -> None:
        super().__init__(namespace)
        self._fetch = fetch

    def rows_of(self, *steps: Step) -> list[Rows]:
        return self._fetch(*self.in_namespace(steps))


def announce_nothing(kind: str, count: int) -> None:
    """A caller commits when it likes, and tells nobody."""


class Transaction(Reading):
    """One flush, which is a transaction of its own; or one that is open, and of which this may be a part."""

    def __init__(
        self, namespace: str, send: Callable[..., list[Result]], announce: Announce = announce_nothing
    ) -> None:
        super().__init__(namespace)
        self._send = send
        self._announce = announce

    def run(self, *steps: Step) -> list[Result]:
        """The results of several statements, which leave in one flush."""
        return self._send(*self.in_namespace(steps))

    def execute(self, name: str, /, **values: object) -> int:
        """Run one writing statement; how many rows it wrote."""
        (result,) = self.run((name, values))
        return result.row_count

    def rows_of(self, *steps: Step) -> list[Rows]:
        return [result.rows for result in self.run(*steps)]

    def announce(self, kind: str, count: int = 1) -> None:
        """Once it is committed, others are told that so many executions are ready, or done (`news`)."""
        self._announce(kind, count)
