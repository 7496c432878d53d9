"""What becomes due at once and has limits is moved by one statement, which does what the trigger does for each row."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hydra.limits import LimitSpec
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import NOW, ended, submission

pytestmark = pytest.mark.fresh_database

LIMITS = [
    LimitSpec("by_turns", "tenant", 1),
    LimitSpec("concurrency", "card", 4),
    LimitSpec("rate", "psp", 100, per_us=1_000_000, burst=20),
]
KEYS = ("by_turns:tenant:a", "concurrency:card:a", "rate:psp:a")
AT = NOW + 100
BY_THE_TRIGGER = b"""
    update hydra_execution
    set status = 'pending', run_at = wake_at, wake_at = null
    where wake_at is not null and wake_at <= %s
"""
WRITTEN = (
    b"select to_jsonb(e) from hydra_execution as e order by e.id",
    b"select to_jsonb(s) from hydra_slot as s order by s.limit_key, s.execution_id",
    b"select distinct c.limit_key from hydra_gate_call as c order by c.limit_key",
)


def test_r29_what_is_due_at_once_waits_as_the_trigger_of_each_row_has_it(
    stage: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, node = stage.a, stage.node_a
    store.register_workflows(node, [WorkflowInfo("bill", b"{}", None, "code", limits=LIMITS)], NOW)
    for keys in (KEYS, KEYS[1:], KEYS[2:]):
        store.submit([submission(limit_keys=keys, priority=n) for n in range(2)], NOW)
    for round in range(1, 4):
        store.promote(NOW + round, 100)
    claimed = store.claim(node, ["bill"], 10, NOW + 4)
    assert len(claimed) == 6, "they hold slots of each kind"
    store.commit(node, [ended(each, "sleeping", wake_at=AT - n, payload=b"") for n, each in enumerate(claimed)], NOW)
    store.submit([submission(limit_keys=KEYS, run_at=AT), submission(run_at=AT), submission(run_at=AT + 1)], NOW)
    turned, damaged = (submission(limit_keys=KEYS, run_at=AT, priority=3) for _ in range(2))
    store.submit([turned, damaged], NOW)
    turn = "update hydra_execution set priority = 0, own_priority = 3, own_run_at = 1 where id = %s"
    stage.raw.execute(turn, [turned.id])
    stage.raw.execute("update hydra_execution set gate = %s where id = %s", [KEYS[1], damaged.id])
    stage.raw.execute("update hydra_submission set limit_keys = '[7]' where execution_id = %s", [damaged.id])
    stage.raw.execute("delete from hydra_gate_call")
    with stage.raw.transaction(force_rollback=True):
        stage.raw.execute(BY_THE_TRIGGER, [AT])
        by_the_trigger = written(stage.raw)
    assert len(by_the_trigger[1]) > 6 and len(by_the_trigger[2]) == 3

    monkeypatch.setattr("hydra.stores.postgres.timers.admit_called", lambda *_: 0)  # a look is another matter
    store.promote(AT, 100)
    assert written(stage.raw) == by_the_trigger


def written(connection: psycopg.Connection[Any]) -> list[list[tuple[Any, ...]]]:
    return [connection.execute(statement).fetchall() for statement in WRITTEN]
