"""What executions were before somebody's order, as it is read under the write lock."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hydra.execution import Status
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Transaction


class States:
    """Of one transaction."""

    def __init__(self, transaction: Transaction, ids: Sequence[str]) -> None:
        self._transaction = transaction
        self.ids_json = to_json(sorted(set(ids)))
        self._rows = transaction.select_json("states", ids=self.ids_json)

    def ids_of(self, statuses: Sequence[Status]) -> list[str]:
        return [row[0] for row in self._rows if row[2] in statuses]

    def keeping_keys(self, statuses: Sequence[Status]) -> list[str]:
        """Without those whose key went over to another."""
        rows = self._transaction.select("former_keys", ids=self.ids_json)
        former = {id for (id,) in rows}
        return [id for id in self.ids_of(statuses) if id not in former]

    def of(self, ids: Sequence[str]) -> list[Status | None]:
        found = {row[0]: Status(row[2]) for row in self._rows}
        return [found.get(id) for id in ids]

    def count_moves(self, sources: Sequence[Status], target: Status, ids: Collection[str] | None = None) -> None:
        changes = Changes()
        for id, workflow, status in self._rows:
            if status in sources and (ids is None or id in ids):
                changes.move(workflow, status, target)
        changes.write(self._transaction)
