"""Makes due what a timer held, and ends what ran out of time. Bounded batches, conditional writes, no fence needed."""

from __future__ import annotations

import sqlite3

from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.family import tell_parents
from hydra.stores.sqlite.statements import execute, select, select_json, to_json


def promote(connection: sqlite3.Connection, namespace: str, now: int, limit: int) -> int:
    """Time-outs first: what is both late and due to wake has failed. How many moved, at most `limit` of a kind."""
    flagged = execute(connection, "flag_timeouts", namespace=namespace, now=now, limit=limit)
    failed = _move(connection, namespace, "idle_timeouts", "fail_timeouts", "failed", now, limit)
    woken = _move(connection, namespace, "due_timers", "promote", "pending", now, limit)
    return flagged + failed + woken


def next_due_at(connection: sqlite3.Connection, namespace: str) -> int | None:
    due_at: int | None = select(connection, "next_due", namespace=namespace)[0][0]
    return due_at


def _move(
    connection: sqlite3.Connection, namespace: str, find: str, write: str, status: str, now: int, limit: int
) -> int:
    rows = select_json(connection, find, namespace=namespace, now=now, limit=limit)
    if not rows:
        return 0
    ids = sorted(row[0] for row in rows)
    moved = execute(connection, write, ids=to_json(ids), now=now)
    if moved != len(rows):
        raise AssertionError(f"{len(rows)} executions were due under the write lock, `{write}` moved {moved}")
    changes = Changes()
    for _, workflow, before in rows:
        changes.move(workflow, before, status)
    changes.write(connection, namespace)
    if status == "failed":
        tell_parents(connection, namespace, ids, now)
    return moved
