"""The fence (R6-R8) between a node and its reaper, on two real connections, and once with each rule taken out."""

from __future__ import annotations

import psycopg
import pytest
from hydra.errors import LeaseLost
from hydra.execution import ExecutionCommit, Status
from racing import NOW, Stage, ended, record, recorded, without


def test_r2_a_heartbeat_does_not_wait_for_a_commit_of_its_own_node(stage: Stage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        assert stage.b.heartbeat_node(stage.node_a, NOW).running_count == 1


def test_r2_it_would_wait_if_it_wrote_the_row_the_fence_is_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "heartbeat", "for share", "for update")
    stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        beat = stage.in_thread(stage.b.heartbeat_node, stage.node_a, NOW)
        stage.until_blocked()
    beat.result()


def test_r6_a_commit_that_waited_for_its_reaper_is_refused(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.b.transaction():
        assert stage.b.mark_dead(stage.node_a.id, None, NOW)
        late = stage.in_thread(stage.a.commit, stage.node_a, [recorded(execution, record(1))], NOW)
        stage.until_blocked()
    with pytest.raises(LeaseLost):
        late.result()
    assert stage.a.records(id) == []


@pytest.mark.parametrize(
    "verb", ["claim", "commit_records", "commit_finals", "commit_ends", "commit_deaths", "heartbeat"]
)
def test_r6_every_write_of_a_node_waits_for_its_reaper(stage: Stage, verb: str) -> None:
    """Each verb's statement holds the lock itself; a pipelined check would not stop what follows it."""
    stage.submit(2)
    (execution, *_) = stage.claim_a(1)
    calls = {
        "claim": (stage.a.claim, stage.node_a, ["bill"], 1, NOW),
        "commit_records": (stage.a.commit, stage.node_a, [recorded(execution, record(1))], NOW),
        "commit_finals": (stage.a.commit, stage.node_a, [ended(execution, "completed")], NOW),
        "commit_ends": (stage.a.commit, stage.node_a, [ended(execution, "released")], NOW),
        "commit_deaths": (stage.a.commit, stage.node_a, [recorded(execution)], NOW),
        "heartbeat": (stage.a.heartbeat_node, stage.node_a, NOW),
    }
    with stage.b.transaction():
        assert stage.b.mark_dead(stage.node_a.id, None, NOW)
        late = stage.in_thread(*calls[verb])  # type: ignore[arg-type]
        stage.until_blocked()
    with pytest.raises(LeaseLost):
        late.result()
    assert stage.b.get([execution.id])[0].status is Status.RUNNING  # type: ignore[union-attr]
    assert stage.b.return_executions(NOW, 10) == 1


def test_r7_a_node_whose_commit_is_under_way_is_not_marked(stage: Stage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        assert not stage.b.mark_dead(stage.node_a.id, stage.counter(stage.node_a), NOW)
    assert stage.b.mark_dead(stage.node_a.id, stage.counter(stage.node_a), NOW)


def test_r6_without_the_share_lock_a_dead_nodes_record_would_land(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record is held up by a row lock while its work is given away, and then let go."""
    without(monkeypatch, "commit_records", "for share")
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    assert late_record_lands(stage, execution.id, recorded(execution, record(1)))
    assert [line.name for line in stage.b.records(id)] == ["charge"]


def test_r6_with_it_the_work_is_not_given_away_meanwhile(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    assert not late_record_lands(stage, id, recorded(execution, record(1)))


def late_record_lands(stage: Stage, id: str, item: ExecutionCommit) -> bool:
    """Whether the node could be buried while its insert stood in front of another transaction's uncommitted record."""
    blocker = psycopg.connect(stage.raw.info.dsn)
    blocker.execute(
        """
        insert into hydra_record (
            execution_id, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest
        )
        values (%s, 0, 0, 0, 1, 1, 1, 'step', '', 'blocker', '')
        """,
        [id],
    )
    late = stage.in_thread(stage.a.commit, stage.node_a, [item], NOW)
    stage.until_blocked()
    buried = stage.b.mark_dead(stage.node_a.id, None, NOW)
    if buried:
        stage.give_back()
        assert [execution.id for execution in stage.claim_b()] == [id]
    blocker.rollback()
    blocker.close()
    assert late.result() == [True]
    return buried


def test_r3_a_node_that_beats_while_it_is_judged_lives(stage: Stage) -> None:
    before = stage.counter(stage.node_a)
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        assert not stage.b.mark_dead(stage.node_a.id, before, NOW)
    assert not stage.b.mark_dead(stage.node_a.id, before, NOW)


def test_r7_a_reaper_that_does_not_lock_first_would_kill_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "lock_peer", "for update skip locked")
    before = stage.counter(stage.node_a)
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        marked = stage.in_thread(stage.b.mark_dead, stage.node_a.id, before, NOW)
        stage.until_blocked()
    assert marked.result() and stage.counter(stage.node_a) == before + 1


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

    def state() -> str:
        return next(node.state for node in stage.b.nodes() if node.info.id == stage.node_a.id)

    assert (stage.b.return_executions(NOW, 2), state()) == (2, "dead")
    assert (stage.b.return_executions(NOW, 2), state()) == (1, "dead")
    assert (stage.b.return_executions(NOW, 2), state()) == (0, "empty")


def test_r8_marking_and_returning_at_once_would_miss_a_claim_under_way(stage: Stage) -> None:
    (id,) = stage.submit()
    both_at_once = """
        with dead as (update hydra_node set state = 'dead' where id = %s returning id)
        update hydra_execution as e set status = 'pending', owner = null from dead where e.owner = dead.id
    """
    with stage.a.transaction():
        stage.claim_a()
        done = stage.in_thread(
            psycopg.connect(stage.raw.info.dsn, autocommit=True).execute, both_at_once, [stage.node_a.id]
        )
        with psycopg.connect(stage.raw.info.dsn, autocommit=True) as observer:
            stage.raw = observer
            stage.until_blocked()
    assert done.result().rowcount == 0  # missed
    assert stage.b.return_executions(NOW, 10) == 1
    assert [execution.id for execution in stage.claim_b()] == [id]


def test_r16_a_raised_session_refuses_the_old_one(stage: Stage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    node, owned = stage.b.resync(stage.node_a)
    assert [one.id for one in owned] == [execution.id]
    with pytest.raises(LeaseLost):
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
    assert stage.a.commit(node, [recorded(execution, record(1))], NOW) == [True]
