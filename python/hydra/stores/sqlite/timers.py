"""Makes due what a timer held, and ends what ran out of time. Bounded batches, conditional writes, no fence needed."""

from __future__ import annotations

import sqlite3
from typing import Any

from hydra.stores.admitting import admit_called
from hydra.stores.sqlite.admitting import Keys
from hydra.stores.sqlite.cancelling import find_undoable, request_cancel, unwind
from hydra.stores.sqlite.child_executions import tell_parents
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.statements import execute, select, select_json, to_json


def promote(connection: sqlite3.Connection, namespace: str, now: int, limit: int) -> tuple[int, list[str]]:
    """Time-outs first: what is both late and due to wake has failed. How many moved, at most `limit` of a kind; and
    which have failed."""
    flagged = execute(connection, "flag_timeouts", namespace=namespace, now=now, limit=limit)
    late_count, failed = _time_out(connection, namespace, now, limit)
    woken = _wake(connection, namespace, now, limit)
    admitted = admit_called(Keys(connection, namespace), now)
    return flagged + late_count + woken + admitted, failed


def next_due_at(connection: sqlite3.Connection, namespace: str) -> int | None:
    instants = [select(connection, name, namespace=namespace)[0][0] for name in ("next_due", "next_gate_call")]
    return min((at for at in instants if at is not None), default=None)


def has_ready(connection: sqlite3.Connection, namespace: str) -> bool:
    """Something may be claimed, or let go by a limit."""
    return bool(select(connection, "has_ready", namespace=namespace)[0][0])


def _time_out(connection: sqlite3.Connection, namespace: str, now: int, limit: int) -> tuple[int, list[str]]:
    """What does not run fails; what has registered undo steps is due, and fails once they have run."""
    rows = select_json(connection, "idle_timeouts", namespace=namespace, now=now, limit=limit)
    if not rows:
        return 0, []
    undoable = find_undoable(connection, [row[0] for row in rows])
    failed = sorted(row[0] for row in rows if row[0] not in undoable)
    moved = unwind(connection, namespace, undoable, "timeout", now)
    moved += execute(connection, "fail_timeouts", ids=to_json(failed), now=now)
    _check(moved, rows)
    changes = Changes()
    for id, workflow, before in rows:
        changes.move(workflow, before, "pending" if id in undoable else "failed")
    changes.write(connection, namespace)
    tell_parents(connection, namespace, failed, now)
    request_cancel(connection, namespace, failed, now)  # of their children; they have ended themselves
    return moved, failed


def _wake(connection: sqlite3.Connection, namespace: str, now: int, limit: int) -> int:
    rows = select_json(connection, "due_timers", namespace=namespace, now=now, limit=limit)
    if not rows:
        return 0
    moved = execute(connection, "promote", ids=to_json(sorted(row[0] for row in rows)), now=now)
    _check(moved, rows)
    changes = Changes()
    for _, workflow, before in rows:
        changes.move(workflow, before, "pending")
    changes.write(connection, namespace)
    return moved


def _check(moved: int, rows: list[Any]) -> None:
    if moved != len(rows):
        raise AssertionError(f"{len(rows)} executions were due under the write lock, {moved} were moved")
