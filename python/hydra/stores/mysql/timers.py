"""Makes due what a timer held, and ends what ran out of time. Bounded batches, conditional writes, no fence needed.

What another transaction holds at this moment is left for the next time, so a chore never waits and never deadlocks.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Status
from hydra.stores.mysql.cancelling import find_undoable, unwind
from hydra.stores.mysql.family import tell_parents
from hydra.stores.mysql.locking import (
    IDLE,
    Locked,
    enter_finished,
    enter_ready,
    leave,
    leave_queues,
    lock_executions,
)
from hydra.stores.mysql.statements import STATEMENTS, id_list, id_text, literal
from hydra.stores.mysql.transaction import Transaction

NEVER = (1 << 63) - 1


def promote(transaction: Transaction, now: int, limit: int) -> int:
    """Time-outs first: what is both late and due to wake has failed. How many changed, at most `limit` of a kind."""
    changed = _time_out(transaction, now, limit) + _wake(transaction, now, limit)
    transaction.flush()
    return changed


def next_due_statement(namespace: str) -> str:
    return STATEMENTS["next_due"].format(namespace=literal(namespace), never=NEVER)


def _time_out(transaction: Transaction, now: int, limit: int) -> int:
    due = {id_text(id) for _, id in transaction.select("due_deadlines", now=now, limit=limit)}
    late = [e for e in lock_executions(transaction, due, skip_held=True) if 0 < e.timeout_at <= now]
    stopped = [e for e in late if e.status in IDLE and not e.attention]
    undoable = find_undoable(transaction, stopped)
    idle = [e for e in stopped if e not in undoable]
    running = [e for e in late if e.status == Status.RUNNING and not e.attention]
    if idle:
        leave_queues(transaction, idle)
        transaction.queue("fail_timeouts", ids=id_list(e.id for e in idle), now=now)
        enter_finished(transaction, idle, now)
        _move(transaction, idle, Status.FAILED)
    unwind(transaction, undoable, "timeout", now)
    if running:
        transaction.queue("flag_timeouts", ids=id_list(e.id for e in running))
    leave(transaction, "remove_deadlines", [e for e in late if e.attention or e.status == Status.RUNNING])
    transaction.flush()
    tell_parents(transaction, [e.id for e in idle], now)  # last: a parent may be late itself, and is woken once
    return len(stopped) + len(running)


def _wake(transaction: Transaction, now: int, limit: int) -> int:
    due = {id_text(id) for _, id in transaction.select("due_timers", now=now, limit=limit)}
    found = lock_executions(transaction, due, skip_held=True)
    waking = [e for e in found if e.status in IDLE and 0 < e.wake_at <= now]
    if not waking:
        return 0
    leave(transaction, "remove_timers", waking)
    transaction.queue("promote", ids=id_list(e.id for e in waking))
    enter_ready(transaction, [(e, e.wake_at) for e in waking])
    _move(transaction, waking, Status.PENDING)
    return len(waking)


def _move(transaction: Transaction, executions: Sequence[Locked], status: Status) -> None:
    for execution in executions:
        transaction.move(execution.workflow, execution.status, status)
