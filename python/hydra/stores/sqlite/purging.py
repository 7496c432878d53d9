"""Deletes what ended long ago, with everything that belongs to it; keys stay (R24, R26)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from hydra.execution import Status
from hydra.stores.acts import Act
from hydra.stores.deleting import Deleted, Tree, may_go
from hydra.stores.rows import choose_trees
from hydra.stores.sqlite.acts import add_act
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.statements import execute, select, select_json, select_shown, to_json

_NODE_PARTS = (
    "purge_node_pauses",
    "purge_node_workflows",
    "purge_node_schedules",
    "purge_node_beats",
    "purge_nodes",
)
_PARTS = (
    "purge_records",
    "purge_messages",
    "purge_consumed",  # guard R26: what was consumed goes with a purge
    "purge_progress",
    "purge_children",
    "purge_descendants",
    "purge_former_keys",
    "purge_claims",
    "purge_submissions",
    "purge_slots",
    "purge_acts",
)


def purge(connection: sqlite3.Connection, namespace: str, older_than: int, limit: int) -> int:
    """How many executions went, at most `limit`. Registrations of nodes that ended before then go too."""
    roots = select_json(connection, "purgeable", namespace=namespace, older_than=older_than, limit=limit)
    root_ids = to_json([root[0] for root in roots])
    members = select_json(connection, "tree_members", roots=root_ids, limit=limit)
    chosen = choose_trees({root[0]: root for root in roots}, [(member[0], member[1:]) for member in members], limit)
    _purge(connection, namespace, chosen)
    for name in _NODE_PARTS:
        execute(connection, name, namespace=namespace, older_than=older_than)
    return len(chosen)


def read_tree(connection: sqlite3.Connection, namespace: str, id: str) -> Tree | None:
    found = _tree(select_shown(connection, "tree_state", namespace=namespace, id=id))
    return None if found is None else found[1]


def delete(connection: sqlite3.Connection, namespace: str, act: Act, limit: int) -> Deleted | None:
    """The execution of the act with its tree, at most so many; the root last."""
    id = act.execution_id
    found = _tree(select(connection, "tree_state", namespace=namespace, id=id))
    if found is None:
        return None
    workflow, tree = found
    if not may_go(tree):
        return Deleted(tree)
    members = select_json(connection, "tree_members", roots=to_json([id]), limit=limit)
    chosen = choose_trees({id: (id, workflow, tree.status)}, [(member[0], member[1:]) for member in members], limit)
    _purge(connection, namespace, chosen)
    add_act(connection, namespace, act)
    return Deleted(tree, len(chosen), id in {row[0] for row in chosen})


def _tree(rows: Sequence[Sequence[Any]]) -> tuple[str, Tree] | None:
    """With the execution's workflow."""
    for workflow, status, root_id, open_id in rows:
        return workflow, Tree(Status(status), root_id, open_id)
    return None


def _purge(connection: sqlite3.Connection, namespace: str, rows: Sequence[Sequence[str]]) -> None:
    ids = to_json(sorted(row[0] for row in rows))
    for name in _PARTS:
        execute(connection, name, ids=ids)
    execute(connection, "purge_executions", ids=ids)
    changes = Changes()
    for _, workflow, status in rows:
        changes.add(workflow, status, -1)
    changes.write(connection, namespace)
