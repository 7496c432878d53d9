"""Ends what does not run, and asks what runs to end. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Status
from hydra.stores.mysql.family import tell_parents, with_descendants
from hydra.stores.mysql.locking import IDLE, Locked, enter_finished, enter_ready, leave, leave_queues, lock_executions
from hydra.stores.mysql.statements import id_list, id_text
from hydra.stores.mysql.transaction import Transaction


def request_cancel(transaction: Transaction, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status after. The children they made go the same way. What must be undone first is due, and ends then."""
    found = {e.id: e for e in lock_executions(transaction, with_descendants(transaction, ids))}
    running = [e for e in found.values() if e.status == Status.RUNNING]
    undoable = _undoable(transaction, [e for e in found.values() if e.status in IDLE])
    idle = [e for e in found.values() if e.status in (*IDLE, Status.PARKED) and e not in undoable]
    if running:
        transaction.queue("cancel_running", ids=id_list(e.id for e in running))
    if idle:
        leave_queues(transaction, idle)
        transaction.queue("cancel_idle", ids=id_list(e.id for e in idle), now=now)
        enter_finished(transaction, idle, now)
        for execution in idle:
            transaction.move(execution.workflow, execution.status, Status.CANCELLED)
            execution.status = Status.CANCELLED
    if undoable:
        leave(transaction, "remove_ready", [e for e in undoable if e.status == Status.PENDING and not e.wake_at])
        leave(transaction, "remove_timers", [e for e in undoable if e.wake_at])
        transaction.queue("unwind", ids=id_list(e.id for e in undoable), now=now)
        enter_ready(transaction, [(e, now) for e in undoable])
        for execution in undoable:
            transaction.move(execution.workflow, execution.status, Status.PENDING)
            execution.status = Status.PENDING
    transaction.flush()
    tell_parents(transaction, [e.id for e in idle], now)
    return [Status(found[id].status) if id in found else None for id in ids]


def _undoable(transaction: Transaction, executions: Sequence[Locked]) -> list[Locked]:
    """Those that have registered what undoes them."""
    if not executions:
        return []
    found = {id_text(key) for (key,) in transaction.select("undoable", ids=id_list(e.id for e in executions))}
    return [e for e in executions if e.id in found]
