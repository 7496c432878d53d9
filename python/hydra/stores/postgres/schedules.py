"""Schedules: what nodes register, and the one write by which a tick fires or a person's order is done (R25)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import NodeRef
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleState
from hydra.stores.postgres.arrays import bigints, texts
from hydra.stores.postgres.cancelling import request_cancel
from hydra.stores.postgres.fence import check_fence, fence
from hydra.stores.postgres.submission import submit
from hydra.stores.postgres.transaction import Reading, Rows, Transaction
from hydra.stores.rows import encode_progress, encode_spec, to_schedules


def read_schedules(reading: Reading) -> list[ScheduleState]:
    return to_schedules(reading.select("schedules"))


def upsert_schedules(transaction: Transaction, node: NodeRef, entries: Sequence[ScheduleEntry]) -> None:
    entries = sorted(entries, key=lambda entry: entry.name.encode())
    values = {
        "names": texts([entry.name for entry in entries]),
        "specs": texts([encode_spec(entry.spec) for entry in entries]),
        "revisions": bigints([entry.revision for entry in entries]),
        "mark_ats": bigints([entry.mark_at for entry in entries]),
        "next_ats": bigints([entry.next_at for entry in entries]),
        "progress": encode_progress(None),
    }
    check_fence(node, transaction.select("upsert_schedules", **fence(node), **values))


def fire_schedules(transaction: Transaction, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
    """Under the node's fence."""
    changed = transaction.select("fire_schedules", **fence(node), **_values(changes))
    check_fence(node, changed)
    return _finish(transaction, changes, changed, now)


def change_schedules(transaction: Transaction, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
    return _finish(transaction, changes, transaction.select("change_schedules", **_values(changes)), now)


def _finish(transaction: Transaction, changes: Sequence[ScheduleChange], changed: Rows, now: int) -> list[bool]:
    """A key that is known is a tick that was fired: it stays the one execution (R24)."""
    names = {name for (name,) in changed}
    done = [change for change in changes if change.name in names]
    if submissions := [submission for change in done for submission in change.submissions]:
        submit(transaction, submissions, now)
    if cancels := [id for change in done for id in change.cancels]:
        request_cancel(transaction, cancels, now)
    return [change.name in names for change in changes]


def _values(changes: Sequence[ScheduleChange]) -> dict[str, object]:
    return {
        "names": texts([change.name for change in changes]),
        "revisions": bigints([change.revision for change in changes]),
        "mark_ats": bigints([change.mark_at for change in changes]),
        "next_ats": bigints([change.next_at for change in changes]),
        "paused_ats": bigints([change.paused_at for change in changes]),
        "progresses": texts([encode_progress(change.progress) for change in changes]),
    }
