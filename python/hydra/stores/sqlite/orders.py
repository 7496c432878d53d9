"""What a person orders: cancel, retry, resume. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hydra.execution import Status
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.family import tell_parents, with_descendants
from hydra.stores.sqlite.statements import execute, select_json, to_json

IDLE = (Status.PENDING, Status.SLEEPING, Status.WAITING, Status.PARKED)


def request_cancel(connection: sqlite3.Connection, namespace: str, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status after. The children it made go the same way."""
    before = _States(connection, namespace, with_descendants(connection, ids))
    execute(connection, "cancel_running", namespace=namespace, ids=before.ids_json)
    execute(connection, "cancel_idle", namespace=namespace, ids=before.ids_json, now=now)
    before.count_moves(IDLE, Status.CANCELLED)
    tell_parents(connection, namespace, before.idle_ids, now)
    return [Status.CANCELLED if status in IDLE else status for status in before.of(ids)]


def retry(connection: sqlite3.Connection, namespace: str, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before."""
    before = _States(connection, namespace, ids)
    execute(connection, "supersede", namespace=namespace, ids=before.ids_json, now=now)
    execute(connection, "retry", namespace=namespace, ids=before.ids_json, now=now)
    before.count_moves((Status.FAILED,), Status.PENDING)
    return before.of(ids)


def resume(connection: sqlite3.Connection, namespace: str, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before."""
    before = _States(connection, namespace, ids)
    execute(connection, "resume", namespace=namespace, ids=before.ids_json, now=now)
    before.count_moves((Status.PARKED,), Status.PENDING)
    return before.of(ids)


class _States:
    """What the executions were before the order, read under the write lock."""

    def __init__(self, connection: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> None:
        self._connection = connection
        self._namespace = namespace
        self.ids_json = to_json(sorted(set(ids)))
        self._rows = select_json(connection, "states", namespace=namespace, ids=self.ids_json)

    @property
    def idle_ids(self) -> list[str]:
        return [row[0] for row in self._rows if row[2] in IDLE]

    def of(self, ids: Sequence[str]) -> list[Status | None]:
        found = {row[0]: Status(row[2]) for row in self._rows}
        return [found.get(id) for id in ids]

    def count_moves(self, sources: Sequence[Status], target: Status) -> None:
        changes = Changes()
        for _, workflow, status in self._rows:
            if status in sources:
                changes.move(workflow, status, target)
        changes.write(self._connection, self._namespace)
