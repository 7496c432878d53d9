"""Reading: snapshots, pages, counts, and the hint that something changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hydra.errors import NotFound
from hydra.execution import ExecutionCommit, Status
from hydra.stores.filter import Filter
from hydra.stores.store import Store

from tests.stores.store_values import (
    NOW,
    SECOND,
    UNKNOWN,
    WORKFLOW,
    claim,
    end,
    record,
    register,
    running,
    submission,
    submit,
)


def test_what_is_unknown_is_said_to_be(store: Store) -> None:
    assert store.get([UNKNOWN]) == [None]
    assert store.get([]) == []
    assert store.find(WORKFLOW, "nothing") is None
    with pytest.raises(NotFound, match=UNKNOWN):
        store.outcomes([UNKNOWN])
    with pytest.raises(NotFound, match=UNKNOWN):
        store.input(UNKNOWN)
    assert (store.records(UNKNOWN), store.claims(UNKNOWN)) == ([], [])


def test_histories_hold_the_input_and_all_records_of_each_that_is_known(
    store: Store, open_another: Callable[..., Store]
) -> None:
    node = register(store)
    first, second = running(store, node), running(store, node)
    for seq in (1, 2, 3):
        assert store.commit(node, [ExecutionCommit(first.id, first.epoch, [record(seq)])], NOW) == [True]
    (fresh,) = submit(store)
    asked = [second.id, UNKNOWN, first.id, "no id", fresh]
    assert store.histories(asked) == {id: (store.input(id), store.records(id)) for id in (first.id, second.id, fresh)}
    assert [each.seq for each in store.histories(asked)[first.id][1]] == [1, 2, 3]
    assert store.histories([]) == open_another("elsewhere").histories(asked) == {}


def test_answers_come_in_the_order_asked(store: Store) -> None:
    ids = submit(store, 20)
    asked = [ids[7], UNKNOWN, ids[3], ids[7]]
    assert [snapshot and snapshot.id for snapshot in store.get(asked)] == [ids[7], None, ids[3], ids[7]]


def test_pages_go_from_the_newest_to_the_oldest(store: Store) -> None:
    ids = submit(store, 7)
    pages, before = [], None
    while page := store.list(Filter(limit=3, before=before)):
        pages.append([snapshot.id for snapshot in page])
        before = page[-1].id
    newest = sorted(ids, reverse=True)
    assert pages == [newest[:3], newest[3:6], newest[6:]]


@pytest.mark.parametrize("wanted", list(Status))
def test_a_listing_by_state_holds_that_state_and_no_other(store: Store, wanted: Status) -> None:
    node = register(store)
    by_status: dict[str, list[str]] = {}
    for ending in ("completed", "failed", "cancelled", "parked", "sleeping", "waiting"):
        for _ in range(3):
            one = running(store, node)
            assert end(store, node, one, ending, payload=b"", wake_at=NOW + 1 if ending == "sleeping" else 0)
            by_status.setdefault(ending, []).append(one.id)
    by_status["running"] = [running(store, node).id for _ in range(3)]
    by_status["pending"] = submit(store, 3)
    newest = sorted(by_status[wanted], reverse=True)
    assert [one.id for one in store.list(Filter(status=wanted))] == newest
    assert [one.id for one in store.list(Filter(status=wanted, limit=2))] == newest[:2]
    assert [one.id for one in store.list(Filter(status=wanted, before=newest[0]))] == newest[1:]
    assert [one.id for one in store.list(Filter(status=wanted, workflow="dun"))] == []


def test_a_listing_is_narrowed_by_workflow_key_and_tags(store: Store) -> None:
    november = submission(tags={"run": "2026-11", "team": "eu"}, key="a")
    december = submission("dun", tags={"run": "2026-12", 'odd"name': "ü"}, key="b")
    plain = submission()
    store.submit([november, december, plain], NOW)

    def ids(filter: Filter) -> list[str]:
        return [one.id for one in store.list(filter)]

    assert ids(Filter(workflow="dun")) == [december.id]
    assert ids(Filter(key="a")) == [november.id]
    assert ids(Filter(key="a", workflow=november.workflow)) == [november.id]
    assert ids(Filter(key="a", workflow="dun")) == ids(Filter(key="c", workflow="dun")) == []
    keyed = {"key": "a", "workflow": november.workflow}
    assert ids(Filter(status=Status.PENDING, tags={"team": "eu"}, **keyed)) == [november.id]
    assert ids(Filter(status=Status.RUNNING, **keyed)) == ids(Filter(tags={"team": "us"}, **keyed)) == []
    assert ids(Filter(before=november.id, **keyed)) == []
    assert ids(Filter(before=plain.id, **keyed)) == [november.id]
    assert ids(Filter(tags={"run": "2026-11"})) == [november.id]
    assert ids(Filter(tags={"run": "2026-11", "team": "us"})) == []
    assert ids(Filter(tags={'odd"name': "ü"})) == [december.id]
    assert ids(Filter(tags={"run": "2026-12"}, status=Status.PENDING, workflow="dun")) == [december.id]


@pytest.mark.parametrize("wanted", [None, *Status])
def test_pages_go_from_the_oldest_to_the_newest_too(store: Store, wanted: Status | None) -> None:
    node = register(store)
    ids: list[str] = []
    for _ in range(5):
        if wanted in (None, Status.PENDING):
            ids += submit(store)
            continue
        one = running(store, node)
        ids.append(one.id)
        if wanted is not Status.RUNNING:
            wake_at = NOW + 1 if wanted is Status.SLEEPING else 0
            assert end(store, node, one, str(wanted), payload=b"", wake_at=wake_at)
    pages, after = [], None
    while page := store.list(Filter(wanted, limit=2, after=after, is_oldest_first=True)):
        pages.append([snapshot.id for snapshot in page])
        after = page[-1].id
    ids.sort()
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    between = Filter(wanted, after=ids[0], before=ids[4])
    assert [one.id for one in store.list(between)] == ids[3:0:-1]
    assert [one.id for one in store.list(Filter(wanted, workflow="dun", is_oldest_first=True))] == []


@pytest.mark.parametrize("wanted", [None, *Status])
def test_a_listing_is_narrowed_by_when_they_were_submitted(store: Store, wanted: Status | None) -> None:
    node = register(store)
    ids: list[str] = []
    for second in range(3):
        now = NOW + second * SECOND
        ids += submit(store, now=now)
        if wanted not in (None, Status.PENDING):
            (one,) = claim(store, node, now=now)
            if wanted is not Status.RUNNING:
                wake_at = now + 9 * SECOND if wanted is Status.SLEEPING else 0
                assert end(store, node, one, str(wanted), payload=b"", wake_at=wake_at)

    def found(**bounds: int) -> list[str]:
        return [one.id for one in store.list(Filter(wanted, is_oldest_first=True, **bounds))]

    assert found(since=NOW + SECOND) == ids[1:]
    assert found(until=NOW + SECOND) == ids[:1]
    assert found(since=NOW + SECOND, until=NOW + 2 * SECOND) == ids[1:2]
    assert found(since=NOW + 3 * SECOND) == []


def test_a_key_is_found_within_the_bounds_of_time_only(store: Store) -> None:
    (id,) = submit(store, key="a", now=NOW)
    keyed = {"workflow": WORKFLOW, "key": "a"}
    assert [one.id for one in store.list(Filter(**keyed, since=NOW))] == [id]
    assert store.list(Filter(**keyed, since=NOW + 1)) == store.list(Filter(**keyed, until=NOW)) == []
    assert store.list(Filter(**keyed, after=id)) == []


def test_failures_say_what_left_the_body_and_in_which_step(store: Store, open_another: Callable[..., Store]) -> None:
    node = register(store)
    of_step, of_body, late, parked, done = (running(store, node) for _ in range(5))
    end(store, node, of_step, "failed", record(1, kind="failure"), payload=b"one", cause_seq=1)
    end(store, node, of_body, "failed", record(1), payload=b"two")
    end(store, node, late, "failed", cause="timeout")
    end(store, node, parked, "parked", payload=b"why", cause="poison")
    end(store, node, done, "completed", payload=b"result")
    ids = [each.id for each in (of_step, of_body, late, parked, done)]
    found = store.failures([*ids, UNKNOWN, "no id"])
    assert {id: (each.status, each.payload, each.step) for id, each in found.items()} == {
        of_step.id: ("failed", b"one", "charge"),
        of_body.id: ("failed", b"two", None),
        late.id: ("failed", None, None),
        parked.id: ("parked", b"why", None),
    }
    assert found[late.id].cause == "timeout"
    assert open_another("elsewhere").failures(ids) == store.failures([]) == {}


def test_counts_follow_every_move(store: Store) -> None:
    node = register(store)
    assert store.stats(NOW).counts == {}
    submit(store, 3)
    submit(store, 2, workflow="dun")
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 3}, "dun": {"pending": 2}}
    first, second = claim(store, node, 2)
    assert store.stats(NOW).counts[WORKFLOW] == {"pending": 1, "running": 2}
    end(store, node, first, "completed", payload=b"")
    end(store, node, second, "sleeping", wake_at=NOW + SECOND)
    assert store.stats(NOW).counts[WORKFLOW] == {"pending": 1, "completed": 1, "sleeping": 1}
    store.promote(NOW + SECOND, 10)
    assert store.stats(NOW).counts[WORKFLOW] == {"pending": 2, "completed": 1}


def test_what_is_pending_is_counted_up_to_a_limit_wherever_it_waits(store: Store) -> None:
    node = register(store)
    submit(store, 4)
    submit(store, 3, workflow="dun", run_at=NOW + SECOND)
    first, second = claim(store, node, 2)
    end(store, node, first, "sleeping", wake_at=NOW + SECOND)
    end(store, node, second, "retry", wake_at=NOW + SECOND)
    assert store.pending_count(100) == 6
    assert [store.pending_count(limit) for limit in (0, 2, 5, 6, 7)] == [0, 2, 5, 6, 6]


def test_the_oldest_due_execution_is_found_behind_any_priority_and_workflow(store: Store) -> None:
    assert store.stats(NOW).oldest_due_at is None
    batch = [submission(name, priority=p, run_at=NOW - p - 10) for name in ("a", "b", "c") for p in (-1, 0, 5)]
    store.submit([*batch, submission("b", priority=-7, run_at=NOW - 99), submission(run_at=NOW + 1)], NOW)
    assert store.stats(NOW).oldest_due_at == NOW - 99


def test_a_commit_of_others_wakes_who_waits_for_a_change(store: Store, open_another: Callable[..., Store]) -> None:
    store.wait_for_change(0)
    woken = threading.Event()
    thread = threading.Thread(target=lambda: store.wait_for_change(30) and woken.set())
    thread.start()
    submit(open_another())
    thread.join()
    assert woken.is_set()


def test_every_thread_that_waits_learns_of_a_change(store: Store, open_another: Callable[..., Store]) -> None:
    other = open_another()
    saw: list[bool] = []
    ready = threading.Barrier(5)

    def wait() -> None:
        store.wait_for_change(0)
        ready.wait()
        saw.append(store.wait_for_change(30))

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    submit(other)
    for thread in threads:
        thread.join()
    assert saw == [True] * 4
