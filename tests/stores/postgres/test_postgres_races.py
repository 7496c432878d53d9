"""What is PostgreSQL's own where claims and cancels meet (R12, R14). The rest is in `test_store_collisions`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import psycopg
import pytest
from hydra.execution import Status
from hydra.stores.filter import Filter
from hydra.stores.postgres import PostgresStore
from hydra.stores.postgres.session import Result, Step

from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import NOW, ended, record, recorded, spawning


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


def test_r14_a_cancel_that_met_a_spawn_ends_the_child_too(
    stage: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancel has looked for children, and does not have the parent's row yet."""
    (id,) = stage.submit()
    (parent,) = stage.claim_a()
    send = stage.b._database.send

    def send_late(*steps: Step) -> list[Result]:
        if steps[0][0] == "request_cancel" and stage.status(id) is Status.RUNNING:
            stage.a.commit(stage.node_a, [ended(parent, "waiting", spawning(1))], NOW)
        return send(*steps)

    monkeypatch.setattr(stage.b._database, "send", send_late)
    assert stage.b.request_cancel([id], NOW) == [Status.CANCELLED]
    assert [each.status for each in stage.a.list(Filter())] == [Status.CANCELLED] * 2
    assert stage.a.audit() == []


def test_r14_a_parent_retried_while_its_child_is_ending_hears_of_it(stage: PostgresStage) -> None:
    """The statement that ends the child has begun and waits for the row of another end, which comes first; the retry
    comes and goes meanwhile, whole: what it links, that statement does not see."""
    (parent_id,) = stage.submit()
    (parent,) = stage.claim_a()
    stage.a.commit(stage.node_a, [ended(parent, "failed", spawning(1), payload=b"why")], NOW)
    (child,) = stage.claim_a()
    stage.a.commit(stage.node_a, [ended(child, "failed", payload=b"why")], NOW)  # nobody waits for its next end
    stage.a.retry([child.id], NOW)
    (child,) = stage.claim_a()
    with stage.holding_node(stage.node_a):
        late = stage.in_thread(stage.a.commit, stage.node_a, [ended(child, "completed", payload=b"done")], NOW)
        stage.until_blocked()
        assert stage.b.retry([parent_id], NOW) == [Status.FAILED]
    assert late.result() == [True]
    (again,) = stage.claim_b()
    stage.b.commit(stage.node_b, [ended(again, "waiting", wake_seq=again.wake_seq)], NOW)
    stage.b.heartbeat_node(stage.node_b, NOW)
    assert [each.id for each in stage.claim_b()] == [parent_id]
    assert stage.a.audit() == []


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
