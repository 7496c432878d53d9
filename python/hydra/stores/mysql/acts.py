"""What a person has done to one execution, and its change of time and priority."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hydra.execution import Status
from hydra.stores.acts import Act, ActFilter
from hydra.stores.admission import NEVER
from hydra.stores.mysql.admitting import become_due, enter_gated, give_up
from hydra.stores.mysql.locking import Locked, enter_ready, keep_deadlines, leave_queues, lock_executions
from hydra.stores.mysql.replacing import lock_key, replace_input
from hydra.stores.mysql.statements import id_literal, id_text, literal
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.rescheduling import Place, Reschedule, Rescheduled, act_of, at_other_limits, move
from hydra.stores.rows import shown


def read_acts(reading: Reading, id: str) -> list[Act]:
    return _to_acts(reading.select("acts", id=id_literal(id)))


def recent_acts(reading: Reading, filter: ActFilter) -> list[Act]:
    values = {name: literal(value) for name, value in msgspec.structs.asdict(filter).items()}
    return _to_acts(reading.select("recent_acts", **values))


def add_acts(transaction: Transaction, acts: Sequence[Act]) -> None:
    """They leave with the next flush."""
    transaction.queue_rows("add_acts", sorted(_row(transaction.namespace, act) for act in acts))


def _row(namespace: str, act: Act) -> str:
    ids = f"{id_literal(act.execution_id)}, {id_literal(act.id)}, {namespace}"
    texts = ", ".join(map(literal, (act.done_by, act.done_from, act.reason, act.detail)))
    return f"({ids}, {literal(str(act.kind))}, {act.done_at}, {texts})"


def _to_acts(rows: Iterable[Sequence[Any]]) -> list[Act]:
    return [
        Act(id_text(execution_id), id_text(id), kind, done_at, *map(shown, texts))
        for execution_id, id, kind, done_at, *texts in rows
    ]


def reschedule(transaction: Transaction, order: Reschedule, now: int) -> Rescheduled | None:
    if order.replacement is not None:
        lock_key(transaction, order.replacement)
    found = lock_executions(transaction, [order.id])
    if not found:
        return None
    execution, status = found[0], Status(found[0].status)
    if any(act.id == order.act.id for act in read_acts(transaction, order.id)):
        return Rescheduled(status, True)
    priority = execution.priority if execution.own_priority is None else execution.own_priority
    run_at = execution.own_run_at or execution.run_at
    before = Place(priority, run_at, execution.wake_at or None, execution.timeout_at or None)
    timeout_us = execution.timeout_us or max(0, execution.timeout_at - execution.submitted_at)
    after = move(order, status, before, execution.attention, execution.epoch, timeout_us, now)
    if after is None:
        return Rescheduled(status, False)
    line = act_of(order, before, after, now)
    leave_queues(transaction, [execution])
    was_held_up = bool(execution.wake_at)
    if order.replacement is not None:
        before_limits = execution.limit_keys
        execution = replace_input(transaction, execution, order.replacement)
        if execution.limit_keys != before_limits:
            was_held_up, after = True, at_other_limits(after)
    _enter(transaction, execution, after, was_held_up)
    if order.is_debounced:
        transaction.queue("forget_debounces", id=id_literal(order.id))
    add_acts(transaction, [line])
    transaction.due_count += 1  # whoever is idle looks
    transaction.flush()
    return Rescheduled(status, True)


def _enter(transaction: Transaction, execution: Locked, after: Place, was_held_up: bool) -> None:
    values = {"priority": after.priority, "run_at": after.run_at, "timeout_at": after.timeout_at or 0}
    transaction.queue("reschedule", id=id_literal(execution.id), wake_at=after.wake_at or 0, **values)
    keep_deadlines(transaction, [(after.timeout_at or 0, execution.id)])
    moved = msgspec.structs.replace(execution, priority=after.priority, run_at=after.run_at, own_priority=None)
    if after.wake_at == NEVER:
        enter_gated(transaction, [(moved, execution.gate.decode(), after.run_at)])
    elif after.wake_at is not None:
        transaction.queue_rows("add_timers", [f"({transaction.namespace}, {after.run_at}, {id_literal(execution.id)})"])
        if execution.gate:
            give_up(transaction, [execution.limit_keys])
    elif was_held_up:
        become_due(transaction, [(moved, after.run_at)])
    else:
        enter_ready(transaction, [(moved, after.run_at)])
