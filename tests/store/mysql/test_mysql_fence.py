"""The fence (R2, R6-R9, R16, R20) between a node and its reaper; each race on two real connections, and once with its
rule taken out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra.errors import LeaseLost, StoreUnavailable
from hydra.execution import Status
from hydra.stores.mysql import MysqlStore
from hydra.stores.mysql.probing import share_locks_block
from mysql_racing import NOW, Stage, ended, record, recorded, without


def test_r2_a_heartbeat_does_not_wait_for_a_commit_of_its_own_node(stage: Stage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        assert stage.b.heartbeat_node(stage.node_a, NOW).running_count == 1


def test_r2_it_would_wait_if_it_wrote_the_row_the_fence_is_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        stage.a.get([execution.id])
        without(monkeypatch, "fence", "lock in share mode", "for update")
        beat = stage.in_thread(stage.b.heartbeat_node, stage.node_a, NOW)
        stage.until_blocked()
    beat.result()


@pytest.mark.parametrize("verb", ["claim", "commit_records", "commit_end", "heartbeat", "recover"])
def test_r6_every_write_of_a_node_waits_for_its_reaper_and_is_refused(stage: Stage, verb: str) -> None:
    stage.submit(2)
    (execution,) = stage.claim_a(1)
    calls = {
        "claim": (stage.a.claim, stage.node_a, ["bill"], 1, NOW),
        "commit_records": (stage.a.commit, stage.node_a, [recorded(execution, record(1))], NOW),
        "commit_end": (stage.a.commit, stage.node_a, [ended(execution, "completed")], NOW),
        "heartbeat": (stage.a.heartbeat_node, stage.node_a, NOW),
        "recover": (stage.a.recover, stage.node_a, [execution.id]),
    }
    with stage.b.transaction():
        assert stage.b.mark_dead(stage.node_a.id, None, NOW)
        late = stage.in_thread(*calls[verb])  # type: ignore[arg-type]
        stage.until_blocked()
    with pytest.raises(LeaseLost):
        late.result()
    assert stage.status(execution.id) is Status.RUNNING
    assert stage.a.records(execution.id) == []
    assert stage.b.return_executions(NOW, 10) == 1


def claim_of_a_node_that_is_buried_meanwhile(stage: Stage) -> str:
    """The node's transaction has passed the fence; then its reaper looks at it; then it claims."""
    stage.submit()
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        stage.b.mark_dead(stage.node_a.id, stage.counter(stage.node_a), NOW)
        stage.give_back()
        assert len(stage.claim_a()) == 1
    return stage.node_state(stage.node_a)


def test_r6_a_node_whose_transaction_is_under_way_is_not_marked(stage: Stage) -> None:
    assert claim_of_a_node_that_is_buried_meanwhile(stage) == "alive"
    assert stage.a.audit() == []


def test_r6_without_the_share_lock_an_empty_node_would_own_an_execution(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "fence", "lock in share mode")
    assert claim_of_a_node_that_is_buried_meanwhile(stage) == "empty"
    assert [violation.promise for violation in stage.a.audit()] == ["G2"]


def test_r3_a_node_that_beats_while_it_is_judged_lives(stage: Stage) -> None:
    before = stage.counter(stage.node_a)
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        assert not stage.b.mark_dead(stage.node_a.id, before, NOW)
    assert not stage.b.mark_dead(stage.node_a.id, before, NOW)


def test_r7_a_reaper_that_does_not_lock_first_would_kill_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "lock_node", "for update skip locked")
    before = stage.counter(stage.node_a)
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        marked = stage.in_thread(stage.b.mark_dead, stage.node_a.id, before, NOW)
        stage.until_blocked()
    assert marked.result() and stage.counter(stage.node_a) == before + 1


def test_r7_a_node_known_to_be_gone_is_marked_after_its_last_transaction(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        marked = stage.in_thread(stage.b.mark_dead, stage.node_a.id, None, NOW)
        stage.until_blocked()
    assert marked.result()
    assert len(stage.b.records(id)) == 1


def test_r8_a_reaper_that_dies_after_marking_leaves_nothing_behind(stage: Stage) -> None:
    (id,) = stage.submit()
    stage.claim_a()
    assert stage.b.mark_dead(stage.node_a.id, None, NOW)
    stage.b.close()
    assert stage.a.return_executions(NOW, 10) == 1  # whoever sees a dead node returns its work
    assert [execution.id for execution in stage.claim_b()] == [id]


def test_r8_a_node_is_empty_only_when_a_later_look_finds_nothing(stage: Stage) -> None:
    stage.submit(3)
    stage.claim_a()
    stage.b.mark_dead(stage.node_a.id, None, NOW)
    assert (stage.b.return_executions(NOW, 2), stage.node_state(stage.node_a)) == (2, "dead")
    assert (stage.b.return_executions(NOW, 2), stage.node_state(stage.node_a)) == (1, "dead")
    assert (stage.b.return_executions(NOW, 2), stage.node_state(stage.node_a)) == (0, "empty")


def test_r8_a_look_in_the_marking_transaction_would_miss_a_claim_under_way(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marked, looked at and found empty in one transaction, while a claim of that node is not committed yet."""
    stage.submit()
    without(monkeypatch, "fence", "lock in share mode")
    with stage.a.transaction():
        stage.claim_a()
        with stage.b.transaction():
            assert stage.b.mark_dead(stage.node_a.id, None, NOW)
            assert stage.b.return_executions(NOW, 10) == 0
    assert stage.node_state(stage.node_a) == "empty"
    assert [violation.promise for violation in stage.b.audit()] == ["G2"]


def test_r9_open_proves_that_share_locks_block(stage: Stage) -> None:
    assert share_locks_block(stage.a._database)
    assert stage.a._database.share_locks_block


def test_r9_a_server_that_ignores_share_locks_is_found_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "probe_share", "lock in share mode")
    assert not share_locks_block(stage.a._database)


def test_r9_the_fence_without_share_locks_is_an_update_that_finds_one_row(
    open_store: Callable[..., MysqlStore], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "probe_share", "lock in share mode")
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


def test_r16_a_raised_session_refuses_the_old_one(stage: Stage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    node, owned = stage.b.resync(stage.node_a)
    assert [one.id for one in owned] == [execution.id]
    with pytest.raises(LeaseLost):
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
    assert stage.a.commit(node, [recorded(execution, record(1))], NOW) == [True]


def test_r16_a_resync_waits_for_what_the_old_connection_still_does(stage: Stage) -> None:
    (id,) = stage.submit()
    with stage.a.transaction():
        stage.claim_a()
        resynced = stage.in_thread(stage.b.resync, stage.node_a)
        stage.until_blocked()
    assert [one.id for one in resynced.result()[1]] == [id]


def test_r20_a_node_that_stops_inside_a_transaction_loses_its_locks(stage: Stage) -> None:
    (id,) = stage.submit()
    stage.a.write_wait_seconds = 0.5
    stage.b.write_wait_seconds = 10.0
    with pytest.raises(StoreUnavailable) as caught, stage.a.transaction():
        stage.claim_a()
        assert stage.b.mark_dead(stage.node_a.id, None, NOW)  # waits until the server ends the silent session
    assert caught.value.outcome is None or caught.value.outcome == "unknown"
    assert stage.status(id) is Status.PENDING
