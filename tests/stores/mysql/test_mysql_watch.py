"""Who waits for a change hears of it soon, whoever made it, and of nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hydra.stores.mysql import MysqlStore, watch

from tests.stores.mysql_stage import MysqlStage
from tests.stores.racing import NOW, ended, record, recorded, submission


def until_quiet(store: MysqlStore) -> None:
    while store.wait_for_change(0.0):
        pass


def test_a_commit_rings_for_who_waits_on_the_same_host(
    open_store: Callable[..., MysqlStore], stage: MysqlStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MIN_POLL_SECONDS", 1000.0)  # only the bell can tell
    monkeypatch.setattr(watch, "MAX_POLL_SECONDS", 1000.0)
    store, listening = open_store(), threading.Event()

    def listen() -> bool:
        until_quiet(store)
        listening.set()
        return store.wait_for_change(60)

    waiting = stage.in_thread(listen)
    listening.wait()
    stage.a.submit([submission()], NOW)
    assert waiting.result(30)


def test_a_node_hears_of_new_work_and_of_no_other_change(stage: MysqlStage) -> None:
    until_quiet(stage.b)
    stage.submit()
    assert stage.b.wait_for_change(20)
    (execution,) = stage.claim_a()
    stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
    stage.a.commit(stage.node_a, [ended(execution, "completed", record(2))], NOW)
    assert not stage.b.wait_for_change(0.0)
    stage.submit()
    (execution,) = stage.claim_a()
    until_quiet(stage.b)
    stage.a.commit(stage.node_a, [ended(execution, "released")], NOW)
    assert stage.b.wait_for_change(20)


def test_a_node_hears_of_what_has_limits_though_it_is_not_ready_before_somebody_looks(stage: MysqlStage) -> None:
    until_quiet(stage.b)
    stage.a.submit([submission(limit_keys=("concurrency:four:acme",))], NOW)
    assert stage.b.wait_for_change(20)
    stage.a.submit([submission(limit_keys=("concurrency:four:acme",))], NOW)
    assert stage.b.wait_for_change(20), "nor though another call was there before"


def test_who_waits_for_results_hears_of_outcomes(open_store: Callable[..., MysqlStore], stage: MysqlStage) -> None:
    program = open_store()
    stage.submit()
    (execution,) = stage.claim_a()
    until_quiet(program)
    stage.a.commit(stage.node_a, [ended(execution, "completed")], NOW)
    assert program.wait_for_change(20)
