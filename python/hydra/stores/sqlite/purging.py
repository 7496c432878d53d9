"""Deletes what ended long ago, with everything that belongs to it; keys stay (R24, R26)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.execution import Status
from hydra.stores.acts import Act
from hydra.stores.deleting import Deleted, Tree, may_go
from hydra.stores.rows import choose_trees
from hydra.stores.sqlite.acts import add_acts
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Reading, Transaction

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
    "purge_attributes",
)


def purge(transaction: Transaction, older_than: int, limit: int) -> int:
    """How many executions went, at most `limit`. Registrations of nodes that ended before then go too."""
    roots = transaction.select_json("purgeable", older_than=older_than, limit=limit)
    root_ids = to_json([root[0] for root in roots])
    members = transaction.select_json("tree_members", roots=root_ids, limit=limit)
    chosen = choose_trees({root[0]: root for root in roots}, [(member[0], member[1:]) for member in members], limit)
    purge_rows(transaction, chosen)
    for name in _NODE_PARTS:
        transaction.execute(name, older_than=older_than)
    return len(chosen)


def read_tree(reading: Reading, id: str) -> Tree | None:
    found = _tree(reading.select_shown("tree_state", id=id))
    return None if found is None else found[1]


def delete(transaction: Transaction, act: Act, limit: int) -> Deleted | None:
    """The execution of the act with its tree, at most so many; the root last."""
    id = act.execution_id
    found = _tree(transaction.select("tree_state", id=id))
    if found is None:
        return None
    workflow, tree = found
    if not may_go(tree):
        return Deleted(tree)
    members = transaction.select_json("tree_members", roots=to_json([id]), limit=limit)
    chosen = choose_trees({id: (id, workflow, tree.status)}, [(member[0], member[1:]) for member in members], limit)
    purge_rows(transaction, chosen)
    add_acts(transaction, [act])
    return Deleted(tree, len(chosen), id in {row[0] for row in chosen})


def _tree(rows: Sequence[Sequence[Any]]) -> tuple[str, Tree] | None:
    """With the execution's workflow."""
    for workflow, status, root_id, open_id in rows:
        return workflow, Tree(Status(status), root_id, open_id)
    return None


def purge_rows(transaction: Transaction, rows: Sequence[Sequence[str]]) -> None:
    ids = to_json(sorted(row[0] for row in rows))
    for name in _PARTS:
        transaction.execute(name, ids=ids)
    transaction.execute("purge_executions", ids=ids)
    changes = Changes()
    for _, workflow, status in rows:
        changes.add(workflow, status, -1)
    changes.write(transaction)
