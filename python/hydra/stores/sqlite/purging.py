"""Deletes what ended long ago, with everything that belongs to it; keys stay (R24, R26)."""

from __future__ import annotations

import sqlite3

from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.statements import execute, select_json, to_json

_PARTS = (
    "purge_records",
    "purge_messages",
    "purge_consumed",
    "purge_progress",
    "purge_children",
    "purge_claims",
    "purge_submissions",
)


def purge(connection: sqlite3.Connection, namespace: str, older_than: int, limit: int) -> int:
    """How many executions went, at most `limit`. Registrations of nodes that ended before then go too."""
    rows = select_json(connection, "purgeable", namespace=namespace, older_than=older_than, limit=limit)
    ids = to_json(sorted(row[0] for row in rows))
    for name in _PARTS:
        execute(connection, name, ids=ids)
    execute(connection, "purge_executions", ids=ids, older_than=older_than)
    for name in ("purge_node_workflows", "purge_node_schedules", "purge_node_beats", "purge_nodes"):
        execute(connection, name, namespace=namespace, older_than=older_than)
    changes = Changes()
    for _, workflow, status in rows:
        changes.add(workflow, status, -1)
    changes.write(connection, namespace)
    return len(rows)
