"""Purge: what ended long ago, whole, in bounded batches."""

from __future__ import annotations

from hydra.execution import Claimed, NodeRef, Record
from hydra.records import child_records
from hydra.stores.store import Store

from tests.stores.store_values import (
    NOW,
    SECOND,
    WORKFLOW,
    claim,
    end,
    record,
    register,
    running,
    status,
    submission,
    submit,
    take,
    write,
)


def test_r26_only_what_ended_before_is_purged_and_whole(store: Store) -> None:
    node = register(store)
    old, recent, parked, going_on = [running(store, node) for _ in range(4)]
    end(store, node, old, "completed", record(1), payload=b"r", now=NOW + 1)
    end(store, node, recent, "failed", record(1, kind="failure"), payload=b"r", now=NOW + 2, cause_seq=1)
    end(store, node, parked, "parked", payload=b"", now=NOW + 1)
    assert store.purge(NOW + 2, 10) == 1
    assert store.get([old.id]) == [None]
    assert (store.records(old.id), store.claims(old.id)) == ([], [])
    assert [status(store, one.id) for one in (recent, parked, going_on)] == ["failed", "parked", "running"]
    assert store.stats(NOW).counts == {WORKFLOW: {"failed": 1, "parked": 1, "running": 1}}


def test_one_purge_takes_the_oldest_up_to_its_limit(store: Store) -> None:
    node = register(store)
    submit(store, 5)
    ends = {one.id: NOW + place for place, one in enumerate(claim(store, node))}
    for one in store.recover(node, list(ends)):
        end(store, node, one, "completed", payload=b"", now=ends[one.id])
    assert store.purge(NOW + SECOND, 2) == 2
    assert [snapshot is None for snapshot in store.get(list(ends))] == [True, True, False, False, False]
    assert [store.purge(NOW + SECOND, 2) for _ in range(3)] == [2, 1, 0]


def test_registrations_of_nodes_that_ended_before_go_too(store: Store) -> None:
    gone, alive = register(store), register(store)
    store.unregister_node(gone, NOW)
    store.return_executions(NOW, 10)
    assert store.purge(NOW, 10) == 0
    assert len(store.nodes()) == 2
    store.purge(NOW + 1, 10)
    assert [node.info.id for node in store.nodes()] == [alive.id]


def spawned(store: Store, node: NodeRef, parent: Claimed, seq: int, key: str | None = None) -> Claimed:
    """A child of the parent that the node has taken."""
    asked = submission(key=key)
    payload = child_records.encode_request(asked)
    spawn = Record(seq, "spawn", "", f"hydra.spawn:{WORKFLOW}", seq, 1, b"d" * 16, payload, NOW, NOW)
    assert write(store, node, parent, spawn)
    (child,) = [each for each in take(store, node) if each.id == asked.id]
    return child


def test_r26_an_open_root_protects_its_tree_and_the_age_of_a_tree_is_its_roots(store: Store) -> None:
    node = register(store)
    root = running(store, node)
    child = spawned(store, node, root, 1)
    grandchild = spawned(store, node, child, 1)
    other = running(store, node)
    for each in (grandchild, child, other):
        assert end(store, node, each, "completed", payload=b"", now=NOW)
    assert store.purge(NOW + SECOND, 10) == 1
    tree = [root.id, child.id, grandchild.id]
    assert [snapshot is None for snapshot in store.get([other.id, *tree])] == [True, False, False, False]
    assert end(store, node, root, "completed", payload=b"", now=NOW + 5)
    assert store.purge(NOW + 5, 10) == 0, "the age of a tree is its root's"
    assert store.purge(NOW + 6, 10) == 3
    assert store.get(tree) == [None] * 3


def test_r26_whatever_is_open_protects_its_tree(store: Store) -> None:
    node = register(store)
    root = running(store, node)
    child, second = spawned(store, node, root, 1), spawned(store, node, root, 2)
    assert end(store, node, root, "completed", payload=b"")
    assert end(store, node, second, "completed", payload=b"")
    assert store.purge(NOW + SECOND, 10) == 0
    assert end(store, node, child, "failed", payload=b"")
    store.retry([child.id], NOW)
    assert store.purge(NOW + SECOND, 10) == 0
    store.request_cancel([child.id], NOW)
    assert store.purge(NOW + SECOND, 10) == 3


def test_r26_a_tree_that_is_larger_than_a_purge_goes_in_parts_its_root_last(store: Store) -> None:
    node = register(store)
    root = running(store, node)
    children = [spawned(store, node, root, seq) for seq in (1, 2, 3)]
    for each in (*children, root):
        assert end(store, node, each, "completed", payload=b"")
    assert store.purge(NOW + SECOND, 2) == 2
    assert store.get([root.id]) != [None]
    assert [store.purge(NOW + SECOND, 2) for _ in range(2)] == [2, 0]


def test_what_a_key_stands_for_is_purged_by_itself_where_it_was_adopted(store: Store) -> None:
    node = register(store)
    submit(store, key="k")
    (known,) = take(store, node)
    assert end(store, node, known, "completed", payload=b"")
    parent = running(store, node)
    payload = child_records.encode_request(submission(key="k"))
    spawn = Record(1, "spawn", "", f"hydra.spawn:{WORKFLOW}", 0, 1, b"d" * 16, payload, NOW, NOW)
    assert write(store, node, parent, spawn)
    assert store.purge(NOW + SECOND, 10) == 1
    assert store.get([known.id]) == [None]
