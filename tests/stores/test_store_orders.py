"""What a person orders: cancel, retry, resume."""

from __future__ import annotations

import pytest
from hydra.execution import CommitAnswer, End, ExecutionCommit, Record
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
    status,
    submit,
    take,
    write,
)


def test_what_does_not_run_is_cancelled_at_once(store: Store) -> None:
    node = register(store)
    (delayed,) = submit(store, run_at=NOW + SECOND)
    sleeping, waiting, parked = [running(store, node) for _ in range(3)]
    end(store, node, sleeping, "sleeping", wake_at=NOW + SECOND)
    end(store, node, waiting, "waiting")
    end(store, node, parked, "parked", payload=b"")
    (ready,) = submit(store)
    ids = [ready, delayed, sleeping.id, waiting.id, parked.id, UNKNOWN]
    assert store.request_cancel(ids, NOW + 1) == ["cancelled"] * 5 + [None]
    assert store.outcomes(ids[:5]) == [("cancelled", None, "")] * 5
    assert claim(store, node) == []
    assert store.promote(NOW + SECOND, 10) == 0
    assert store.stats(NOW).counts == {WORKFLOW: {"cancelled": 5}}


def test_r10_cancelling_what_runs_is_a_request_to_its_owner(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.request_cancel([claimed.id], NOW) == ["running"]
    beat = store.heartbeat_node(node, NOW)
    assert [(one.id, one.epoch, one.kind) for one in beat.attention] == [(claimed.id, 1, "cancel")]
    assert write(store, node, claimed, record(1))
    assert end(store, node, claimed, "cancelled")
    assert status(store, claimed.id) == "cancelled"
    assert store.heartbeat_node(node, NOW).attention == []


def test_r15_what_commits_first_stands(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "completed", payload=b"won")
    assert store.request_cancel([claimed.id], NOW) == ["completed"]
    assert store.outcomes([claimed.id]) == [("completed", b"won", "")]


@pytest.mark.parametrize("kind", ["completed", "failed"])
def test_r15_what_was_cancelled_before_it_ended_is_claimed_again_and_ends_cancelled(store: Store, kind: str) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.request_cancel([claimed.id], NOW) == ["running"]
    item = ExecutionCommit(claimed.id, claimed.epoch, [record(1)], End(kind, b"lost"))
    assert store.commit(node, [item], NOW) == [CommitAnswer.CANCELLING]
    assert status(store, claimed.id) == "pending"
    (again,) = take(store, node)
    assert again.cancel_requested
    assert again.records == [record(1)], "what it did is known to whoever undoes it"
    assert end(store, node, again, "cancelled")
    assert store.outcomes([claimed.id]) == [("cancelled", None, "")]
    assert [line.ending for line in store.claims(claimed.id)] == ["released", "cancelled"]
    assert store.audit() == []


def test_r15_what_parks_after_an_accepted_cancel_is_claimed_again_and_ends_cancelled(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.request_cancel([claimed.id], NOW) == ["running"]
    assert end(store, node, claimed, "parked", record(1), payload=b"why")
    assert status(store, claimed.id) == "pending"
    (again,) = take(store, node)
    assert again.cancel_requested
    assert again.records == [record(1)]
    assert end(store, node, again, "cancelled")
    assert [line.ending for line in store.claims(claimed.id)] == ["parked", "cancelled"]
    assert store.audit() == []


def test_a_failure_to_undo_stands_in_spite_of_a_cancel(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.request_cancel([claimed.id], NOW)
    assert end(store, node, claimed, "failed", payload=b"a person must look", is_undone=True)
    assert status(store, claimed.id) == "failed"


def test_a_commit_says_that_a_cancel_was_asked_for(store: Store) -> None:
    node = register(store)
    asked, left_alone = running(store, node), running(store, node)
    assert write(store, node, asked, record(1)) == CommitAnswer.WRITTEN
    store.request_cancel([asked.id], NOW)
    items = [ExecutionCommit(each.id, each.epoch, [record(seq)]) for each, seq in ((asked, 2), (left_alone, 1))]
    assert store.commit(node, items, NOW) == [CommitAnswer.CANCELLING, CommitAnswer.WRITTEN]


def test_a_cancel_outlives_a_handover(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.request_cancel([claimed.id], NOW)
    assert end(store, node, claimed, "released")
    (again,) = claim(store, node)
    assert again.cancel_requested
    assert end(store, node, again, "released")
    assert store.request_cancel([claimed.id], NOW) == ["cancelled"]


def test_a_cancelled_execution_can_be_cancelled_again(store: Store) -> None:
    (id,) = submit(store)
    assert store.request_cancel([id, id], NOW) == ["cancelled", "cancelled"]
    assert store.request_cancel([id], NOW + 1) == ["cancelled"]


def test_g3_a_persons_retry_keeps_every_record_and_supersedes_the_cause(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    failure = record(2, "ship", "failure")
    end(store, node, claimed, "failed", record(1), failure, payload=b"why", cause_seq=2)
    assert store.retry([claimed.id, UNKNOWN], NOW + 9) == ["failed", None]
    (again,) = claim(store, node, now=NOW + 9)
    assert again.records == [
        record(1),
        failure,
        Record(3, "supersede", "", "", 2, 2, b"", None, NOW + 9, NOW + 9),
    ]
    assert (again.id, again.attempt, again.epoch, again.run_at) == (claimed.id, 2, 2, NOW + 9)
    assert end(store, node, again, "completed", record(4, "ship", ordinal=2), payload=b"result")
    assert store.outcomes([claimed.id]) == [("completed", b"result", "")]
    assert [each.ending for each in store.claims(claimed.id)] == ["failed", "completed"]


def test_a_retry_of_a_bodys_own_failure_supersedes_nothing(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    end(store, node, claimed, "failed", record(1), payload=b"why")
    assert store.retry([claimed.id], NOW) == ["failed"]
    assert claim(store, node)[0].records == [record(1)]


def test_an_execution_that_ran_out_of_time_gets_its_time_again_when_retried(store: Store) -> None:
    node = register(store)
    (id,) = submit(store, timeout_us=10 * SECOND)
    later = NOW + 60 * SECOND
    assert store.promote(later, 10) == 1
    assert store.outcomes([id]) == [("failed", None, "timeout")]
    assert store.retry([id], later) == ["failed"]
    assert store.promote(later, 10) == 0
    (claimed,) = claim(store, node, now=later)
    assert claimed.timeout_at == later + 10 * SECOND


def test_resume_makes_a_parked_execution_due_and_forgets_its_deaths(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.commit(node, [ExecutionCommit(claimed.id, claimed.epoch, [], None, 0, 2, 3)], NOW)
    assert end(store, node, claimed, "parked", payload=b"", cause="poison")
    assert store.resume([claimed.id], NOW + 5) == ["parked"]
    (again,) = claim(store, node, now=NOW + 5)
    assert (again.death_count, again.alone_death_count, again.run_at) == (0, 0, NOW + 5)
    assert again.records == []


@pytest.mark.parametrize("ending", ["completed", "cancelled", "failed", "parked", "sleeping", "waiting", "released"])
def test_an_order_that_the_state_does_not_allow_changes_nothing(store: Store, ending: str) -> None:
    node = register(store)
    claimed = running(store, node)
    end(store, node, claimed, ending, payload=b"", wake_at=NOW + SECOND if ending == "sleeping" else 0)
    (before,) = store.get([claimed.id])
    assert before is not None
    if before.status != "failed":
        assert store.retry([claimed.id], NOW + 1) == [before.status]
    if before.status != "parked":
        assert store.resume([claimed.id], NOW + 1) == [before.status]
    assert store.get([claimed.id]) == [before]


def test_orders_to_what_runs_leave_owner_and_epoch_alone(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.retry([claimed.id], NOW) == ["running"]
    assert store.resume([claimed.id], NOW) == ["running"]
    assert end(store, node, claimed, "completed", payload=b"")


@pytest.mark.parametrize("before", ["pending", "sleeping", "waiting", "parked"])
def test_what_registered_undo_steps_is_cancelled_only_by_whoever_runs_them(store: Store, before: str) -> None:
    node = register(store)
    claimed = running(store, node)
    registered = record(1, "hydra.on_failure", "value")
    kind = "released" if before == "pending" else before
    assert end(store, node, claimed, kind, registered, payload=b"", wake_at=NOW + SECOND if before == "sleeping" else 0)
    assert store.request_cancel([claimed.id], NOW) == ["pending"]
    assert store.request_cancel([claimed.id], NOW) == ["pending"]
    (again,) = claim(store, node)
    assert again.cancel_requested
    assert end(store, node, again, "cancelled", record(2, "undo"))
    assert store.stats(NOW).counts == {WORKFLOW: {"cancelled": 1}}


@pytest.mark.parametrize("before", ["pending", "sleeping", "waiting", "parked"])
def test_without_undo_it_ends_as_it_is(store: Store, before: str) -> None:
    node = register(store)
    claimed = running(store, node)
    registered = record(1, "hydra.on_failure", "value")
    kind = "released" if before == "pending" else before
    end(store, node, claimed, kind, registered, payload=b"", wake_at=NOW + SECOND if before == "sleeping" else 0)
    assert store.request_cancel([claimed.id], NOW, undo=False) == ["cancelled"]
    assert (claim(store, node), store.promote(NOW + SECOND, 10)) == ([], 0)


def test_what_is_parked_again_after_a_cancel_stays_cancelled_and_is_not_due(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, timeout_us=SECOND)
    end(store, node, claimed, "parked", record(1, "hydra.on_failure", "value"), payload=b"", cause="poison")
    store.request_cancel([claimed.id], NOW)
    (again,) = claim(store, node)
    assert end(store, node, again, "parked", payload=b"")
    assert (store.promote(NOW + 9 * SECOND, 10), claim(store, node)) == (0, [])
    assert store.resume([claimed.id], NOW) == ["parked"]
    (again,) = claim(store, node)
    assert again.cancel_requested
    assert end(store, node, again, "cancelled")


def test_a_resolution_is_the_next_record_of_what_is_parked_and_makes_it_due(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    started = record(1, "pay", "start")
    end(store, node, claimed, "parked", started, payload=b"", cause="in doubt")
    settled = Record(2, "resolution", "", "pay", 1, 1, b"digest", b"value", NOW + 5, NOW + 5)
    assert store.resolve([(claimed.id, settled), (UNKNOWN, settled)], NOW + 5) == ["parked", None]
    assert store.resolve([(claimed.id, settled)], NOW + 5) == ["pending"]
    assert store.stats(NOW).counts == {WORKFLOW: {"pending": 1}}
    (again,) = claim(store, node, now=NOW + 5)
    assert (again.records, again.run_at) == ([started, settled], NOW + 5)
    assert end(store, node, again, "completed", record(3), payload=b"")


def test_r13_a_resolution_that_is_not_the_next_record_changes_nothing(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    end(store, node, claimed, "parked", record(1, "pay", "start"), payload=b"")
    for seq in (1, 3):
        late = Record(seq, "resolution", "", "pay", 1, 1, b"digest", None, NOW, NOW)
        assert store.resolve([(claimed.id, late)], NOW) == ["pending"]
    assert (status(store, claimed.id), len(store.records(claimed.id))) == ("parked", 1)
