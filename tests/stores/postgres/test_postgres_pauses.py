"""A pause and a claim whose snapshot is older: the count in the node's row tells that one may be missing."""

from __future__ import annotations

import pytest
from hydra.stores.postgres import pausing
from hydra.stores.postgres.statements import statements

from tests.stores.postgres_stage import PostgresStage
from tests.stores.test_store_pauses import BILL


def claim_late(stage: PostgresStage) -> int:
    """Node b's claim has begun and waits for its node's row; the pause is committed and bars the row meanwhile."""
    stage.submit()
    values = {"namespace": stage.a.namespace, "node": stage.node_b.id}
    with stage.connect() as connection:
        connection.execute(statements()["bar_claims"], values)
        late = stage.in_thread(stage.claim_b)
        stage.until_blocked()
        stage.a._database.part(pausing.pause, BILL)
    return len(late.result())


def test_a_claim_that_began_before_a_pause_and_comes_after_it_takes_nothing(stage: PostgresStage) -> None:
    assert claim_late(stage) == 0
    assert stage.a.unpause(BILL.kind, BILL.name)
    assert len(stage.claim_b()) == 1


def test_without_the_count_it_would_take_what_is_paused(stage: PostgresStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.replace(monkeypatch, "claim", "and seen.pause_count = fence.pause_count")
    assert claim_late(stage) == 1
