"""Makes due what a timer held, and ends what ran out of time. Bounded batches, conditional writes, no fence needed.

What another transaction holds at this moment is left for the next time, so maintenance never waits and never deadlocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hydra.execution import Status
from hydra.stores.admission import NEVER
from hydra.stores.admitting import Turn, admit_called
from hydra.stores.mysql.admitting import Keys, become_due, give_up
from hydra.stores.mysql.cancelling import find_undoable, request_cancel, unwind
from hydra.stores.mysql.child_executions import tell_parents
from hydra.stores.mysql.locking import (
    IDLE,
    Locked,
    enter_finished,
    leave,
    leave_queues,
    lock_executions,
)
from hydra.stores.mysql.parking import park
from hydra.stores.mysql.statements import id_list, id_text
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.rows import NO_NODE


def promote(transaction: Transaction, turn: Turn, now: int, limit: int) -> tuple[int, list[str]]:
    """Time-outs first: what is both late and due to wake has failed. How many changed, at most `limit` of a kind; and
    which have failed."""
    late_count, failed = _time_out(transaction, now, limit)
    changed = late_count + _wake(transaction, now, limit)
    transaction.flush()
    changed += admit_called(Keys(transaction), turn, now, partial(park, transaction, NO_NODE, now=now))
    transaction.flush()
    return changed, failed


def next_due_at(reading: Reading) -> int | None:
    instants = [reading.render(name, never=NEVER) for name in ("next_due", "next_gate_call")]
    due_at: int = min(at for (at,) in reading.rows_of(" union all ".join(instants)))
    return None if due_at == NEVER else due_at


def read_due(reading: Reading) -> tuple[bool, int]:
    """Whether something is ready to be claimed, and when the next timer is due."""
    is_ready, due_at = reading.select("due", never=NEVER)[0]
    return bool(is_ready), due_at


def _time_out(transaction: Transaction, now: int, limit: int) -> tuple[int, list[str]]:
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
        give_up(transaction, [e.limit_keys for e in idle])
        _move(transaction, idle, Status.FAILED)
    unwind(transaction, undoable, "timeout", now)
    if running:
        transaction.queue("flag_timeouts", ids=id_list(e.id for e in running))
    leave(transaction, "remove_deadlines", [e for e in late if e.attention or e.status == Status.RUNNING])
    transaction.flush()
    tell_parents(transaction, [e.id for e in idle], now)  # a parent may be late itself, and is woken once
    if idle:
        request_cancel(transaction, [e.id for e in idle], now)  # of their children; they have ended themselves
    return len(stopped) + len(running), [e.id for e in idle]


def _wake(transaction: Transaction, now: int, limit: int) -> int:
    due = {id_text(id) for _, id in transaction.select("due_timers", now=now, limit=limit)}
    found = lock_executions(transaction, due, skip_held=True)
    waking = [e for e in found if e.status in IDLE and 0 < e.wake_at <= now]
    if not waking:
        return 0
    leave(transaction, "remove_timers", waking)
    transaction.queue("promote", ids=id_list(e.id for e in waking))
    become_due(transaction, [(e, e.wake_at) for e in waking])
    _move(transaction, waking, Status.PENDING)
    return len(waking)


def _move(transaction: Transaction, executions: Sequence[Locked], status: Status) -> None:
    for execution in executions:
        transaction.move(execution.workflow, execution.status, status)
