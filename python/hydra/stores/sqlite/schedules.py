"""Schedules: what nodes register, and the one write by which a tick fires or a person's order is done (R25).

The write lock stands for the row's lock: whoever comes second finds another revision and writes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hydra.execution import NodeRef
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleState
from hydra.stores.rows import encode_progress, encode_spec, to_schedules
from hydra.stores.sqlite.cancelling import request_cancel
from hydra.stores.sqlite.fence import check_fence
from hydra.stores.sqlite.statements import execute, select_shown
from hydra.stores.sqlite.submission import submit


def read_schedules(connection: sqlite3.Connection, namespace: str) -> list[ScheduleState]:
    return to_schedules(select_shown(connection, "schedules", namespace=namespace))


def upsert_schedules(
    connection: sqlite3.Connection, namespace: str, node: NodeRef, entries: Sequence[ScheduleEntry]
) -> None:
    check_fence(connection, namespace, node)  # guard R6: registering schedules takes the fence
    execute(connection, "forget_node_schedules", node=node.id)
    for entry in entries:
        execute(connection, "register_node_schedule", node=node.id, name=entry.name)
        execute(
            connection,
            "upsert_schedule",
            namespace=namespace,
            name=entry.name,
            spec=encode_spec(entry.spec),
            revision=entry.revision,
            mark_at=entry.mark_at,
            next_at=entry.next_at,
            progress=encode_progress(None),
        )


def fire_schedules(
    connection: sqlite3.Connection, namespace: str, node: NodeRef, changes: Sequence[ScheduleChange], now: int
) -> list[bool]:
    check_fence(connection, namespace, node)  # guard R6: firing schedules takes the fence
    return change_schedules(connection, namespace, changes, now)


def change_schedules(
    connection: sqlite3.Connection, namespace: str, changes: Sequence[ScheduleChange], now: int
) -> list[bool]:
    """A key that is known is a tick that was fired: it stays the one execution (R24)."""
    written = [_change(connection, namespace, change) for change in changes]
    done = [change for change, is_written in zip(changes, written, strict=True) if is_written]
    if submissions := [submission for change in done for submission in change.submissions]:
        submit(connection, namespace, submissions, now)
    if cancels := [id for change in done for id in change.cancels]:
        request_cancel(connection, namespace, cancels, now)
    return written


def _change(connection: sqlite3.Connection, namespace: str, change: ScheduleChange) -> bool:
    changed = execute(
        connection,
        "change_schedule",
        namespace=namespace,
        name=change.name,
        revision=change.revision,
        mark_at=change.mark_at,
        next_at=change.next_at,
        paused_at=change.paused_at,
        progress=encode_progress(change.progress),
    )
    return changed == 1
