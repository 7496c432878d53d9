"""Claims, suspensions, cancels and finishes that meet (R12-R15, R28), lock order, deadlocks; each rule also off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra.execution import Claimed, Status
from hydra.stores.mysql import MysqlStore, session
from hydra.stores.mysql.statements import id_literal
from mysql_racing import NOW, Stage, ended, record, submission, without


def test_two_claims_never_wait_and_never_share(stage: Stage) -> None:
    ids = stage.submit(4)
    with stage.a.transaction():
        first = stage.claim_a(2)
        second = stage.claim_b(4)
    assert sorted(execution.id for execution in first + second) == sorted(ids)
    assert len(first) == len(second) == 2


def test_two_claims_that_do_not_skip_wait_for_each_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "claim_lock", "skip locked")
    stage.submit(4)
    with stage.a.transaction():
        stage.claim_a(2)
        second = stage.in_thread(stage.claim_b, 4)
        stage.until_blocked()
    assert len(second.result()) <= 2


def claim_that_waits_for_a_record(stage: Stage) -> Claimed:
    """The claim has begun and waits for the execution's row, to which another transaction adds a record."""
    (id,) = stage.submit()
    with stage.other.transaction() as other:
        stage.lock_execution(id)
        late = stage.in_thread(stage.claim_b)
        stage.until_blocked()
        other.run(
            f"insert into hydra_record values ({id_literal(id)}, 1, 'step', '', 'charge', 1, 1, '', null, 0, 0, 0)"
        )
        other.run(f"update hydra_execution set record_count = 1 where id = {id_literal(id)}")
    (claimed,) = late.result()
    return claimed


def test_r12_a_claim_sees_a_record_made_after_it_began(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "claim_executions", "skip locked")  # made to wait, so that there is something to miss
    assert [line.seq for line in claim_that_waits_for_a_record(stage).records] == [1]


def claim_in_a_transaction_that_had_read_before(stage: Stage) -> Claimed:
    stage.submit()
    with stage.b.transaction():
        stage.b.heartbeat_node(stage.node_b, NOW)  # its plain read would fix the snapshot of a longer isolation
        (execution,) = stage.claim_a()
        stage.a.commit(stage.node_a, [ended(execution, "released", record(1))], NOW)
        (claimed,) = stage.claim_b()
    return claimed


def test_r28_each_statement_sees_what_was_committed_before_it(stage: Stage) -> None:
    assert [line.seq for line in claim_in_a_transaction_that_had_read_before(stage).records] == [1]


def test_r28_a_repeatable_read_would_miss_the_record(
    open_store: Callable[..., MysqlStore], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = tuple(text.replace("read committed", "repeatable read") for text in session._SETTINGS)
    assert longer != session._SETTINGS
    monkeypatch.setattr(session, "_SETTINGS", longer)
    stage.b = open_store()
    assert claim_in_a_transaction_that_had_read_before(stage).records == []


def test_r28_an_empty_claim_holds_up_no_submission(stage: Stage) -> None:
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


def test_r14_a_suspend_that_does_not_lock_first_would_sleep_through_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "commit_read", "for update")
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


def test_r14_a_cancel_that_does_not_lock_first_would_be_lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "lock_executions", "for update")
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "sleeping", wake_at=NOW + 5)], NOW)
        stage.a.recover(stage.node_a, [])  # whatever is queued has been sent
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [Status.RUNNING]
    assert stage.status(id) is Status.SLEEPING


def test_r14_a_wake_up_that_met_a_suspend_is_not_lost(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.other.transaction() as other:
        other.run(f"update hydra_execution set wake_seq = wake_seq + 1 where id = {id_literal(id)}")
        suspended = stage.in_thread(stage.a.commit, stage.node_a, [ended(execution, "waiting")], NOW)
        stage.until_blocked()
    assert suspended.result() == [True]
    assert stage.status(id) is Status.PENDING


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
    assert stage.status(id) is Status.COMPLETED


def test_r10_a_time_out_that_met_a_finish_changes_nothing(stage: Stage) -> None:
    stage.a.submit([submission(timeout_us=1)], NOW)
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "completed")], NOW)
        stage.a.recover(stage.node_a, [])
        assert stage.b.promote(NOW + 2, 10) == 0  # passes the locked row over
    assert stage.b.promote(NOW + 2, 10) == 0
    assert stage.status(execution.id) is Status.COMPLETED


