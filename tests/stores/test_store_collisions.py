"""Claims, suspensions, cancels and finishes that meet (R10, R12-R15, R18, R28), lock order, deadlocks.

Each race is made to happen in the order that hurts; where the guard is a lock or a second look, the test beside it
takes it out. What is of one database's own kind stands in `test_postgres_races` and `test_mysql_races`.
"""

from __future__ import annotations

import uuid

import msgspec
import pytest
from hydra.execution import Claimed, CommitAnswer, ExecutionCommit, Message, Status
from hydra.stores.filter import Filter

from tests.stores.racing import NOW, ServerStage, Stage, ended, record, recorded, spawning, submission

on_servers = pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)


@on_servers
def test_two_claims_never_wait_and_never_share(stage: ServerStage) -> None:
    ids = stage.submit(4)
    with stage.a.transaction():
        first = stage.claim_a(2)
        second = stage.claim_b(4)
    assert sorted(execution.id for execution in first + second) == sorted(ids)
    assert len(first) == len(second) == 2


@on_servers
def test_two_claims_that_do_not_skip_wait_for_each_other(stage: ServerStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.without(monkeypatch, "claims skip")
    stage.submit(4)
    with stage.a.transaction():
        stage.claim_a(2)
        second = stage.in_thread(stage.claim_b, 4)
        stage.until_blocked()
    assert len(second.result()) <= 2


def claim_after_a_record(stage: ServerStage) -> Claimed:
    """Node b's claim has begun, and waits for its own node's row, while node a runs the execution and hands it back."""
    stage.submit()
    (execution,) = stage.claim_a()
    stage.a.commit(stage.node_a, [ended(execution, "released")], NOW)
    with stage.holding_node(stage.node_b):
        late = stage.in_thread(stage.claim_b)
        stage.until_blocked()
        (execution,) = stage.claim_a()
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        stage.a.commit(stage.node_a, [ended(execution, "released")], NOW)
    (claimed,) = late.result()
    assert claimed.epoch == execution.epoch + 1
    return claimed


@on_servers
def test_r12_a_claim_sees_a_record_made_after_it_began(stage: ServerStage) -> None:
    assert [line.seq for line in claim_after_a_record(stage).records] == [1]


@on_servers
def test_r28_each_statement_sees_what_was_committed_before_it(stage: ServerStage) -> None:
    stage.submit()
    with stage.b.transaction():
        stage.b.heartbeat_node(stage.node_b, NOW)  # its plain read would fix the snapshot of a longer isolation
        (execution,) = stage.claim_a()
        stage.a.commit(stage.node_a, [ended(execution, "released", record(1))], NOW)
        (claimed,) = stage.claim_b()
    assert [line.seq for line in claimed.records] == [1]


@on_servers
def test_r28_an_empty_claim_holds_up_no_submission(stage: ServerStage) -> None:
    with stage.b.transaction():
        assert stage.claim_b() == []
        assert len(stage.submit()) == 1


@pytest.mark.parametrize("kind", ["sleeping", "waiting"])
def test_r14_a_suspend_that_met_a_cancel_is_due_at_once(stage: Stage, kind: str) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.b.transaction():
        assert stage.b.request_cancel([id], NOW) == [Status.RUNNING]
        suspended = stage.in_thread(stage.a.commit, stage.node_a, [ended(execution, kind, wake_at=NOW + 5)], NOW)
        stage.until_blocked()
    assert suspended.result() == [True]
    (again,) = stage.claim_b()
    assert again.cancel_requested


@on_servers
def test_r14_a_suspend_that_does_not_look_again_would_sleep_through_it(
    stage: ServerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.without(monkeypatch, "a suspend looks at what is locked")
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.b.transaction():
        stage.b.request_cancel([id], NOW)
        suspended = stage.in_thread(stage.a.commit, stage.node_a, [ended(execution, "sleeping", wake_at=NOW + 5)], NOW)
        stage.until_blocked()
    assert suspended.result() == [True]
    assert stage.status(id) is Status.SLEEPING


def test_r14_a_cancel_that_met_a_suspend_ends_it(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "sleeping", wake_at=NOW + 5)], NOW)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [Status.CANCELLED]
    assert stage.a.audit() == []


@pytest.mark.parametrize("url", ["sqlite", "mysql"], indirect=True)
def test_r14_a_cancel_that_met_a_spawn_ends_the_child_too(stage: Stage) -> None:
    (id,) = stage.submit()
    (parent,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(parent, "waiting", spawning(1))], NOW)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [Status.CANCELLED]
    assert stage.claim_b() == []
    assert [each.status for each in stage.a.list(Filter())] == [Status.CANCELLED] * 2
    assert stage.a.audit() == []


@on_servers
def test_r14_a_cancel_that_does_not_lock_first_would_be_lost(
    stage: ServerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.without(monkeypatch, "a cancel locks first")
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "sleeping", wake_at=NOW + 5)], NOW)
        stage.sent()
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [stage.lost_cancel_says]
    assert stage.status(id) is Status.SLEEPING


def registering(stage: Stage) -> tuple[str, ExecutionCommit]:
    """A suspend that brings the record of an undo step."""
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    registered = msgspec.structs.replace(record(1, "hydra.on_failure"), kind="value")
    return id, ended(execution, "sleeping", registered, wake_at=NOW + 5)


def test_r14_a_cancel_that_met_a_suspend_with_an_undo_step_leaves_it_to_be_undone(stage: Stage) -> None:
    id, suspend = registering(stage)
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [suspend], NOW)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [Status.PENDING]
    (again,) = stage.claim_b()
    assert again.cancel_requested


