"""Claims, suspensions, cancels and finishes that meet (R12-R15), lock order, deadlocks; rules also taken out."""

from __future__ import annotations

import msgspec
import psycopg
import pytest
from hydra.execution import Claimed, ExecutionCommit, Status
from racing import NOW, Stage, ended, record, recorded, submission, without


def status_of(stage: Stage, id: str) -> Status:
    snapshot = stage.a.get([id])[0]
    assert snapshot is not None
    return snapshot.status


def test_two_claims_never_wait_and_never_share(stage: Stage) -> None:
    ids = stage.submit(4)
    with stage.a.transaction():
        first = stage.claim_a(2)
        second = stage.claim_b(4)
    assert sorted(execution.id for execution in first + second) == sorted(ids)
    assert len(first) == len(second) == 2


def test_two_claims_that_do_not_skip_wait_for_each_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "claim", "skip locked")
    stage.submit(4)
    with stage.a.transaction():
        stage.claim_a(2)
        second = stage.in_thread(stage.claim_b, 4)
        stage.until_blocked()
    assert len(second.result()) <= 2


def claim_after_a_record(stage: Stage) -> Claimed:
    """Node b's claim has begun, and waits for its own node's row, while node a runs the execution and hands it back."""
    stage.submit()
    (execution,) = stage.claim_a()
    stage.a.commit(stage.node_a, [ended(execution, "released")], NOW)
    with psycopg.connect(stage.raw.info.dsn) as holder:
        holder.execute("select 1 from hydra_node where id = %s for update", [stage.node_b.id])
        late = stage.in_thread(stage.claim_b)
        stage.until_blocked()
        (execution,) = stage.claim_a()
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        stage.a.commit(stage.node_a, [ended(execution, "released")], NOW)
    (claimed,) = late.result()
    assert claimed.epoch == execution.epoch + 1
    return claimed


def test_r12_a_claim_sees_a_record_made_after_it_began(stage: Stage) -> None:
    assert [line.seq for line in claim_after_a_record(stage).records] == [1]


def test_r12_read_by_the_claims_own_statement_it_would_be_missing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = "(select count(*)::text from hydra_record as r where r.execution_id = e.id)"
    without(monkeypatch, "claim", "s.key,", f"{counted},")
    assert claim_after_a_record(stage).key == "0"


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


def test_r14_a_suspend_that_does_not_look_would_sleep_through_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "commit_ends", "e.attention = 'cancel'", "false")
    without(monkeypatch, "commit_ends", "and e.attention is distinct from 'cancel'")
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.b.transaction():
        stage.b.request_cancel([id], NOW)
        suspended = stage.in_thread(stage.a.commit, stage.node_a, [ended(execution, "sleeping", wake_at=NOW + 5)], NOW)
        stage.until_blocked()
    assert suspended.result() == [True]
    assert status_of(stage, id) is Status.SLEEPING


def test_r14_a_cancel_that_met_a_suspend_ends_it(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "sleeping", wake_at=NOW + 5)], NOW)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [Status.CANCELLED]


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


def test_r14_a_cancel_that_does_not_count_the_records_would_not_have_it_undone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "request_cancel", "e.record_count <> (", "0 > (")
    id, suspend = registering(stage)
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [suspend], NOW)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [Status.CANCELLED]


def test_r14_a_cancel_that_does_not_lock_first_would_be_lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "request_cancel", "for update")
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "sleeping", wake_at=NOW + 5)], NOW)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [Status.SLEEPING]


def test_r14_a_wake_up_that_met_a_suspend_is_not_lost(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with psycopg.connect(stage.raw.info.dsn) as waker:
        waker.execute("update hydra_execution set wake_seq = wake_seq + 1 where id = %s", [id])
        suspended = stage.in_thread(stage.a.commit, stage.node_a, [ended(execution, "waiting")], NOW)
        stage.until_blocked()
    assert suspended.result() == [True]
    assert status_of(stage, id) is Status.PENDING


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
    assert finished.result() == [True]
    assert status_of(stage, id) is Status.COMPLETED


def test_r10_a_time_out_that_met_a_finish_changes_nothing(stage: Stage) -> None:
    (id,) = stage.submit()
    stage.raw.execute("update hydra_execution set timeout_at = %s", [NOW + 1])
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "completed")], NOW)
        assert stage.b.promote(NOW + 2, 10) == 0  # passes the locked row over
    assert stage.b.promote(NOW + 2, 10) == 0
    assert status_of(stage, id) is Status.COMPLETED


def test_r13_a_record_that_is_not_the_next_is_refused_with_the_end_that_rides_on_it(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    assert stage.a.commit(stage.node_a, [ended(execution, "completed", record(2))], NOW) == [False]
    assert stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW) == [True]
    assert stage.a.commit(stage.node_a, [ended(execution, "completed", record(1))], NOW) == [False]
    assert status_of(stage, id) is Status.RUNNING
    assert len(stage.a.records(id)) == 1


def test_rows_are_locked_in_the_order_of_their_ids(stage: Stage) -> None:
    first, second, third = sorted(stage.submit(3))
    with psycopg.connect(stage.raw.info.dsn) as holder:
        holder.execute("select 1 from hydra_execution where id = %s for update", [second])
        cancelled = stage.in_thread(stage.b.request_cancel, [third, second, first], NOW)
        stage.until_blocked()
        free = stage.raw.execute("select id::text from hydra_execution for update skip locked").fetchall()
        assert free == [(third,)]
    assert cancelled.result() == [Status.CANCELLED] * 3


def test_a_deadlocks_victim_is_tried_again(stage: Stage) -> None:
    first, second = sorted(stage.submit(2))
    with psycopg.connect(stage.raw.info.dsn) as other:
        other.execute("set deadlock_timeout = '1min'")  # so the store's session is the one that notices
        other.execute("select 1 from hydra_execution where id = %s for update", [second])
        cancelled = stage.in_thread(stage.b.request_cancel, [first, second], NOW)
        stage.until_blocked()
        other.execute("select 1 from hydra_execution where id = %s for update", [first])
    assert cancelled.result() == [Status.CANCELLED] * 2
    stage.raw.execute("select pg_stat_force_next_flush()")
    row = stage.raw.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
    assert row is not None and row[0] == 1


def test_r18_two_submissions_of_one_key_make_one_execution(stage: Stage) -> None:
    mine, theirs = submission(key="inv-1"), submission(key="inv-1")
    with stage.a.transaction():
        (made,) = stage.a.submit([mine], NOW)
        waiting = stage.in_thread(stage.b.submit, [theirs], NOW)
        stage.until_blocked()
    (known,) = waiting.result()
    assert (made.created, known.created, known.id) == (True, False, mine.id)
    assert stage.a.audit() == []
