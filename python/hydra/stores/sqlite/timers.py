"""Makes due what a timer held, and ends what ran out of time. Bounded batches, conditional writes, no fence needed."""

from __future__ import annotations

from functools import partial
from typing import Any

from hydra.stores.admitting import Turn, admit_called
from hydra.stores.rows import NO_NODE
from hydra.stores.sqlite.admitting import Keys
from hydra.stores.sqlite.cancelling import find_undoable, request_cancel, unwind
from hydra.stores.sqlite.child_executions import tell_parents
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.parking import park
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Reading, Transaction


def promote(transaction: Transaction, turn: Turn, now: int, limit: int) -> tuple[int, list[str]]:
    """Time-outs first: what is both late and due to wake has failed. How many moved, at most `limit` of a kind; and
    which have failed."""
    flagged = transaction.execute("flag_timeouts", now=now, limit=limit)
    late_count, failed = _time_out(transaction, now, limit)
    woken = _wake(transaction, now, limit)
    admitted = admit_called(Keys(transaction), turn, now, partial(park, transaction, NO_NODE, now=now))
    return flagged + late_count + woken + admitted, failed


def next_due_at(reading: Reading) -> int | None:
    instants = [reading.select(name)[0][0] for name in ("next_due", "next_gate_call")]
    return min((at for at in instants if at is not None), default=None)


def has_ready(reading: Reading) -> bool:
    """Something may be claimed, or let go by a limit."""
    return bool(reading.select("has_ready")[0][0])


def _time_out(transaction: Transaction, now: int, limit: int) -> tuple[int, list[str]]:
    """What does not run fails; what has registered undo steps is due, and fails once they have run."""
    rows = transaction.select_json("idle_timeouts", now=now, limit=limit)
    if not rows:
        return 0, []
    undoable = find_undoable(transaction, [row[0] for row in rows])
    failed = sorted(row[0] for row in rows if row[0] not in undoable)
    moved = unwind(transaction, undoable, "timeout", now)
    moved += transaction.execute("fail_timeouts", ids=to_json(failed), now=now)
    _check(moved, rows)
    changes = Changes()
    for id, workflow, before in rows:
        changes.move(workflow, before, "pending" if id in undoable else "failed")
    changes.write(transaction)
    tell_parents(transaction, failed, now)
    request_cancel(transaction, failed, now)  # of their children; they have ended themselves
    return moved, failed


def _wake(transaction: Transaction, now: int, limit: int) -> int:
    rows = transaction.select_json("due_timers", now=now, limit=limit)
    if not rows:
        return 0
    moved = transaction.execute("promote", ids=to_json(sorted(row[0] for row in rows)), now=now)
    _check(moved, rows)
    changes = Changes()
    for _, workflow, before in rows:
        changes.move(workflow, before, "pending")
    changes.write(transaction)
    return moved


def _check(moved: int, rows: list[Any]) -> None:
    if moved != len(rows):
        raise AssertionError(f"{len(rows)} executions were due under the write lock, {moved} were moved")
