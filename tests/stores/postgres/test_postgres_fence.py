"""What is PostgreSQL's own in the fence (R6, R8, R9): every statement locks. The rest is in `test_store_fence`."""

from __future__ import annotations

import pytest
from hydra.errors import StoreUnavailable
from hydra.execution import ExecutionCommit

from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import NOW, record, recorded


def test_r6_without_the_share_lock_a_dead_nodes_record_would_land(
    stage: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record is held up by a row lock while its work is given away, and then let go."""
    stage.replace(monkeypatch, "commit_records", "for share")
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    assert late_record_lands(stage, execution.id, recorded(execution, record(1)))
    assert [line.name for line in stage.b.records(id)] == ["charge"]


def test_r6_with_it_the_work_is_not_given_away_meanwhile(stage: PostgresStage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    assert not late_record_lands(stage, id, recorded(execution, record(1)))


def late_record_lands(stage: PostgresStage, id: str, item: ExecutionCommit) -> bool:
    """Whether the node could be buried while its insert stood in front of another transaction's uncommitted record."""
    blocker = stage.connect()
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


def test_r8_marking_and_returning_at_once_would_miss_a_claim_under_way(stage: PostgresStage) -> None:
    (id,) = stage.submit()
    both_at_once = """
        with dead as (update hydra_node set state = 'dead' where id = %s returning id)
        update hydra_execution as e set status = 'pending', owner = null from dead where e.owner = dead.id
    """
    with stage.a.transaction():
        stage.claim_a()
        done = stage.in_thread(stage.connect(autocommit=True).execute, both_at_once, [stage.node_a.id])
        stage.until_blocked()
    assert done.result().rowcount == 0  # missed
    assert stage.b.return_executions(NOW, 10) == 1
    assert [execution.id for execution in stage.claim_b()] == [id]


def test_r9_a_database_whose_share_locks_do_not_block_is_refused(
    stage: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.replace(monkeypatch, "probe_share", "for share")
    with pytest.raises(StoreUnavailable, match="a dead node could still write"):
        stage.a.open()
