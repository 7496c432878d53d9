"""What a person orders of what stopped: retry, resume, resolve. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Record, Status
from hydra.stores.mysql.admitting import become_due
from hydra.stores.mysql.child_executions import announce_again
from hydra.stores.mysql.committing import record_row
from hydra.stores.mysql.locking import (
    Locked,
    keep_deadlines,
    leave,
    lock_executions,
)
from hydra.stores.mysql.statements import id_list, id_text
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.transitions import supersede_record


def retry(transaction: Transaction, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before. What gave its key up to another stays failed."""
    found = _lock(transaction, ids)
    failed = [e for e in found.values() if e.status == Status.FAILED]
    if failed:
        former = {id_text(id) for (id,) in transaction.select("former_keys", ids=id_list(e.id for e in failed))}
        failed = [e for e in failed if e.id not in former]
    if failed:
        _supersede(transaction, [e for e in failed if e.cause_seq], now)
        leave(transaction, "remove_finished", failed)
        transaction.queue("retry", ids=id_list(e.id for e in failed), now=now)
        _become_due(transaction, failed, now)
        announce_again(transaction, [e.id for e in failed], now)
    return _statuses(found, ids)


def resume(transaction: Transaction, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before."""
    found = _lock(transaction, ids)
    parked = [e for e in found.values() if e.status == Status.PARKED]
    if parked:
        transaction.queue("resume", ids=id_list(e.id for e in parked), now=now)
        _become_due(transaction, parked, now)
    return _statuses(found, ids)


def resolve(transaction: Transaction, resolutions: Sequence[tuple[str, Record]], now: int) -> list[Status | None]:
    """The status before; PENDING for what was parked with another number of records."""
    found = _lock(transaction, [id for id, _ in resolutions])
    answers: list[Status | None] = []
    settled: dict[str, Record] = {}
    for id, record in resolutions:
        execution = found.get(id)
        status = None if execution is None else Status(execution.status)
        if execution is not None and status is Status.PARKED:
            if execution.record_count == record.seq - 1 and id not in settled:
                settled[id] = record
            else:
                status = Status.PENDING
        answers.append(status)
    if settled:
        transaction.queue_rows("add_records", [record_row(id, record) for id, record in settled.items()])
        transaction.queue("resolve", ids=id_list(settled), now=now)
        _become_due(transaction, [found[id] for id in settled], now)
    return answers


def _lock(transaction: Transaction, ids: Sequence[str]) -> dict[str, Locked]:
    return {e.id: e for e in lock_executions(transaction, ids)}


def _statuses(found: dict[str, Locked], ids: Sequence[str]) -> list[Status | None]:
    return [Status(found[id].status) if id in found else None for id in ids]


def _supersede(transaction: Transaction, executions: Sequence[Locked], now: int) -> None:
    """The new attempt forgets the failure that left the body."""
    rows = [record_row(e.id, supersede_record(e.record_count + 1, e.cause_seq, e.attempt + 1, now)) for e in executions]
    transaction.queue_rows("add_records", rows)


def _become_due(transaction: Transaction, executions: Sequence[Locked], now: int) -> None:
    become_due(transaction, [(e, now) for e in executions])
    keep_deadlines(transaction, [(e.timeout_from(now), e.id) for e in executions])
    for execution in executions:
        transaction.move(execution.workflow, execution.status, Status.PENDING)
    transaction.flush()
