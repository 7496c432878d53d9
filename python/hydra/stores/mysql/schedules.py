"""Schedules: what nodes register, and the one write by which a tick fires or a person's order is done (R25)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import NodeRef
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleState
from hydra.stores.mysql.cancelling import request_cancel
from hydra.stores.mysql.statements import id_literal, literal, row
from hydra.stores.mysql.submission import submit
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.rows import encode_progress, encode_spec, shown, to_schedules


def read_schedules(reading: Reading) -> list[ScheduleState]:
    return to_schedules((shown(name), *rest) for name, *rest in reading.select("schedules"))


def upsert_schedules(transaction: Transaction, node: NodeRef, entries: Sequence[ScheduleEntry]) -> None:
    transaction.check_fence(node)  # guard R6: registering schedules takes the fence
    id = id_literal(node.id)
    transaction.queue("forget_node_schedules", node=id)
    entries = sorted(entries, key=lambda entry: entry.name.encode())
    for entry in entries:
        values = {
            "schedule": literal(entry.name),
            "spec": literal(encode_spec(entry.spec)),
            "mark_at": entry.mark_at,
            "next_at": literal(entry.next_at),
        }
        if entry.revision:
            transaction.queue("renew_schedule", revision=entry.revision, **values)
        else:
            transaction.queue("add_schedule", progress=literal(encode_progress(None)), **values)
    rows = [f"({id}, {row(entry.name)[1:-1]})" for entry in entries]
    transaction.queue_rows("register_node_schedules", rows)
    transaction.flush()


def fire_schedules(transaction: Transaction, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
    transaction.check_fence(node)  # guard R6: firing schedules takes the fence
    return change_schedules(transaction, changes, now)


def change_schedules(transaction: Transaction, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
    """A key that is known is a tick that was fired: it stays the one execution (R24)."""
    ordered = sorted(changes, key=lambda change: change.name.encode())
    done = [change for change in ordered if _change(transaction, change)]
    if submissions := [submission for change in done for submission in change.submissions]:
        submit(transaction, submissions, now)
    if cancels := [id for change in done for id in change.cancels]:
        request_cancel(transaction, cancels, now)
    return [change in done for change in changes]


def _change(transaction: Transaction, change: ScheduleChange) -> bool:
    changed = transaction.execute(
        "change_schedule",
        schedule=literal(change.name),
        revision=change.revision,
        mark_at=change.mark_at,
        next_at=literal(change.next_at),
        paused_at=literal(change.paused_at),
        progress=literal(encode_progress(change.progress)),
    )
    return changed == 1
