"""Purge: what ended long ago, whole, in bounded batches."""

from __future__ import annotations

from hydra.stores.store import Store
from store_values import NOW, SECOND, WORKFLOW, claim, end, record, register, running, status, submit


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