def test_r14_a_signal_that_met_a_suspend_is_not_lost(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.b.transaction():
        paid = Message(str(uuid.uuid4()), id, "hydra.event:paid", b"", NOW)
        assert stage.b.signal([paid], NOW) == [Status.RUNNING]
        suspended = stage.in_thread(stage.a.commit, stage.node_a, [ended(execution, "waiting")], NOW)
        stage.until_blocked()
    assert suspended.result() == [True]
    assert stage.status(id) is Status.PENDING
    (again,) = stage.claim_b()
    assert [message.id for message in again.messages] == [paid.id]


def test_r14_a_suspend_that_met_a_signal_is_woken_by_it(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "waiting")], NOW)
        paid = Message(str(uuid.uuid4()), id, "hydra.event:paid", b"", NOW)
        signalled = stage.in_thread(stage.b.signal, [paid], NOW)
        stage.until_blocked()
    assert signalled.result() == [Status.WAITING]
    (again,) = stage.claim_b()
    assert [message.id for message in again.messages] == [paid.id]


def test_r15_a_finish_that_commits_first_stands(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "completed", payload=b"done")], NOW)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [Status.COMPLETED]
    assert stage.b.outcomes([id]) == [(Status.COMPLETED, b"done", "")]


def test_r15_a_cancel_of_what_runs_is_a_request(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.b.transaction():
        assert stage.b.request_cancel([id], NOW) == [Status.RUNNING]
        finished = stage.in_thread(stage.a.commit, stage.node_a, [ended(execution, "completed")], NOW)
        stage.until_blocked()
    assert finished.result() == [CommitAnswer.CANCELLING], "the request was first"
    assert stage.status(id) is Status.PENDING
    assert stage.b.request_cancel([id], NOW) == [Status.CANCELLED]


@on_servers
def test_r10_a_time_out_that_met_a_finish_changes_nothing(stage: ServerStage) -> None:
    (id,) = stage.submit(timeout_us=1)
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "completed")], NOW)
        stage.sent()
        assert stage.b.promote(NOW + 2, 10) == 0  # passes the locked row over
    assert stage.b.promote(NOW + 2, 10) == 0
    assert stage.status(id) is Status.COMPLETED


def test_r13_a_record_that_is_not_the_next_is_refused_with_the_end_that_rides_on_it(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    assert stage.a.commit(stage.node_a, [ended(execution, "completed", record(2))], NOW) == [False]
    assert stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW) == [True]
    assert stage.a.commit(stage.node_a, [ended(execution, "completed", record(1))], NOW) == [False]
    assert stage.status(id) is Status.RUNNING
    assert len(stage.a.records(id)) == 1


@on_servers
def test_a_claim_passes_over_what_a_canceller_holds(stage: ServerStage) -> None:
    (id,) = stage.submit()
    with stage.holding(id):
        assert stage.claim_b() == []
    assert [execution.id for execution in stage.claim_b()] == [id]


@on_servers
def test_rows_are_locked_in_the_order_of_their_ids(stage: ServerStage) -> None:
    first, second, third = sorted(stage.submit(3))
    with stage.holding(second):
        cancelled = stage.in_thread(stage.b.request_cancel, [third, second, first], NOW)
        stage.until_blocked()
        assert stage.free_executions() == [third]
    assert cancelled.result() == [Status.CANCELLED] * 3


@on_servers
def test_a_deadlocks_victim_is_tried_again(stage: ServerStage) -> None:
    first, second = sorted(stage.submit(2))
    before = stage.deadlock_count()
    with stage.holding(second) as other:
        cancelled = stage.in_thread(stage.b.request_cancel, [first, second], NOW)
        stage.until_blocked()
        other.lock(first)
    assert cancelled.result() == [Status.CANCELLED] * 2
    assert stage.deadlock_count() == before + 1
    assert stage.a.audit() == []


def test_r18_two_submissions_of_one_key_make_one_execution(stage: Stage) -> None:
    mine, theirs = submission(key="inv-1"), submission(key="inv-1")
    with stage.a.transaction():
        (made,) = stage.a.submit([mine], NOW)
        waiting = stage.in_thread(stage.b.submit, [theirs], NOW)
        stage.until_blocked()
    (known,) = waiting.result()
    assert (made.created, known.created, known.id) == (True, False, mine.id)
    assert stage.a.audit() == []


def test_r18_a_key_whose_first_submission_vanished_is_free(stage: Stage) -> None:
    class Vanished(Exception):
        pass

    with pytest.raises(Vanished), stage.a.transaction():
        stage.a.submit([submission(key="inv-1")], NOW)
        waiting = stage.in_thread(stage.b.submit, [submission(key="inv-1")], NOW)
        stage.until_blocked()
        raise Vanished
    assert waiting.result()[0].created


@on_servers
def test_r18_submitters_of_many_shared_keys_do_not_deadlock(stage: ServerStage) -> None:
    keys = [f"inv-{number}" for number in range(50)]
    before = stage.deadlock_count()
    for _ in range(5):
        forward = stage.in_thread(stage.a.submit, [submission(key=key) for key in keys], NOW)
        backward = stage.in_thread(stage.b.submit, [submission(key=key) for key in reversed(keys)], NOW)
        created = [answer.created for answer in forward.result() + backward.result()]
        assert sum(created) in (0, len(keys))
    assert stage.deadlock_count() == before
    assert stage.a.audit() == []
