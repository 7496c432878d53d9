"""Ends what does not run, and asks what runs to end. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from hydra.execution import Status
from hydra.stores.sqlite.child_executions import tell_parents, with_descendants
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.states import States
from hydra.stores.sqlite.transaction import Reading, Transaction

IDLE = (Status.PENDING, Status.SLEEPING, Status.WAITING, Status.PARKED)  # guard R10: what runs is only asked to end


def request_cancel(transaction: Transaction, ids: Sequence[str], now: int, *, undo: bool = True) -> list[Status | None]:
    """The status after. The children they made go the same way. What must be undone first is due, and ends then."""
    before = States(transaction, with_descendants(transaction, ids))
    transaction.execute("cancel_running", ids=before.ids_json)
    undoable = find_undoable(transaction, before.ids_of(IDLE)) - (set() if undo else set(ids))
    ended = [id for id in before.ids_of(IDLE) if id not in undoable]
    transaction.execute("cancel_idle", ids=to_json(ended), now=now)
    unwind(transaction, undoable, "cancel", now)
    before.count_moves(IDLE, Status.CANCELLED, ended)
    before.count_moves(IDLE, Status.PENDING, undoable)
    tell_parents(transaction, ended, now)
    after = dict.fromkeys(ended, Status.CANCELLED) | dict.fromkeys(undoable, Status.PENDING)
    return [after.get(id, status) for id, status in zip(ids, before.of(ids), strict=True)]


def find_undoable(reading: Reading, ids: Sequence[str]) -> set[str]:
    """Those that have registered what undoes them."""
    found: list[str] = msgspec.json.decode(reading.select("undoable", ids=to_json(list(ids)))[0][0])
    return set(found)


def unwind(transaction: Transaction, ids: Collection[str], attention: str, now: int) -> int:
    """Have whoever claims them undo what they did, and end them."""
    values = {"ids": to_json(sorted(ids)), "attention": attention, "now": now}
    return transaction.execute("unwind", **values) if ids else 0
