"""What is MySQL's own in the fence (R6-R9, R20): once a transaction, and proven. The rest is in `test_store_fence`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra.errors import LeaseLost, StoreUnavailable
from hydra.execution import Status
from hydra.stores.mysql import MysqlStore
from hydra.stores.mysql.probing import share_locks_block

from tests.stores.mysql_stage import MysqlStage
from tests.stores.racing import NOW, record, recorded


def test_r6_without_the_share_lock_an_empty_node_would_own_an_execution(
    stage: MysqlStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.replace(monkeypatch, "fence", "lock in share mode")
    stage.submit()
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        stage.b.mark_dead(stage.node_a.id, stage.counter(stage.node_a), NOW)
        stage.give_back()
        assert len(stage.claim_a()) == 1
    assert stage.node_state(stage.node_a) == "empty"
    assert [violation.promise for violation in stage.a.audit()] == ["G2"]


def test_r7_a_node_known_to_be_gone_is_marked_after_its_last_transaction(stage: MysqlStage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        marked = stage.in_thread(stage.b.mark_dead, stage.node_a.id, None, NOW)
        stage.until_blocked()
    assert marked.result()
    assert len(stage.b.records(id)) == 1


def test_r8_a_look_in_the_marking_transaction_would_miss_a_claim_under_way(
    stage: MysqlStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marked, looked at and found empty in one transaction, while a claim of that node is not committed yet."""
    stage.submit()
    stage.replace(monkeypatch, "fence", "lock in share mode")
    with stage.a.transaction():
        stage.claim_a()
        with stage.b.transaction():
            assert stage.b.mark_dead(stage.node_a.id, None, NOW)
            assert stage.b.return_executions(NOW, 10) == 0
    assert stage.node_state(stage.node_a) == "empty"
    assert [violation.promise for violation in stage.b.audit()] == ["G2"]


def test_r9_open_proves_that_share_locks_block(stage: MysqlStage) -> None:
    assert share_locks_block(stage.a._database)
    assert stage.a._database.share_locks_block


def test_r9_a_server_that_ignores_share_locks_is_found_out(stage: MysqlStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.replace(monkeypatch, "probe_share", "lock in share mode")
    assert not share_locks_block(stage.a._database)


def test_r9_the_fence_without_share_locks_is_an_update_that_finds_one_row(
    open_store: Callable[..., MysqlStore], stage: MysqlStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.replace(monkeypatch, "probe_share", "lock in share mode")
    store = open_store()
    stage.submit(2)
    with store.transaction():
        (execution,) = store.claim(stage.node_a, ["bill"], 1, NOW)
        assert not stage.b.mark_dead(stage.node_a.id, 0, NOW)
    assert stage.b.mark_dead(stage.node_a.id, 0, NOW)
    with pytest.raises(LeaseLost):
        store.commit(stage.node_a, [recorded(execution, record(1))], NOW)
    with pytest.raises(LeaseLost):
        store.claim(stage.node_a, ["bill"], 1, NOW)


def test_r20_a_node_that_stops_inside_a_transaction_loses_its_locks(stage: MysqlStage) -> None:
    (id,) = stage.submit()
    stage.a.write_wait_seconds = 0.5
    stage.b.write_wait_seconds = 10.0
    marked = False
    with pytest.raises(StoreUnavailable) as caught, stage.a.transaction():
        stage.claim_a()
        marked = stage.b.mark_dead(stage.node_a.id, None, NOW)  # waits until the server ends the silent session
    assert marked
    assert caught.value.outcome is None or caught.value.outcome == "unknown"
    assert stage.status(id) is Status.PENDING
