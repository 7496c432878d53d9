"""An execution's row, locked: whatever else there is of the execution is written only by who holds it (R14).

node (share) ──► executions, in id order ──► ready, timers, deadlines, records … of those executions ──► tallies
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hydra.execution import Status
from hydra.stores.admission import NEVER
from hydra.stores.mysql.statements import id_list, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Transaction

IDLE = (Status.PENDING, Status.SLEEPING, Status.WAITING)


class Locked(msgspec.Struct, gc=False):
    id: str
    workflow: str
    status: str
    owner: bytes
    epoch: int
    attempt: int
    priority: int
    run_at: int
    wake_at: int
    timeout_at: int
    claimed_at: int
    finished_at: int
    attention: str
    cause_seq: int
    submitted_at: int
    record_count: int
    wake_seq: int
    timeout_us: int
    gate: bytes = b""  # the key of a limit at which it waits, or will wait next time
    first_gate: bytes = b""
    limit_keys: bytes | None = None
    own_priority: int | None = None  # while it is ordered by its turn
    own_run_at: int | None = None

    def timeout_from(self, now: int) -> int:
        """When its time is up if it goes on now: a time-out that has passed starts again."""
        if not self.timeout_at or self.timeout_at > now:
            return self.timeout_at
        return now + (self.timeout_us or self.timeout_at - self.submitted_at)


def lock_executions(transaction: Transaction, ids: Iterable[str], *, skip_held: bool = False) -> list[Locked]:
    """Those that exist, in id order; without those another transaction holds where `skip_held`."""
    wanted = id_list(ids)
    if not wanted:
        return []
    rows = transaction.select("lock_free_executions" if skip_held else "lock_executions", ids=wanted)
    return [Locked(id_text(row[0]), row[1].decode(), *row[2:]) for row in rows]


def leave_queues(transaction: Transaction, executions: Sequence[Locked]) -> None:
    """Take idle executions out of wherever they wait to become due or late; before their rows change."""
    leave(transaction, "remove_ready", [e for e in executions if e.status == Status.PENDING and not e.wake_at])
    leave(transaction, "remove_timers", [e for e in executions if 0 < e.wake_at < NEVER])
    leave(transaction, "remove_gated", [e for e in executions if e.wake_at == NEVER])
    leave(transaction, "remove_deadlines", [e for e in executions if e.timeout_at])


def leave(transaction: Transaction, name: str, executions: Sequence[Locked]) -> None:
    """Out of one queue; before the rows that lead to the places there change."""
    if executions:
        transaction.queue(name, ids=id_list(e.id for e in executions))


def enter_ready(transaction: Transaction, due: Iterable[tuple[Locked, int]]) -> None:
    """Each is due since its instant."""
    rows = [
        f"({transaction.namespace}, {literal(e.workflow)}, {-e.priority}, {run_at}, {id_literal(e.id)})"
        for e, run_at in due
    ]
    transaction.queue_rows("add_ready", rows)


def keep_deadlines(transaction: Transaction, deadlines: Iterable[tuple[int, str]]) -> None:
    rows = [f"({transaction.namespace}, {timeout_at}, {id_literal(id)})" for timeout_at, id in deadlines if timeout_at]
    transaction.queue_rows("keep_deadlines", rows)


def enter_finished(transaction: Transaction, executions: Sequence[Locked], now: int) -> None:
    rows = [f"({transaction.namespace}, {now}, {id_literal(e.id)})" for e in executions]
    transaction.queue_rows("add_finished", rows)
