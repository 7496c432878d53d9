"""Deletes what ended long ago, with everything that belongs to it; keys stay (R24, R26)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import FINAL, Status
from hydra.stores.acts import Act
from hydra.stores.deleting import Deleted, Tree, may_go
from hydra.stores.mysql.acts import add_acts
from hydra.stores.mysql.locking import Locked, lock_executions
from hydra.stores.mysql.reading import snapshots
from hydra.stores.mysql.statements import id_list, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.rows import choose_trees

_PARTS = (
    "purge_records",
    "purge_messages",
    "purge_consumed",
    "purge_former_keys",
    "purge_progress",
    "purge_claims",
    "purge_acts",
    "purge_attributes",
    "purge_descendants",
    "purge_executions",
)


def purge(transaction: Transaction, older_than: int, limit: int) -> int:
    """How many executions went, at most `limit`. Registrations of nodes that ended before then go too."""
    old = _lock_old(transaction, older_than, limit)
    if old:
        purge_locked(transaction, old)
    nodes = transaction.select("old_nodes", older_than=older_than)
    if nodes:
        ids = ", ".join(literal(id) for (id,) in nodes)
        transaction.queue("purge_node_pauses", names=", ".join(literal(id_text(id)) for (id,) in nodes))
        for name in ("purge_node_workflows", "purge_node_schedules", "purge_node_beats", "purge_nodes"):
            transaction.queue(name, ids=ids)
    transaction.flush()
    return len(old)


def read_tree(reading: Reading, id: str) -> Tree | None:
    (found,) = snapshots(reading, [id])
    if found is None:
        return None
    roots = [id_text(root) for (root,) in reading.select("tree_root", id=id_literal(id))]
    open_ids = [id_text(member) for (member,) in reading.select("open_member", id=id_literal(id))]
    return Tree(found.status, next(iter(roots), None), next(iter(open_ids), None))


def delete(transaction: Transaction, act: Act, limit: int) -> Deleted | None:
    """The execution of the act with its tree, at most so many; the root last. All of them are locked first."""
    id = act.execution_id
    rows = transaction.select("tree_members", ids=id_list([id]), limit=limit)
    found = {e.id: e for e in lock_executions(transaction, {id, *(id_text(member) for _, member in rows)})}
    if id not in found:
        return None
    roots = [id_text(root) for (root,) in transaction.select("tree_root", id=id_literal(id))]
    open_ids = [id_text(member) for (member,) in transaction.select("open_member", id=id_literal(id))]
    open_ids += [e.id for e in found.values() if e.id != id and e.status not in FINAL]
    tree = Tree(Status(found[id].status), next(iter(roots), None), next(iter(open_ids), None))
    if not may_go(tree):
        return Deleted(tree)
    members = [(id, e) for e in found.values() if e.id != id]
    chosen = choose_trees({id: found[id]}, members, limit)
    purge_locked(transaction, chosen)
    add_acts(transaction, [act])
    transaction.flush()
    return Deleted(tree, len(chosen), any(e.id == id for e in chosen))


def purge_locked(transaction: Transaction, old: Sequence[Locked]) -> None:
    ids = id_list(e.id for e in old)
    for name in ("remove_finished", *_PARTS):
        transaction.queue(name, ids=ids)
    for key, id in transaction.select("slots_of", ids=ids):
        transaction.queue("drop_slot", key=literal(key), id=literal(id))
    links = transaction.select("links_of", ids=ids)
    transaction.queue_rows(
        "purge_children", sorted(f"({literal(child)}, {literal(request)})" for child, request in links)
    )
    for execution in old:
        transaction.move(execution.workflow, execution.status, None)


def _lock_old(transaction: Transaction, older_than: int, limit: int) -> list[Locked]:
    """Of trees whose root has ended long ago and stays as it is, those that are locked now and have ended, too. A tree
    of which somebody holds one is left for the next time."""
    roots = [id_text(id) for _, id in transaction.select("purgeable", older_than=older_than, limit=limit)]
    if not roots:
        return []
    rows = transaction.select("tree_members", ids=id_list(roots), limit=limit)
    members = [(id_text(root), (id_text(id), id_text(root))) for root, id in rows]
    chosen = choose_trees({root: (root, root) for root in roots}, members, limit)
    locked = {e.id: e for e in lock_executions(transaction, {id for pair in chosen for id in pair}, skip_held=True)}
    kept = {root for id, root in chosen if id not in locked or locked[id].status not in FINAL}
    # guard R26: a root is asked again once it is locked
    kept |= {root for _, root in chosen if root not in locked or not 0 < locked[root].finished_at < older_than}
    return [locked[id] for id, root in chosen if root not in kept]
