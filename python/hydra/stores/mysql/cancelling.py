"""Ends what does not run, and asks what runs to end. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Status
from hydra.stores.mysql.family import tell_parents, with_descendants
from hydra.stores.mysql.locking import IDLE, enter_finished, leave_queues, lock_executions
from hydra.stores.mysql.statements import id_list
from hydra.stores.mysql.transaction import Transaction


def request_cancel(transaction: Transaction, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status after. The children they made go the same way."""
    found = {e.id: e for e in lock_executions(transaction, with_descendants(transaction, ids))}
    running = [e for e in found.values() if e.status == Status.RUNNING]
    idle = [e for e in found.values() if e.status in (*IDLE, Status.PARKED)]
    if running:
        transaction.queue("cancel_running", ids=id_list(e.id for e in running))
    if idle:
        leave_queues(transaction, idle)
        transaction.queue("cancel_idle", ids=id_list(e.id for e in idle), now=now)
        enter_finished(transaction, idle, now)
        for execution in idle:
            transaction.move(execution.workflow, execution.status, Status.CANCELLED)
            execution.status = Status.CANCELLED
    transaction.flush()
    tell_parents(transaction, [e.id for e in idle], now)
    return [Status(found[id].status) if id in found else None for id in ids]
