"""What a person has done to one execution, and its change of time and priority."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hydra.execution import Status
from hydra.stores.acts import Act, ActFilter
from hydra.stores.postgres.arrays import bigints, is_uuid, text, texts, uuids
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.replacing import lock_key, replace_input
from hydra.stores.postgres.session import Step
from hydra.stores.postgres.transaction import Reading, Transaction
from hydra.stores.rescheduling import Place, Reschedule, Rescheduled, act_of, move


def read_acts(reading: Reading, id: str) -> list[Act]:
    if not is_uuid(id):
        return []
    rows = reading.select("acts", id=id)
    return [Act(*row) for row in rows]


def recent_acts(reading: Reading, filter: ActFilter) -> list[Act]:
    values = {**msgspec.structs.asdict(filter), "by": text(filter.by), "kind": text(filter.kind)}
    return [Act(*row) for row in reading.select("recent_acts", **values)]


def add_acts(transaction: Transaction, acts: Sequence[Act]) -> None:
    if acts:
        transaction.run(acts_step(acts))


def acts_step(acts: Sequence[Act]) -> tuple[str, dict[str, Any]]:
    """The statement that writes them."""
    return "add_acts", {
        "execution_ids": uuids([act.execution_id for act in acts]),
        "ids": uuids([act.id for act in acts]),
        "done_at": bigints([act.done_at for act in acts]),
        "kinds": texts([str(act.kind) for act in acts]),
        "done_by": texts([act.done_by for act in acts]),
        "done_from": texts([act.done_from for act in acts]),
        "reasons": texts([act.reason for act in acts]),
        "details": texts([act.detail for act in acts]),
    }


def reschedule(transaction: Transaction, order: Reschedule, now: int) -> Rescheduled | None:
    """Within a transaction: what is read under the lock is what is changed."""
    answer = _reschedule(transaction, order, now)
    transaction.announce(READY)
    return answer


def _reschedule(transaction: Transaction, order: Reschedule, now: int) -> Rescheduled | None:
    if not is_uuid(order.id):
        return None
    own = {"id": order.id}
    values = {"ids": uuids([order.id])}
    keys = [] if order.replacement is None else lock_key(order.replacement)
    *_, waiting, states, acts = transaction.run(*keys, ("lock_waiting", own), ("states", values), ("acts", own))
    if not states.rows:
        return None
    status = Status(states.rows[0][1])
    if any(row[1] == order.act.id for row in acts.rows):
        return Rescheduled(status, True)
    if not waiting.rows:
        return Rescheduled(status, False)
    _, priority, run_at, wake_at, timeout_at, attention, epoch, timeout_us, limit_keys = waiting.rows[0]
    before = Place(priority, run_at, wake_at, timeout_at)
    after = move(order, status, before, attention, epoch, timeout_us, now)
    if after is None:
        return Rescheduled(status, False)
    line = acts_step([act_of(order, before, after, now)])
    replaced: list[Step] = []
    if order.replacement is not None:
        replaced, after = replace_input(order.id, order.replacement, limit_keys, before, after)
    place = {"priority": after.priority, "run_at": after.run_at}
    times = {"wake_at": bigints([after.wake_at]), "timeout_at": bigints([after.timeout_at])}
    moved = ("reschedule", {"id": order.id, **place, **times})
    forgotten = [("forget_debounces", own)] if order.is_debounced else []
    transaction.run(*replaced, moved, *forgotten, line)
    return Rescheduled(status, True)