def test_a_claim_passes_over_what_a_canceller_holds(stage: Stage) -> None:
    (id,) = stage.submit()
    with stage.other.transaction():
        stage.lock_execution(id)
        assert stage.claim_b() == []
    assert [execution.id for execution in stage.claim_b()] == [id]


def test_a_claim_that_waited_for_a_canceller_would_deadlock(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "claim_executions", "skip locked")
    (id,) = stage.submit()
    before = stage.deadlock_count()
    with stage.other.transaction() as other:
        make_heavy(stage)
        stage.lock_execution(id)
        late = stage.in_thread(stage.claim_b)
        stage.until_blocked()
        other.run(f"delete from hydra_ready where id = {id_literal(id)}")
        other.run(f"update hydra_execution set status = 'cancelled', finished_at = 1 where id = {id_literal(id)}")
    assert late.result() == []
    assert stage.deadlock_count() == before + 1


def test_rows_are_locked_in_the_order_of_their_ids(stage: Stage) -> None:
    first, second, third = sorted(stage.submit(3))
    with stage.other.transaction():
        stage.lock_execution(second)
        cancelled = stage.in_thread(stage.b.request_cancel, [third, second, first], NOW)
        stage.until_blocked()
        stage.raw.run("begin")
        free = stage.raw.run("select id from hydra_execution force index (primary) for update skip locked")
        stage.raw.run("rollback")
        assert [id.hex() for (id,) in free] == [third.replace("-", "")]
    assert cancelled.result() == [Status.CANCELLED] * 3


def test_a_deadlocks_victim_is_tried_again(stage: Stage) -> None:
    first, second = sorted(stage.submit(2))
    before = stage.deadlock_count()
    with stage.other.transaction():
        make_heavy(stage)
        stage.lock_execution(second)
        cancelled = stage.in_thread(stage.b.request_cancel, [first, second], NOW)
        stage.until_blocked()
        stage.lock_execution(first)
    assert cancelled.result() == [Status.CANCELLED] * 2
    assert stage.deadlock_count() == before + 1
    assert stage.a.audit() == []


def test_who_waited_too_long_for_a_lock_is_tried_again(stage: Stage) -> None:
    (id,) = stage.submit()
    stage.b.write_wait_seconds = 1.9  # the server gives up after one second
    with stage.other.transaction():
        stage.lock_execution(id)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
        waits = stage.server_count("innodb_row_lock_waits")
        while stage.server_count("innodb_row_lock_waits") == waits:
            assert not cancelled.done()
    assert cancelled.result() == [Status.CANCELLED]


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


def test_r18_submitters_of_many_shared_keys_do_not_deadlock(stage: Stage) -> None:
    keys = [f"inv-{number}" for number in range(50)]
    before = stage.deadlock_count()
    for _ in range(5):
        forward = stage.in_thread(stage.a.submit, [submission(key=key) for key in keys], NOW)
        backward = stage.in_thread(stage.b.submit, [submission(key=key) for key in reversed(keys)], NOW)
        created = [answer.created for answer in forward.result() + backward.result()]
        assert sum(created) in (0, len(keys))
    assert stage.deadlock_count() == before
    assert stage.a.audit() == []


def make_heavy(stage: Stage) -> None:
    """The lightest of a deadlock's transactions is its victim: this one has written most."""
    rows = ", ".join(f"(x'{number:032x}')" for number in range(100))
    stage.other.run(f"insert into hydra_probe (id) values {rows}")


def test_an_idle_node_asks_for_work_without_a_lock(stage: Stage) -> None:
    """Its own row is locked by another, for which it would wait."""
    assert stage.claim_a() == []
    stage.other.run("begin")
    stage.other.run(f"select id from hydra_node where id = {id_literal(stage.node_a.id)} for update")
    assert stage.in_thread(stage.claim_a).result(20) == []
    (id,) = stage.submit()
    asking = stage.in_thread(stage.claim_a)
    stage.until_blocked()
    stage.other.run("rollback")
    assert [execution.id for execution in asking.result(20)] == [id]
