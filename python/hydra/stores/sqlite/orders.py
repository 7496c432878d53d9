"""What a person orders of what stopped: retry, resume, resolve. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.execution import Record, Status
from hydra.stores.sqlite.child_executions import announce_again
from hydra.stores.sqlite.statements import RowStatement
from hydra.stores.sqlite.states import States
from hydra.stores.sqlite.transaction import Transaction

_COMMIT_RECORDS = RowStatement("commit_records")


def retry(transaction: Transaction, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before. What gave its key up to another stays failed."""
    before = States(transaction, ids)
    transaction.execute("supersede", ids=before.ids_json, now=now)
    transaction.execute("retry", ids=before.ids_json, now=now)
    retried = before.keeping_keys((Status.FAILED,))
    before.count_moves((Status.FAILED,), Status.PENDING, retried)
    announce_again(transaction, retried, now)
    return before.of(ids)


def resume(transaction: Transaction, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before."""
    before = States(transaction, ids)
    transaction.execute("resume", ids=before.ids_json, now=now)
    before.count_moves((Status.PARKED,), Status.PENDING)
    return before.of(ids)


def resolve(transaction: Transaction, resolutions: Sequence[tuple[str, Record]], now: int) -> list[Status | None]:
    """The status before; PENDING for what was parked with another number of records."""
    answers: list[Status | None] = []
    for id, record in resolutions:
        before = States(transaction, [id])
        (status,) = before.of([id])
        if status is Status.PARKED:
            values = {"id": id, "record_count": record.seq - 1, "now": now}
            if transaction.execute("resolve", **values):
                transaction.execute_rows(_COMMIT_RECORDS, [(id, *msgspec.structs.astuple(record))])
                before.count_moves((Status.PARKED,), Status.PENDING)
            else:
                status = Status.PENDING
        answers.append(status)
    return answers
