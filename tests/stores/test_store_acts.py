"""A person's change of when one execution is due, and its deletion, on every database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hydra import _core
from hydra.execution import FINAL, Message, Status
from hydra.stores.acts import Act, ActKind
from hydra.stores.admission import NEVER
from hydra.stores.deleting import Deleted, Tree
from hydra.stores.filter import Filter
from hydra.stores.rescheduling import Place, Reschedule, Rescheduled, move
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
)
from tests.stores.test_store_limits import ONE, let_go, serving
from tests.stores.test_store_limits import submit as submit_limited
from tests.stores.test_store_purge import spawned

CHANGED = Rescheduled(Status.PENDING, True)


def act(id: str, kind: ActKind = ActKind.RESCHEDULE) -> Act:
    return Act(id, _core.uuid7(), kind, NOW, "ana@host", "she asked for it")


def order(id: str, at: int | None = None, priority: int | None = None) -> Reschedule:
    return Reschedule(id, act(id), at, priority)


def test_what_is_delayed_runs_at_once_and_what_is_due_waits(store: Store) -> None:
    node = register(store)
    (later,) = submit(store, run_at=NOW + 9 * SECOND, timeout_us=SECOND)
    (due,) = submit(store)
    assert store.reschedule(order(later, NOW), NOW) == CHANGED
    assert store.reschedule(order(due, NOW + 5 * SECOND), NOW) == CHANGED
    assert [one.id for one in take(store, node)] == [later]
    assert store.next_due_at() == NOW + SECOND  # the time-out counts from when it is due
    assert store.promote(NOW + 5 * SECOND, 10)
    (claimed,) = take(store, node, NOW + 5 * SECOND)
    assert (claimed.id, claimed.run_at) == (due, NOW + 5 * SECOND)


def test_a_priority_changes_the_order_and_a_retry_of_it_keeps_it(store: Store) -> None:
    node = register(store)
    first, last = submit(store, 2)
    assert store.reschedule(order(last, priority=7), NOW) == CHANGED
    (claimed,) = claim(store, node, 1)
    assert (claimed.id, claimed.priority) == (last, 7)
    end(store, node, claimed, "failed", record(1, kind="failure"), payload=b"", cause_seq=1)
    store.retry([last], NOW + 1)
    assert [one.id for one in claim(store, node, 1, NOW + 1)] == [last]
    assert first not in FINAL


def test_the_pause_before_the_next_attempt_is_cut_short(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    end(store, node, claimed, "retry", record(1, kind="failure"), wake_at=NOW + 9 * SECOND, cause_seq=1)
    assert claim(store, node) == []
    assert store.reschedule(order(claimed.id, 0), NOW) == CHANGED
    assert [one.attempt for one in take(store, node)] == [2]


@pytest.mark.parametrize("before", ["running", "parked", "sleeping", "waiting", "completed", "cancelled"])
def test_r10_what_does_not_wait_for_its_start_is_not_changed(store: Store, before: str) -> None:
    node = register(store)
    claimed = running(store, node)
    if before != "running":
        end(store, node, claimed, before, payload=b"", wake_at=NOW + SECOND if before == "sleeping" else 0)
    assert store.reschedule(order(claimed.id, NOW + SECOND, 5), NOW) == Rescheduled(Status(before), False)
    (found,) = store.get([claimed.id])
    assert found is not None and (found.status, found.priority) == (before, 0)
    assert store.acts(claimed.id) == []


def test_what_is_to_be_undone_first_is_not_put_off(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    end(store, node, claimed, "parked", record(1, "hydra.on_failure", "value"), payload=b"")
    assert store.request_cancel([claimed.id], NOW) == ["pending"]
    assert store.reschedule(order(claimed.id, NOW + SECOND), NOW) == Rescheduled(Status.PENDING, False)
    assert [one.id for one in take(store, node)] == [claimed.id]


def test_r17_an_order_that_is_repeated_is_done_once_and_known_to_be_done(store: Store) -> None:
    node = register(store)
    (id,) = submit(store, run_at=NOW + 9 * SECOND)
    once = order(id, NOW, 3)
    assert store.reschedule(once, NOW) == CHANGED
    assert [one.id for one in take(store, node)] == [id]
    assert store.reschedule(once, NOW) == Rescheduled(Status.RUNNING, True)
    (line,) = store.acts(id)
    assert (line.kind, line.done_by, line.reason) == ("reschedule", "ana@host", "she asked for it")
    assert line.detail.endswith(" UTC, now at once; priority 0, now 3")


def test_nobody_is_changed_who_is_not_there(store: Store, open_another: Callable[..., Store]) -> None:
    (id,) = submit(open_another("elsewhere"))
    for unknown in (id, _core.uuid7(), "nobody"):
        assert store.reschedule(order(unknown, NOW), NOW) is None
        assert store.delete(act(unknown, ActKind.DELETE), 10) is None
        assert store.acts(unknown) == []


def test_a_deletion_leaves_its_key_and_the_line_that_says_so(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, key="invoice-1")
    store.signal([Message(_core.uuid7(), claimed.id, "note", b"secret", NOW)], NOW)
    end(store, node, claimed, "completed", record(1), payload=b"secret")
    deletion = act(claimed.id, ActKind.DELETE)
    assert store.delete(deletion, 10) == Deleted(Tree(Status.COMPLETED), 1, True)
    assert store.get([claimed.id]) == [None]
    gone = store.records(claimed.id), store.claims(claimed.id), store.messages(claimed.id)
    assert gone == ([], [], []) and store.list(Filter()) == []
    assert store.acts(claimed.id) == [deletion]
    (again,) = store.submit([submission(key="invoice-1")], NOW)
    assert (again.id, again.created, again.purged) == (claimed.id, False, True)
    assert store.stats(NOW).counts.get(WORKFLOW, {}).get("completed", 0) == 0


@pytest.mark.parametrize("before", ["pending", "running", "parked"])
def test_r26_what_has_not_ended_is_not_deleted(store: Store, before: str) -> None:
    node = register(store)
    claimed = running(store, node)
    if before != "running":
        end(store, node, claimed, "released" if before == "pending" else before, payload=b"")
    assert store.delete(act(claimed.id, ActKind.DELETE), 10) == Deleted(Tree(Status(before)))
    assert status(store, claimed.id) == before and store.acts(claimed.id) == []


def test_r26_a_tree_is_deleted_whole_once_all_of_it_has_ended(store: Store) -> None:
    node = register(store)
    root = running(store, node)
    one, two = spawned(store, node, root, 1), spawned(store, node, root, 2)
    assert store.delete(act(one.id, ActKind.DELETE), 10) == Deleted(Tree(Status.RUNNING, root.id))
    end(store, node, root, "completed", record(3), payload=b"")
    end(store, node, one, "completed", payload=b"")
    refused = store.delete(act(root.id, ActKind.DELETE), 10)
    assert refused == Deleted(Tree(Status.COMPLETED, None, two.id))
    end(store, node, two, "completed", payload=b"")
    deletion = act(root.id, ActKind.DELETE)
    assert store.delete(act(one.id, ActKind.DELETE), 10) == Deleted(Tree(Status.COMPLETED, root.id))
    assert store.delete(deletion, 2) == Deleted(Tree(Status.COMPLETED), 2, False)
    assert store.delete(deletion, 2) == Deleted(Tree(Status.COMPLETED), 1, True)
    assert store.get([root.id, one.id, two.id]) == [None, None, None]
    assert store.acts(root.id) == [deletion]


def test_a_purge_takes_the_lines_of_changes_along_but_none_of_a_deletion(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    store.reschedule(order(id, priority=1), NOW)
    (claimed,) = take(store, node)
    end(store, node, claimed, "completed", payload=b"")
    assert len(store.acts(id)) == 1
    assert store.purge(NOW + SECOND, 10) == 1
    assert store.acts(id) == []


def test_what_a_limit_holds_back_goes_on_waiting_there_and_priority_is_its_turn(store: Store) -> None:
    node = serving(store)
    first, second, third = submit_limited(store, ONE, count=3)
    let_go(store)
    assert store.reschedule(order(third, NOW, 5), NOW) == CHANGED
    (claimed,) = claim(store, node)
    assert claimed.id == first
    end(store, node, claimed, "completed", payload=b"")
    let_go(store)
    (claimed,) = claim(store, node)
    assert claimed.id == third
    end(store, node, claimed, "completed", payload=b"")
    let_go(store)
    assert [one.id for one in claim(store, node)] == [second]


def test_what_has_its_place_and_is_put_off_gives_it_to_the_next(store: Store) -> None:
    node, later = serving(store), NOW + 5 * SECOND
    first, second = submit_limited(store, ONE, count=2)
    let_go(store)
    assert store.reschedule(order(first, later), NOW) == CHANGED
    let_go(store)
    (claimed,) = claim(store, node)
    assert claimed.id == second
    store.promote(later, 10)
    let_go(store, later)
    assert claim(store, node, now=later) == []  # it has lost its place, and waits for it again
    end(store, node, claimed, "completed", payload=b"", now=later)
    let_go(store, later)
    assert [one.id for one in take(store, node, later)] == [first]


def test_what_waits_at_a_limit_and_is_put_off_leaves_its_queue(store: Store) -> None:
    node, later = serving(store), NOW + 5 * SECOND
    first, second, third = submit_limited(store, ONE, count=3)
    let_go(store)
    assert store.reschedule(order(second, later), NOW) == CHANGED
    for expected in (first, third):
        (claimed,) = claim(store, node)
        assert claimed.id == expected
        end(store, node, claimed, "completed", payload=b"")
        let_go(store)
    assert claim(store, node) == []
    assert store.reschedule(order(second, NOW), NOW) == CHANGED
    let_go(store)
    assert [one.id for one in take(store, node)] == [second]


def test_r10_of_a_claim_and_a_change_one_comes_first(store: Store, open_another: Callable[..., Store]) -> None:
    node, other = register(store), open_another()
    ids = submit(store, 40)
    claimed: set[str] = set()
    with ThreadPoolExecutor(1) as thread:
        changing = thread.submit(lambda: [other.reschedule(order(id, NOW + SECOND), NOW) for id in reversed(ids)])
        while not changing.done():
            claimed |= {one.id for one in claim(store, node, 1)}
    answers = dict(zip(reversed(ids), changing.result(), strict=True))
    changed = {id for id, answer in answers.items() if answer == CHANGED}
    assert {answer for id, answer in answers.items() if id not in changed} <= {Rescheduled(Status.RUNNING, False)}
    assert claimed == set(ids) - changed
    assert [status(store, id) for id in changed] == ["pending"] * len(changed)
    store.promote(NOW + SECOND, 100)
    while found := take(store, node, NOW + SECOND):
        changed -= {one.id for one in found}
    assert changed == set()


def test_r26_of_a_retry_and_a_deletion_one_comes_first(store: Store, open_another: Callable[..., Store]) -> None:
    node, other = register(store), open_another()
    failed = [running(store, node) for _ in range(10)]
    for one in failed:
        end(store, node, one, "failed", record(1, kind="failure"), payload=b"", cause_seq=1)
    with ThreadPoolExecutor(1) as thread:
        deleting = thread.submit(lambda: [other.delete(act(one.id, ActKind.DELETE), 10) for one in failed])
        retried = [store.retry([one.id], NOW)[0] for one in reversed(failed)][::-1]
    for one, answer, deleted in zip(failed, retried, deleting.result(), strict=True):
        assert deleted is not None
        assert (answer is None) is deleted.is_whole
        assert deleted.is_whole or (deleted.tree.status, status(store, one.id)) == (Status.PENDING, "pending")


def test_where_it_waits_after_an_order_is_decided_in_one_place() -> None:
    ready, held = Place(0, NOW - 5, None, None), Place(0, NOW - 5, NEVER, None)
    delayed = Place(0, NOW + 5, NOW + 5, NOW + 8)

    def moved(place: Place, at: int | None, epoch: int = 0) -> Place | None:
        return move(order("id", at, 2), Status.PENDING, place, None, epoch, 3, NOW)

    assert moved(ready, NOW) == Place(2, NOW - 5, None, None)  # it does not lose its turn
    assert moved(held, NOW) == Place(2, NOW - 5, NEVER, None)  # the limit lets it go on
    assert moved(held, NOW + 9) == Place(2, NOW + 9, NOW + 9, None)
    assert moved(delayed, None) == Place(2, NOW + 5, NOW + 5, NOW + 8)
    assert moved(delayed, NOW + 20) == Place(2, NOW + 20, NOW + 20, NOW + 23)
    assert moved(delayed, NOW, epoch=1) == Place(2, NOW, None, NOW + 8)  # a time-out that began goes on
    assert moved(delayed, NOW + 20, epoch=1) == Place(2, NOW + 20, NOW + 20, NOW + 23)
