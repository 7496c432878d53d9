"""Deletes what ended long ago, with everything that belongs to it; keys stay (R24, R26)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Status
from hydra.stores.acts import Act
from hydra.stores.admission import NEVER
from hydra.stores.deleting import Deleted, Tree, may_go
from hydra.stores.postgres.acts import acts_step
from hydra.stores.postgres.arrays import is_uuid, uuids
from hydra.stores.postgres.transaction import Reading, Rows, Transaction
from hydra.stores.rows import choose_trees


def purge(transaction: Transaction, reading: Reading, older_than: int, limit: int) -> int:
    """How many executions went, at most `limit`. Registrations of nodes that ended before then go too. What may go is
    looked for by `reading`, which holds nothing up."""
    values = {"older_than": older_than}
    roots = reading.select("purgeable", **values, limit=limit)
    members = reading.select("tree_members", roots=uuids([id for (id,) in roots]), limit=limit)
    found = choose_trees({id: (id, id) for (id,) in roots}, [(root, (id, root)) for root, id in members], limit)
    chosen = chosen_values(found)
    _, gone, *_ = transaction.run(
        ("lock_purge", chosen),
        ("purge_executions", {**values, **chosen}),
        ("purge_node_pauses", values),
        ("purge_nodes", values),
    )
    return len(gone.rows)


def read_tree(reading: Reading, id: str) -> Tree | None:
    return _tree(reading.select("tree_state", id=id)) if is_uuid(id) else None


def delete(transaction: Transaction, act: Act, limit: int) -> Deleted | None:
    """The execution of the act with its tree, at most so many; the root last. What was retried meanwhile stays."""
    id = act.execution_id
    if not is_uuid(id):
        return None
    tree = _tree(transaction.select("tree_state", id=id))
    if tree is None or not may_go(tree):
        return None if tree is None else Deleted(tree)
    members = transaction.select("tree_members", roots=uuids([id]), limit=limit)
    found = choose_trees({id: (id, id)}, [(root, (member, root)) for root, member in members], limit)
    chosen = chosen_values(found)
    _, gone, states = transaction.run(
        ("lock_purge", chosen), ("purge_executions", {"older_than": NEVER, **chosen}), ("tree_state", {"id": id})
    )
    if gone.rows:
        transaction.run(acts_step([act]))
        return Deleted(tree, len(gone.rows), any(member == id for (member,) in gone.rows))
    left = _tree(states.rows)
    return None if left is None else Deleted(left)


def chosen_values(pairs: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Executions, each with the root of its tree."""
    return {
        "ids": uuids([id for id, _ in pairs]),
        "root_ids": uuids([root for _, root in pairs]),
        "locked_ids": uuids(sorted({id for pair in pairs for id in pair})),
    }


def _tree(found: Rows) -> Tree | None:
    for status, root_id, open_id in found:
        return Tree(Status(status), root_id, open_id)
    return None
