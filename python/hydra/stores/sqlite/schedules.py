"""Schedules: what nodes register, and the one write by which a tick fires or a person's order is done (R25).

The write lock stands for the row's lock: whoever comes second finds another revision and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import NodeRef
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleState
from hydra.stores.rows import encode_progress, encode_spec, to_schedules
from hydra.stores.sqlite.cancelling import request_cancel
from hydra.stores.sqlite.fence import check_fence
from hydra.stores.sqlite.submission import submit
from hydra.stores.sqlite.transaction import Reading, Transaction


def read_schedules(reading: Reading) -> list[ScheduleState]:
    return to_schedules(reading.select_shown("schedules"))


def upsert_schedules(transaction: Transaction, node: NodeRef, entries: Sequence[ScheduleEntry]) -> None:
    check_fence(transaction, node)  # guard R6: registering schedules takes the fence
    transaction.execute("forget_node_schedules", node=node.id)
    for entry in entries:
        transaction.execute("register_node_schedule", node=node.id, name=entry.name)
        transaction.execute(
            "upsert_schedule",
            name=entry.name,
            spec=encode_spec(entry.spec),
            revision=entry.revision,
            mark_at=entry.mark_at,
            next_at=entry.next_at,
            progress=encode_progress(None),
        )


def fire_schedules(transaction: Transaction, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
    check_fence(transaction, node)  # guard R6: firing schedules takes the fence
    return change_schedules(transaction, changes, now)


def change_schedules(transaction: Transaction, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
    """A key that is known is a tick that was fired: it stays the one execution (R24)."""
    written = [_change(transaction, change) for change in changes]
    done = [change for change, is_written in zip(changes, written, strict=True) if is_written]
    if submissions := [submission for change in done for submission in change.submissions]:
        submit(transaction, submissions, now)
    if cancels := [id for change in done for id in change.cancels]:
        request_cancel(transaction, cancels, now)
    return written


def _change(transaction: Transaction, change: ScheduleChange) -> bool:
    changed = transaction.execute(
        "change_schedule",
        name=change.name,
        revision=change.revision,
        mark_at=change.mark_at,
        next_at=change.next_at,
        paused_at=change.paused_at,
        progress=encode_progress(change.progress),
    )
    return changed == 1
