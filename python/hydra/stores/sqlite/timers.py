"""Makes due what a timer held, and ends what ran out of time. Bounded batches, conditional writes, no fence needed."""

from __future__ import annotations

import sqlite3
from typing import Any

from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.family import tell_parents
from hydra.stores.sqlite.orders import find_undoable, unwind
from hydra.stores.sqlite.statements import execute, select, select_json, to_json


def promote(connection: sqlite3.Connection, namespace: str, now: int, limit: int) -> int:
    """Time-outs first: what is both late and due to wake has failed. How many moved, at most `limit` of a kind."""
    flagged = execute(connection, "flag_timeouts", namespace=namespace, now=now, limit=limit)
    return flagged + _time_out(connection, namespace, now, limit) + _wake(connection, namespace, now, limit)


def next_due_at(connection: sqlite3.Connection, namespace: str) -> int | None:
    due_at: int | None = select(connection, "next_due", namespace=namespace)[0][0]
    return due_at


def has_ready(connection: sqlite3.Connection, namespace: str) -> bool:
    """Something may be claimed."""
    return bool(select(connection, "has_ready", namespace=namespace)[0][0])


def _time_out(connection: sqlite3.Connection, namespace: str, now: int, limit: int) -> int:
    """What does not run fails; what has registered undo steps is due, and fails once they have run."""
    rows = select_json(connection, "idle_timeouts", namespace=namespace, now=now, limit=limit)
    if not rows:
        return 0
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
    return moved


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
