"""What a node that sweeps asks of each store: ends in order, whole trees, and a deletion only of what it has seen."""

from __future__ import annotations

from hydra.execution import Status
from hydra.stores.store import Store
from hydra.stores.sweeping import Finished, Member

from tests.stores.store_values import NOW, SECOND, WORKFLOW, end, record, register, running, status, submit, take
from tests.stores.test_store_purge import spawned


def ended(store: Store, count: int, at: int) -> list[str]:
    ids = submit(store, count)
    store.request_cancel(ids, at)
    return sorted(ids)


def pages(store: Store, until: int, size: int) -> list[Finished]:
    found: list[Finished] = []
    place = (0, "")
    while page := store.finished(place, until, size):
        assert len(page) <= size
        found += page
        place = (page[-1].finished_at, page[-1].id)
    return found


def test_ends_come_in_order_page_by_page_up_to_an_instant(store: Store) -> None:
    late = ended(store, 5, NOW + 3 * SECOND)  # all at one instant
    early = ended(store, 2, NOW + SECOND)
    ended(store, 1, NOW + 9 * SECOND)
    expected = [Finished(id, WORKFLOW, "cancelled", NOW + SECOND) for id in early]
    expected += [Finished(id, WORKFLOW, "cancelled", NOW + 3 * SECOND) for id in late]
    for size in (1, 2, 3, 7, 100):
        assert pages(store, NOW + 9 * SECOND, size) == expected
    assert store.finished((NOW + 3 * SECOND, late[2]), NOW + 9 * SECOND, 10) == expected[5:]
    assert store.finished((0, ""), NOW, 10) == []


def test_another_namespace_is_not_looked_at(store: Store, open_another: object) -> None:
    assert callable(open_another)
    (id,) = ended(store, 1, NOW)
    other: Store = open_another("tenant")
    assert other.finished((0, ""), NOW + 1, 10) == [] and other.ended_trees([id], 10) == []
    assert other.purge_known([Member(id, id)], NOW + 1) == [] and status(store, id) == "cancelled"


def test_r26_a_tree_goes_whole_once_all_of_it_has_ended(store: Store) -> None:
    node = register(store)
    root = running(store, node)
    child = spawned(store, node, root, 1)
    assert end(store, node, root, "completed", payload=b"", now=NOW)
    assert store.ended_trees([root.id, child.id], 10) == []
    assert end(store, node, child, "completed", payload=b"", now=NOW + 1)
    members = store.ended_trees([root.id, child.id], 10)
    assert members == [Member(child.id, root.id), Member(root.id, root.id)]
    assert store.ended_trees([root.id], 1) == members[:1]  # a part of it, and the root stays
    assert store.purge_known(members, NOW + 1) == []  # the child ended later
    assert store.purge_known(members[:1], NOW + 5) == [child.id]
    assert store.ended_trees([root.id], 10) == members[1:]
    assert store.purge_known(members[1:], NOW + 5) == [root.id]
    assert store.get([root.id, child.id]) == [None, None]
    assert store.purge_known(members, NOW + 5) == []


def test_what_was_retried_since_it_was_seen_stays(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "failed", record(1, kind="failure"), payload=b"", cause_seq=1)
    members = store.ended_trees([claimed.id], 10)
    assert members == [Member(claimed.id, claimed.id)]
    assert store.retry([claimed.id], NOW + 2) == [Status.FAILED]
    assert store.purge_known(members, NOW + 1) == []
    (again,) = take(store, node, NOW + 2)
    assert end(store, node, again, "failed", record(3, kind="failure"), payload=b"", cause_seq=3, now=NOW + 3)
    assert store.purge_known(members, NOW + 1) == []  # it ended again
    assert store.purge_known(members, NOW + 4) == [claimed.id]
    assert store.purge_known([], NOW) == []
