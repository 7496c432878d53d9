"""What a person orders: cancel, retry, resume, resolve. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

import msgspec

from hydra.execution import Record, Status
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.family import tell_parents, with_descendants
from hydra.stores.sqlite.statements import execute, execute_rows, select, select_json, to_json

IDLE = (Status.PENDING, Status.SLEEPING, Status.WAITING, Status.PARKED)


def request_cancel(
    connection: sqlite3.Connection, namespace: str, ids: Sequence[str], now: int, *, undo: bool = True
) -> list[Status | None]:
    """The status after. The children they made go the same way. What must be undone first is due, and ends then."""
    before = _States(connection, namespace, with_descendants(connection, ids))
    execute(connection, "cancel_running", namespace=namespace, ids=before.ids_json)
    undoable = find_undoable(connection, before.ids_of(IDLE)) - (set() if undo else set(ids))
    ended = [id for id in before.ids_of(IDLE) if id not in undoable]
    execute(connection, "cancel_idle", namespace=namespace, ids=to_json(ended), now=now)
    unwind(connection, namespace, undoable, "cancel", now)
    before.count_moves(IDLE, Status.CANCELLED, ended)
    before.count_moves(IDLE, Status.PENDING, undoable)
    tell_parents(connection, namespace, ended, now)
    after = dict.fromkeys(ended, Status.CANCELLED) | dict.fromkeys(undoable, Status.PENDING)
    return [after.get(id, status) for id, status in zip(ids, before.of(ids), strict=True)]


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


def resolve(
    connection: sqlite3.Connection, namespace: str, resolutions: Sequence[tuple[str, Record]], now: int
) -> list[Status | None]:
    """The status before; PENDING for what was parked with another number of records."""
    answers: list[Status | None] = []
    for id, record in resolutions:
        before = _States(connection, namespace, [id])
        (status,) = before.of([id])
        if status is Status.PARKED:
            values = {"id": id, "namespace": namespace, "record_count": record.seq - 1, "now": now}
            if execute(connection, "resolve", **values):
                execute_rows(connection, "commit_records", [(id, *msgspec.structs.astuple(record))])
                before.count_moves((Status.PARKED,), Status.PENDING)
            else:
                status = Status.PENDING
        answers.append(status)
    return answers


def find_undoable(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    """Those that have registered what undoes them."""
    found: list[str] = msgspec.json.decode(select(connection, "undoable", ids=to_json(list(ids)))[0][0])
    return set(found)


def unwind(connection: sqlite3.Connection, namespace: str, ids: Collection[str], attention: str, now: int) -> int:
    """Have whoever claims them undo what they did, and end them."""
    values = {"namespace": namespace, "ids": to_json(sorted(ids)), "attention": attention, "now": now}
    return execute(connection, "unwind", **values) if ids else 0


class _States:
    """What the executions were before the order, read under the write lock."""

    def __init__(self, connection: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> None:
        self._connection = connection
        self._namespace = namespace
        self.ids_json = to_json(sorted(set(ids)))
        self._rows = select_json(connection, "states", namespace=namespace, ids=self.ids_json)

    def ids_of(self, statuses: Sequence[Status]) -> list[str]:
        return [row[0] for row in self._rows if row[2] in statuses]

    def of(self, ids: Sequence[str]) -> list[Status | None]:
        found = {row[0]: Status(row[2]) for row in self._rows}
        return [found.get(id) for id in ids]

    def count_moves(self, sources: Sequence[Status], target: Status, ids: Collection[str] | None = None) -> None:
        changes = Changes()
        for id, workflow, status in self._rows:
            if status in sources and (ids is None or id in ids):
                changes.move(workflow, status, target)
        changes.write(self._connection, self._namespace)
