"""How many executions are final, added up from differences: exact, and never a row that two nodes both write."""

from __future__ import annotations

from hydra.stores.postgres import node_verbs

from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import NOW, ended


def finish(stage: PostgresStage, count: int) -> None:
    """One transaction each."""
    stage.submit(count)
    for execution in stage.claim_a(count):
        assert stage.a.commit(stage.node_a, [ended(execution, "completed")], NOW) == [True]


def difference_count(stage: PostgresStage) -> int:
    row = stage.raw.execute("select count(*) from hydra_count").fetchone()
    assert row is not None
    return int(row[0])


def test_heartbeats_add_the_differences_up(stage: PostgresStage) -> None:
    finish(stage, 5)
    assert difference_count(stage) == 5
    for _ in range(node_verbs.FOLD_BEATS):
        stage.a.heartbeat_node(stage.node_a, NOW)
    assert difference_count(stage) == 1
    assert stage.a.stats(NOW).counts == {"bill": {"completed": 5}}
    assert stage.a.audit() == []


def test_two_nodes_finish_without_waiting_for_each_other(stage: PostgresStage) -> None:
    stage.submit(2)
    (mine,), (theirs,) = stage.claim_a(1), stage.claim_b(1)
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(mine, "completed")], NOW)
        assert stage.b.commit(stage.node_b, [ended(theirs, "completed")], NOW) == [True]
    assert stage.a.stats(NOW).counts == {"bill": {"completed": 2}}


def test_two_that_add_up_at_once_lose_nothing(stage: PostgresStage) -> None:
    finish(stage, 3)
    fold = ("fold_counts", {"namespace": "default", "limit": 100})
    with stage.a.transaction():
        stage.a._database.send(fold)
        stage.b._database.send(fold)
    assert stage.a.stats(NOW).counts == {"bill": {"completed": 3}}
    assert stage.a.audit() == []
