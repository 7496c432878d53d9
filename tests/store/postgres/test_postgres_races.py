"""What is PostgreSQL's own where claims and cancels meet (R12, R14). The rest is in `test_store_collisions`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import psycopg
import pytest
from hydra.execution import Status
from hydra.stores.postgres import PostgresStore
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


def test_r28_a_database_that_defaults_to_a_longer_isolation_changes_nothing(
    open_store: Callable[..., PostgresStore], postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute(f"alter database \"{raw.info.dbname}\" set default_transaction_isolation = 'serializable'".encode())
        stage = PostgresStage(open_store(), open_store(), raw)
        stage.submit()
        with stage.b.transaction():
            stage.b.heartbeat_node(stage.node_b, NOW)  # fixes the snapshot of a longer isolation
            (execution,) = stage.claim_a()
            stage.a.commit(stage.node_a, [ended(execution, "released", record(1))], NOW)
            (claimed,) = stage.claim_b()
        assert [line.seq for line in claimed.records] == [1]
        stage.close()
