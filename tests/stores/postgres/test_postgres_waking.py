"""Waking: coalesced notifications behind the commit, heard by those they concern; polls where nothing is heard."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from hydra.execution import ExecutionCommit
from hydra.stores.postgres import PostgresStore, watch
from hydra.stores.postgres.news import DONE, READY, channel

from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import NOW, ended, node_info, submission


def hears(store: PostgresStore, seconds: float = 20) -> bool:
    """Within so long, whatever else is said."""
    return any(store.wait_for_change(0.25) for _ in range(int(seconds * 4)))


def notifications(raw: psycopg.Connection[object], kind: str, seconds: float) -> list[str]:
    heard = raw.notifies(timeout=seconds)
    return [each.payload for each in heard if each.channel == channel("default", kind)]


def test_a_node_hears_of_work_and_not_of_what_is_done(stage: PostgresStage) -> None:
    stage.a.wait_for_change(0)
    stage.submit()
    (execution,) = stage.claim_b()
    assert stage.b.commit(stage.node_b, [ended(execution, "completed")], NOW) == [True]
    assert not stage.a.wait_for_change(0.3)
    stage.b.submit([submission()], NOW)
    assert hears(stage.a)


def test_a_node_that_watched_before_it_registered_does_not_hear_of_what_is_done(
    stage: PostgresStage, open_store: Callable[..., PostgresStore]
) -> None:
    """Until then it does not know what it wants to hear."""
    node = open_store()
    node.wait_for_change(0)
    node.register_node(node_info(), NOW)
    hears(node, 1)
    stage.submit()
    (execution,) = stage.claim_b()
    hears(node, 1)
    assert stage.b.commit(stage.node_b, [ended(execution, "completed")], NOW) == [True]
    assert not node.wait_for_change(0.3)


def test_a_program_hears_that_something_ended(stage: PostgresStage, open_store: Callable[..., PostgresStore]) -> None:
    program = open_store()
    (id,) = stage.submit()
    program.outcomes([id])
    program.wait_for_change(0)
    (execution,) = stage.claim_a()
    assert stage.a.commit(stage.node_a, [ended(execution, "completed")], NOW) == [True]
    assert hears(program)


def test_ones_own_news_are_no_news(stage: PostgresStage) -> None:
    stage.a.wait_for_change(0)
    stage.submit()
    assert not stage.a.wait_for_change(0.5)


def test_a_transaction_that_is_rolled_back_is_no_news(stage: PostgresStage) -> None:
    stage.b.wait_for_change(0)
    with pytest.raises(KeyError), stage.a.transaction():
        stage.submit()
        raise KeyError
    assert not stage.b.wait_for_change(0.3)


def test_a_thousand_submissions_are_a_handful_of_notifications(stage: PostgresStage) -> None:
    stage.raw.execute(f"listen {channel('default', READY)}")
    for _ in range(1000):
        stage.submit()
    told = [int(payload) for payload in notifications(stage.raw, READY, 1.0)]
    assert sum(told) == 1000
    assert len(told) < 500


def test_no_notification_rides_in_a_writers_transaction(stage: PostgresStage) -> None:
    """It would hold a lock of the whole server until its commit is on disk."""
    stage.raw.execute(f"listen {channel('default', READY)}")
    with stage.a.transaction():
        stage.submit()
        assert notifications(stage.raw, READY, 0.2) == []
    assert notifications(stage.raw, READY, 2.0) == ["1"]


def test_one_submission_does_not_wake_fifty_nodes(stage: PostgresStage) -> None:
    """Fifty watchers hear it; about three feel called, and the others' polls are near."""
    stage.a.wait_for_change(0)
    listener = stage.a._watch
    listener.node_count = 50
    called = sum(listener._concerns(psycopg.Notify(channel("default", READY), "1", 1)) for _ in range(5000))
    assert 200 < called < 700
    assert all(listener._concerns(psycopg.Notify(channel("default", READY), "50", 1)) for _ in range(100))
    listener.node_count = 3
    assert all(listener._concerns(psycopg.Notify(channel("default", READY), "1", 1)) for _ in range(100))


def test_a_watcher_knows_how_many_nodes_there_are(stage: PostgresStage) -> None:
    stage.a.register_node(node_info(), NOW)
    stage.a.mark_dead(stage.node_b.id, None, NOW)
    stage.a.nodes()
    assert stage.a._watch.node_count == 2


def test_a_lost_listener_polls_and_listens_again(stage: PostgresStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "RECONNECT_SECONDS", 0.5)
    stage.a.wait_for_change(0)
    assert stage.a._watch._connection is not None
    pid = stage.a._watch._connection.info.backend_pid
    stage.raw.execute("select pg_terminate_backend(%s, 5000)", [pid])
    stage.b.submit([submission()], NOW)
    assert hears(stage.a)
    while stage.a._watch._connection is None:
        stage.a.wait_for_change(0.25)
    assert stage.a._watch._connection.info.backend_pid != pid


def test_polling_notices_work_and_ends(postgres_url: str, open_store: Callable[..., PostgresStore]) -> None:
    node, program = (open_store(postgres_url + "&listen=off") for _ in range(2))
    reference = node.register_node(node_info(), NOW)
    node.wait_for_change(0)
    (mine,) = program.submit([submission()], NOW)
    assert hears(node)
    program.outcomes([mine.id])
    program.wait_for_change(0)
    (execution,) = node.claim(reference, ["bill"], 1, NOW)
    assert node.commit(reference, [ended(execution, "completed")], NOW) == [True]
    assert hears(program)


def test_all_threads_of_a_program_hear_it(stage: PostgresStage) -> None:
    heard: list[bool] = []
    ready = threading.Barrier(4)

    def listen() -> None:
        stage.b.wait_for_change(0)
        ready.wait()
        heard.append(hears(stage.b))

    threads = [threading.Thread(target=listen) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    stage.submit()
    for thread in threads:
        thread.join()
    assert heard == [True] * 3


def test_the_end_of_a_child_calls_a_node_for_its_parent(stage: PostgresStage) -> None:
    parent, child = stage.submit(2)
    (first, second) = stage.claim_a()
    stage.a.commit(stage.node_a, [ended(first, "waiting")], NOW)
    stage.raw.execute("insert into hydra_child values (%s, %s, %s)", [child, child, parent])
    stage.raw.execute("update hydra_execution set is_child = true where id = %s", [child])
    stage.raw.execute(f"listen {channel('default', READY)}")
    notifications(stage.raw, READY, 0.2)
    assert stage.a.commit(stage.node_a, [ExecutionCommit(second.id, second.epoch, [])], NOW) == [True]
    assert notifications(stage.raw, READY, 0.3) == []
    assert stage.a.commit(stage.node_a, [ended(second, "completed")], NOW) == [True]
    assert notifications(stage.raw, READY, 2.0) == ["1"]
    assert [execution.id for execution in stage.claim_b()] == [parent]


def test_channels_are_per_namespace() -> None:
    assert channel("default", READY) != channel("tenant", READY) != channel("tenant", DONE)
    assert len(channel("x" * 200, READY)) < 63
