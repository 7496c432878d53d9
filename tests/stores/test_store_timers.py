"""Timers and time-outs: conditional, bounded, in order."""

from __future__ import annotations

import msgspec
import pytest
from hydra.execution import ExecutionCommit
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, end, record, register, running, status, submit


def test_what_is_due_first_is_promoted_first_and_no_more_than_the_limit(store: Store) -> None:
    late, early = submit(store, run_at=NOW + 2), submit(store, run_at=NOW + 1)
    assert store.next_due_at() == NOW + 1
    assert store.promote(NOW + 9, 1) == 1
    node = register(store)
    assert [claimed.id for claimed in claim(store, node)] == early
    assert store.promote(NOW + 9, 1) == 1
    assert [claimed.id for claimed in claim(store, node)] == late
    assert (store.promote(NOW + 9, 1), store.next_due_at()) == (0, None)


def test_a_wait_ends_at_its_time_out(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    end(store, node, claimed, "waiting", wake_at=NOW + SECOND)
    assert store.promote(NOW + SECOND, 10) == 1
    assert claim(store, node, now=NOW + SECOND)[0].id == claimed.id


def test_a_workflows_time_out_fails_what_does_not_run(store: Store) -> None:
    node = register(store)
    sleeping, waiting = [running(store, node, timeout_us=SECOND) for _ in range(2)]
    end(store, node, sleeping, "sleeping", wake_at=NOW + 9 * SECOND)
    end(store, node, waiting, "waiting")
    (delayed,) = submit(store, deadline_us=SECOND, run_at=NOW + 9 * SECOND)
    (ready,) = submit(store, timeout_us=SECOND)
    assert store.next_due_at() == NOW + SECOND
    assert store.promote(NOW + SECOND, 10) == 4
    ids = [sleeping.id, waiting.id, delayed, ready]
    assert store.outcomes(ids) == [("failed", None, "timeout")] * 4
    assert all(snapshot and "time-out" in snapshot.reason for snapshot in store.get(ids))
    assert (claim(store, node), store.next_due_at()) == ([], None)
    assert store.stats(NOW).counts == {WORKFLOW: {"failed": 4}}


def test_a_time_out_counts_from_when_it_is_due_and_a_deadline_from_when_it_is_submitted(store: Store) -> None:
    (limited,) = submit(store, timeout_us=SECOND, run_at=NOW + 9 * SECOND)
    (both,) = submit(store, timeout_us=5 * SECOND, deadline_us=11 * SECOND, run_at=NOW + 9 * SECOND)
    (overdue,) = submit(store, timeout_us=2 * SECOND, run_at=NOW - 9 * SECOND)
    found = store.get([limited, both, overdue])
    assert [each and each.timeout_at for each in found] == [NOW + 10 * SECOND, NOW + 11 * SECOND, NOW + 2 * SECOND]
    store.promote(NOW + 9 * SECOND, 10)
    assert [status(store, id) for id in (limited, both, overdue)] == ["pending", "pending", "failed"]


def test_a_time_out_that_has_passed_starts_again_from_each_retry_as_long_as_it_was(store: Store) -> None:
    (id,) = submit(store, timeout_us=SECOND, run_at=NOW + 9 * SECOND)
    for now in (NOW + 10 * SECOND, NOW + 100 * SECOND, NOW + 200 * SECOND):
        store.promote(now, 10)
        assert status(store, id) == "failed"
        store.retry([id], now + SECOND)
        (found,) = store.get([id])
        assert found is not None and found.timeout_at == now + 2 * SECOND


def test_what_is_both_late_and_due_to_wake_has_failed(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, timeout_us=SECOND)
    end(store, node, claimed, "sleeping", wake_at=NOW + SECOND)
    store.promote(NOW + SECOND, 10)
    assert status(store, claimed.id) == "failed"


def test_r10_a_time_out_of_what_runs_is_a_request_to_its_owner_told_once(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, timeout_us=SECOND)
    assert store.next_due_at() == NOW + SECOND
    assert store.promote(NOW + SECOND, 10) == 1
    assert (store.promote(NOW + SECOND, 10), store.next_due_at()) == (0, None)
    beat = store.heartbeat_node(node, NOW)
    assert [(one.id, one.kind) for one in beat.attention] == [(claimed.id, "timeout")]
    assert end(store, node, claimed, "failed", cause="timeout")
    assert store.outcomes([claimed.id]) == [("failed", None, "timeout")]


def test_a_cancel_goes_before_a_time_out(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, timeout_us=SECOND)
    store.promote(NOW + SECOND, 10)
    store.request_cancel([claimed.id], NOW)
    assert [one.kind for one in store.heartbeat_node(node, NOW).attention] == ["cancel"]
    store.promote(NOW + SECOND, 10)
    assert [one.kind for one in store.heartbeat_node(node, NOW).attention] == ["cancel"]


@pytest.mark.parametrize("has_begun_to_undo", [False, True])
@pytest.mark.parametrize("how", ["released", "crashed", "leaving", "dead"])
def test_a_time_out_once_decided_stays_decided_whatever_the_clock_says_next(
    store: Store, how: str, has_begun_to_undo: bool
) -> None:
    """The database's clock jumps back an hour after the flag: whoever has the execution next must end it."""
    node, other = register(store), register(store)
    claimed = running(store, node, timeout_us=SECOND)
    assert store.promote(NOW + SECOND, 10) == 1
    records = [record(1, "hydra.on_failure", "value"), record(2, "hydra.undoing", "value")] if has_begun_to_undo else []
    earlier = NOW - 3600 * SECOND
    if records:
        assert store.commit(node, [ExecutionCommit(claimed.id, claimed.epoch, records)], earlier) == [True]
    if how in ("released", "crashed"):
        assert end(store, node, claimed, how, now=earlier)
    elif how == "leaving":
        store.unregister_node(node, earlier)
        assert store.return_executions(earlier, 10) == 1
    else:
        assert store.mark_dead(node.id, None, earlier)
        assert store.return_executions(earlier, 10) == 1
    assert store.audit() == []
    assert store.promote(earlier, 10) == 0
    again = msgspec.structs.replace(claimed, epoch=2)
    if how == "crashed":
        assert [one.kind for one in store.heartbeat_node(node, earlier).attention] == ["timeout"]
        other = node
    else:
        (again,) = claim(store, other, now=earlier)
        assert (again.timeout_at, len(again.records)) == (0, len(records))
    assert end(store, other, again, "failed", cause="timeout")
    assert store.outcomes([claimed.id]) == [("failed", None, "timeout")]
    assert (store.promote(NOW + 9 * SECOND, 10), store.next_due_at()) == (0, None)


def test_a_parked_execution_does_not_time_out(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, timeout_us=SECOND)
    end(store, node, claimed, "parked", payload=b"")
    assert (store.promote(NOW + 9 * SECOND, 10), store.next_due_at()) == (0, None)
    assert store.resume([claimed.id], NOW + 9 * SECOND) == ["parked"]
    assert claim(store, node)[0].timeout_at == NOW + 10 * SECOND


def test_one_look_moves_no_more_than_its_limit_of_a_kind(store: Store) -> None:
    submit(store, 25, run_at=NOW + 1)
    moved = []
    while count := store.promote(NOW + 1, 10):
        moved.append(count)
    assert moved == [10, 10, 5]


@pytest.mark.parametrize("before", ["pending", "retry", "sleeping", "waiting"])
def test_what_registered_undo_steps_is_made_due_by_its_time_out_and_told_why(store: Store, before: str) -> None:
    node = register(store)
    claimed = running(store, node, timeout_us=SECOND)
    registered = record(1, "hydra.on_failure", "value")
    kind = "released" if before == "pending" else before
    wake_at = NOW + 9 * SECOND if before in ("retry", "sleeping") else 0
    assert end(store, node, claimed, kind, registered, wake_at=wake_at, payload=b"why" if kind == "retry" else None)
    assert store.next_due_at() == NOW + SECOND
    assert store.promote(NOW + SECOND, 10) == 1
    assert (store.promote(NOW + 9 * SECOND, 10), store.next_due_at()) == (0, None)
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 1}}
    (again,) = claim(store, node, now=NOW + SECOND)
    assert (again.timeout_at, again.cancel_requested) == (0, False)
    assert end(store, node, again, "failed", record(2, "undo"), cause="timeout")
    assert store.outcomes([claimed.id]) == [("failed", None, "timeout")]


def test_an_undoing_that_was_handed_back_is_due_again_at_once(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, timeout_us=SECOND)
    end(store, node, claimed, "sleeping", record(1, "hydra.on_failure", "value"), wake_at=NOW + 9 * SECOND)
    store.promote(NOW + SECOND, 10)
    (again,) = claim(store, node, now=NOW + SECOND)
    assert end(store, node, again, "released", now=NOW + SECOND)
    assert store.audit() == []
    assert store.promote(NOW + SECOND, 10) == 0
    (again,) = claim(store, node, now=NOW + SECOND)
    assert again.timeout_at == 0


def test_a_cancel_that_waits_to_be_undone_does_not_time_out(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, timeout_us=SECOND)
    end(store, node, claimed, "waiting", record(1, "hydra.on_failure", "value"))
    store.request_cancel([claimed.id], NOW)
    assert store.promote(NOW + SECOND, 10) == 0
    assert store.next_due_at() is None
    (again,) = claim(store, node)
    assert again.cancel_requested
    assert end(store, node, again, "cancelled")
