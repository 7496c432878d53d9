"""Deletes what ended long ago, with everything that belongs to it; keys stay (R24, R26)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hydra.execution import Status
from hydra.stores.acts import Act
from hydra.stores.admission import NEVER
from hydra.stores.deleting import Deleted, Tree, may_go
from hydra.stores.postgres.acts import add_act
from hydra.stores.postgres.arrays import is_uuid, uuids
from hydra.stores.postgres.session import Result
from hydra.stores.rows import choose_trees

Write = Callable[..., list[Result]]
Read = Callable[..., list[list[tuple[Any, ...]]]]


def purge(read: Read, write: Write, namespace: str, older_than: int, limit: int) -> int:
    """How many executions went, at most `limit`. Registrations of nodes that ended before then go too."""
    values = {"namespace": namespace, "older_than": older_than}
    (roots,) = read(("purgeable", {**values, "limit": limit}))
    (members,) = read(("tree_members", {"roots": uuids([id for (id,) in roots]), "limit": limit}))
    found = choose_trees({id: (id, id) for (id,) in roots}, [(root, (id, root)) for root, id in members], limit)
    chosen = _chosen(found)
    _, gone, *_ = write(
        ("lock_purge", chosen),
        ("purge_executions", {**values, **chosen}),
        ("purge_node_pauses", values),
        ("purge_nodes", values),
    )
    return len(gone.rows)


def read_tree(read: Read, namespace: str, id: str) -> Tree | None:
    return _tree(read(("tree_state", {"namespace": namespace, "id": id}))[0]) if is_uuid(id) else None


def delete(write: Write, namespace: str, act: Act, limit: int) -> Deleted | None:
    """The execution of the act with its tree, at most so many; the root last. What was retried meanwhile stays."""
    id = act.execution_id
    if not is_uuid(id):
        return None
    state = ("tree_state", {"namespace": namespace, "id": id})
    tree = _tree(write(state)[0].rows)
    if tree is None or not may_go(tree):
        return None if tree is None else Deleted(tree)
    (members,) = write(("tree_members", {"roots": uuids([id]), "limit": limit}))
    found = choose_trees({id: (id, id)}, [(root, (member, root)) for root, member in members.rows], limit)
    chosen = _chosen(found)
    _, gone, states = write(
        ("lock_purge", chosen), ("purge_executions", {"namespace": namespace, "older_than": NEVER, **chosen}), state
    )
    if gone.rows:
        write(add_act(namespace, act))
        return Deleted(tree, len(gone.rows), any(member == id for (member,) in gone.rows))
    left = _tree(states.rows)
    return None if left is None else Deleted(left)


def _chosen(pairs: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Executions, each with the root of its tree."""
    return {
        "ids": uuids([id for id, _ in pairs]),
        "root_ids": uuids([root for _, root in pairs]),
        "locked_ids": uuids(sorted({id for pair in pairs for id in pair})),
    }


def _tree(rows: Sequence[Sequence[Any]]) -> Tree | None:
    for status, root_id, open_id in rows:
        return Tree(Status(status), root_id, open_id)
    return None
