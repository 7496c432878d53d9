"""What a person has done to one execution, and its change of time and priority."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.execution import Status
from hydra.stores.acts import Act, ActFilter
from hydra.stores.rescheduling import Place, Reschedule, Rescheduled, act_of, move
from hydra.stores.sqlite.replacing import replace_input
from hydra.stores.sqlite.statements import RowStatement
from hydra.stores.sqlite.transaction import Reading, Transaction

_ADD_ACTS = RowStatement("add_acts")


def read_acts(reading: Reading, id: str) -> list[Act]:
    return [Act(*row) for row in reading.select_shown("acts", id=id)]


def recent_acts(reading: Reading, filter: ActFilter) -> list[Act]:
    return [Act(*row) for row in reading.select_shown("recent_acts", **msgspec.structs.asdict(filter))]


def add_acts(transaction: Transaction, acts: Sequence[Act]) -> None:
    transaction.execute_rows(
        _ADD_ACTS,
        [
            (a.execution_id, a.id, transaction.namespace, a.kind, a.done_at, a.done_by, a.done_from, a.reason, a.detail)
            for a in acts
        ],
    )


def reschedule(transaction: Transaction, order: Reschedule, now: int) -> Rescheduled | None:
    rows = transaction.select("waiting_place", id=order.id, act_id=order.act.id)
    if not rows:
        return None
    status, priority, run_at, wake_at, timeout_at, attention, epoch, timeout_us, is_done, limit_keys = rows[0]
    before = Place(priority, run_at, wake_at, timeout_at)
    after = None if is_done else move(order, Status(status), before, attention, epoch, timeout_us, now)
    if after is not None:
        line = act_of(order, before, after, now)
        if order.replacement is not None:
            after = replace_input(transaction, order.id, order.replacement, limit_keys, before, after)
        transaction.execute("reschedule", id=order.id, **msgspec.structs.asdict(after))
        if order.is_debounced:
            transaction.execute("forget_debounces", id=order.id)
        add_acts(transaction, [line])
    return Rescheduled(Status(status), bool(is_done) or after is not None)
