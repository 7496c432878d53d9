"""Ends what does not run, and asks what runs to end. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Status
from hydra.stores.mysql.admitting import become_due, give_up
from hydra.stores.mysql.child_executions import tell_parents, with_descendants
from hydra.stores.mysql.locking import IDLE, Locked, enter_finished, leave_queues, lock_executions
from hydra.stores.mysql.statements import Word, id_list, id_text, literal
from hydra.stores.mysql.transaction import Transaction


def request_cancel(transaction: Transaction, ids: Sequence[str], now: int, *, undo: bool = True) -> list[Status | None]:
    """The status after. The children they made go the same way. What must be undone first is due, and ends then."""
    found: dict[str, Locked] = {}
    seen: set[str] = set()
    # guard R14: a cancel looks again for children once it has the rows
    while more := [id for id in with_descendants(transaction, ids) if id not in seen]:
        found |= {e.id: e for e in lock_executions(transaction, more)}
        seen.update(more)
    running = [e for e in found.values() if e.status == Status.RUNNING]
    # guard R10: what runs is only asked to end
    stopped = [e for e in found.values() if e.status in (*IDLE, Status.PARKED)]
    undoable = [e for e in find_undoable(transaction, stopped) if undo or e.id not in ids]
    idle = [e for e in stopped if e not in undoable]
    if running:
        transaction.queue("cancel_running", ids=id_list(e.id for e in running))
    if idle:
        leave_queues(transaction, idle)
        transaction.queue("cancel_idle", ids=id_list(e.id for e in idle), now=now)
        enter_finished(transaction, idle, now)
        give_up(transaction, [e.limit_keys for e in idle])
        for execution in idle:
            transaction.move(execution.workflow, execution.status, Status.CANCELLED)
            execution.status = Status.CANCELLED
    unwind(transaction, undoable, "cancel", now)
    transaction.flush()
    tell_parents(transaction, [e.id for e in idle], now)
    return [Status(found[id].status) if id in found else None for id in ids]


def find_undoable(transaction: Transaction, executions: Sequence[Locked]) -> list[Locked]:
    """Those that have registered what undoes them."""
    if not executions:
        return []
    found = {id_text(key) for (key,) in transaction.select("undoable", ids=id_list(e.id for e in executions))}
    return [e for e in executions if e.id in found]


def unwind(transaction: Transaction, executions: Sequence[Locked], attention: str, now: int) -> None:
    """Have whoever claims them undo what they did, and end them. No time-out strikes them any more."""
    if not executions:
        return
    leave_queues(transaction, executions)
    transaction.queue("unwind", ids=id_list(e.id for e in executions), attention=literal(Word(attention)), now=now)
    become_due(transaction, [(e, now) for e in executions])
    for execution in executions:
        transaction.move(execution.workflow, execution.status, Status.PENDING)
        execution.status = Status.PENDING
