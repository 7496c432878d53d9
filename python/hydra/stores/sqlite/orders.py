"""What a person orders of what stopped: retry, resume, resolve. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from hydra.execution import Record, Status
from hydra.stores.sqlite.child_executions import announce_again
from hydra.stores.sqlite.statements import RowStatement, execute, execute_rows
from hydra.stores.sqlite.states import States

_COMMIT_RECORDS = RowStatement("commit_records")


def retry(connection: sqlite3.Connection, namespace: str, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before. What gave its key up to another stays failed."""
    before = States(connection, namespace, ids)
    execute(connection, "supersede", namespace=namespace, ids=before.ids_json, now=now)
    execute(connection, "retry", namespace=namespace, ids=before.ids_json, now=now)
    retried = before.keeping_keys((Status.FAILED,))
    before.count_moves((Status.FAILED,), Status.PENDING, retried)
    announce_again(connection, namespace, retried, now)
    return before.of(ids)


def resume(connection: sqlite3.Connection, namespace: str, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before."""
    before = States(connection, namespace, ids)
    execute(connection, "resume", namespace=namespace, ids=before.ids_json, now=now)
    before.count_moves((Status.PARKED,), Status.PENDING)
    return before.of(ids)


def resolve(
    connection: sqlite3.Connection, namespace: str, resolutions: Sequence[tuple[str, Record]], now: int
) -> list[Status | None]:
    """The status before; PENDING for what was parked with another number of records."""
    answers: list[Status | None] = []
    for id, record in resolutions:
        before = States(connection, namespace, [id])
        (status,) = before.of([id])
        if status is Status.PARKED:
            values = {"id": id, "namespace": namespace, "record_count": record.seq - 1, "now": now}
            if execute(connection, "resolve", **values):
                execute_rows(connection, _COMMIT_RECORDS, [(id, *msgspec.structs.astuple(record))])
                before.count_moves((Status.PARKED,), Status.PENDING)
            else:
                status = Status.PENDING
        answers.append(status)
    return answers
