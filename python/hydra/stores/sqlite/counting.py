"""How many executions there are by workflow and status: each verb adds what it changed, in its own transaction."""

from __future__ import annotations

from collections import Counter

from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Transaction


class Changes:
    """What one transaction did to the counts."""

    def __init__(self) -> None:
        self._changes: Counter[tuple[str, str]] = Counter()

    def add(self, workflow: str, status: str, count: int = 1) -> None:
        self._changes[workflow, status] += count

    def move(self, workflow: str, before: str, after: str, count: int = 1) -> None:
        self._changes[workflow, before] -= count
        self._changes[workflow, after] += count

    def write(self, transaction: Transaction) -> None:
        rows = [(workflow, status, count) for (workflow, status), count in self._changes.items() if count]
        if rows:
            transaction.execute("count_add", rows=to_json(rows))
