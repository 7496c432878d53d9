"""What is MySQL's own where claims and cancels meet (R12, R28). The rest is in `test_store_collisions`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra.execution import Claimed, Status
from hydra.stores.mysql import MysqlStore, session
from hydra.stores.mysql.statements import id_literal

from tests.stores.mysql_stage import MysqlStage
from tests.stores.racing import NOW, ended, record


def claim_that_waits_for_a_record(stage: MysqlStage) -> Claimed:
    """The claim has begun and waits for the execution's row, to which another transaction adds a record."""
    (id,) = stage.submit()
    with stage.other.transaction() as other:
        stage.other.lock(id)
        late = stage.in_thread(stage.claim_b)
        stage.until_blocked()
        other.run(
            f"insert into hydra_record values ({id_literal(id)}, 1, 'step', '', 'charge', 1, 1, '', null, 0, 0, 0)"
        )
        other.run(f"update hydra_execution set record_count = 1 where id = {id_literal(id)}")
    (claimed,) = late.result()
    return claimed


def test_r12_a_claim_sees_a_record_made_after_it_began(stage: MysqlStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.replace(monkeypatch, "claim_executions", "skip locked")  # made to wait, so that there is something to miss
    assert [line.seq for line in claim_that_waits_for_a_record(stage).records] == [1]


def claim_in_a_transaction_that_had_read_before(stage: MysqlStage) -> Claimed:
    stage.submit()
    with stage.b.transaction():
        stage.b.heartbeat_node(stage.node_b, NOW)  # its plain read would fix the snapshot of a longer isolation
        (execution,) = stage.claim_a()
        stage.a.commit(stage.node_a, [ended(execution, "released", record(1))], NOW)
        (claimed,) = stage.claim_b()
    return claimed


def test_r28_a_repeatable_read_would_miss_the_record(
    open_store: Callable[..., MysqlStore], stage: MysqlStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = tuple(text.replace("read committed", "repeatable read") for text in session.SETTINGS)
    assert longer != session.SETTINGS
    monkeypatch.setattr(session, "SETTINGS", longer)
    stage.b = open_store()
    assert claim_in_a_transaction_that_had_read_before(stage).records == []


def test_a_claim_that_waited_for_a_canceller_would_deadlock(stage: MysqlStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.replace(monkeypatch, "claim_executions", "skip locked")
    (id,) = stage.submit()
    before = stage.deadlock_count()
    with stage.other.transaction() as other:
        other.make_heavy()
        stage.other.lock(id)
        late = stage.in_thread(stage.claim_b)
        stage.until_blocked()
        other.run(f"delete from hydra_ready where id = {id_literal(id)}")
        other.run(f"update hydra_execution set status = 'cancelled', finished_at = 1 where id = {id_literal(id)}")
    assert late.result() == []
    assert stage.deadlock_count() == before + 1


def test_who_waited_too_long_for_a_lock_is_tried_again(stage: MysqlStage) -> None:
    (id,) = stage.submit()
    stage.b.write_wait_seconds = 1.9  # the server gives up after one second
    with stage.other.transaction():
        stage.other.lock(id)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
        waits = stage.server_count("innodb_row_lock_waits")
        while stage.server_count("innodb_row_lock_waits") == waits:
            assert not cancelled.done()
    assert cancelled.result() == [Status.CANCELLED]


def test_an_idle_node_asks_for_work_without_a_lock(stage: MysqlStage) -> None:
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
