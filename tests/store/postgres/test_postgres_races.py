"""What is PostgreSQL's own where claims and cancels meet (R12, R14). The rest is in `test_store_collisions`."""

from __future__ import annotations

import msgspec
import pytest
from hydra.execution import Status
from postgres_stage import PostgresStage
from racing import NOW, ended, record, recorded


def test_r12_read_by_the_claims_own_statement_a_record_would_be_missing(
    stage: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Node b's claim has begun and waits for its node's row while node a runs the execution and hands it back."""
    counted = "(select count(*)::text from hydra_record as r where r.execution_id = e.id)"
    stage.replace(monkeypatch, "claim", "s.key,", f"{counted},")
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
    assert (claimed.epoch, claimed.key) == (execution.epoch + 1, "0")


def test_r14_a_cancel_that_does_not_count_the_records_would_not_have_it_undone(
    stage: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.replace(monkeypatch, "request_cancel", "e.record_count <> (", "0 > (")
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    registered = msgspec.structs.replace(record(1, "hydra.on_failure"), kind="value")
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [ended(execution, "sleeping", registered, wake_at=NOW + 5)], NOW)
        cancelled = stage.in_thread(stage.b.request_cancel, [id], NOW)
        stage.until_blocked()
    assert cancelled.result() == [Status.CANCELLED]
