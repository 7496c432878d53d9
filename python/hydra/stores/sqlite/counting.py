"""How many executions there are by workflow and status: each verb adds what it changed, in its own transaction."""

from __future__ import annotations

from hydra.stores.sqlite.statements import RowStatement
from hydra.stores.sqlite.transaction import Transaction

_COUNT_ADD = RowStatement("count_add")


class Changes:
    """What one transaction did to the counts."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, str], int] = {}

    def add(self, workflow: str, status: str, count: int = 1) -> None:
        self._changes[workflow, status] = self._changes.get((workflow, status), 0) + count

    def move(self, workflow: str, before: str, after: str, count: int = 1) -> None:
        self.add(workflow, before, -count)
        self.add(workflow, after, count)

    def write(self, transaction: Transaction) -> None:
        namespace = transaction.namespace
        rows = [(namespace, *place, count) for place, count in self._changes.items() if count]
        if rows:
            transaction.execute_rows(_COUNT_ADD, rows)
