"""A node's store with a clock beside it: the same answers, and what they say in numbers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hydra.cron import Cron
from hydra.errors import StoreUnavailable
from hydra.node import queue_watch
from hydra.node.measured_store import TIMED, MeasuredStore
from hydra.node.schedule_ticker import Ticker
from hydra.observability.metrics import Metrics
from hydra.stores.stats import Stats
from hydra.stores.store import Store

from tests.processes.scene import until
from tests.stores.store_values import NOW, SECOND, claim, end, register, submission
from tests.stores.test_store_ticker import MINUTE, START, app, ticks


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("default")


@pytest.fixture
def measured(store: Store, metrics: Metrics) -> Store:
    return MeasuredStore(store, metrics).as_store()


def test_every_verb_of_a_node_answers_as_before_and_is_timed(store: Store, measured: Store, metrics: Metrics) -> None:
    assert all(callable(getattr(store, verb)) for verb in TIMED)
    node = register(measured)
    measured.submit([submission()], NOW)
    with measured.transaction():
        (claimed,) = claim(measured, node)
    end(measured, node, claimed, "completed")
    assert measured.stats(NOW).counts == store.stats(NOW).counts
    assert (measured.url, measured.namespace, measured.path) == (store.url, store.namespace, store.path)
    measured.write_wait_seconds = 3.0
    assert store.write_wait_seconds == 3.0
    counts = {operation: sum(buckets.counts) for (operation,), buckets in metrics.store_operations.values.items()}
    assert counts == {"register_node": 1, "transaction": 1, "claim": 1, "commit": 1, "stats": 1}
    assert sum(metrics.store_errors.values.values()) == 0
    assert measured.audit() == []


def test_a_call_that_gets_no_answer_is_an_error_and_no_duration(store: Store, metrics: Metrics) -> None:
    class Silent:
        def __getattr__(self, name: str) -> Callable[..., object]:
            return getattr(store, name)  # type: ignore[no-any-return]

        def stats(self, now: int) -> object:
            raise StoreUnavailable("the database does not answer")

    measured = MeasuredStore(Silent(), metrics)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        measured.as_store().stats(NOW)
    assert metrics.store_errors.values[("stats",)] == 1
    assert ("stats",) not in metrics.store_operations.values
    assert measured.answered_at_ns == 0


def test_a_timer_that_is_late_says_by_how_much(measured: Store, metrics: Metrics) -> None:
    measured.submit([submission(run_at=NOW + SECOND)], NOW)
    assert measured.next_due_at() == NOW + SECOND
    assert measured.promote(NOW + 4 * SECOND, 10) == 1
    assert metrics.timer_lag.values[()].sum == 3.0


def test_a_schedule_counts_what_it_fired_and_what_it_passed_over(
    store: Store, measured: Store, metrics: Metrics
) -> None:
    """Of five ticks that nobody fired in time, `last` fires one; another node that comes later counts nothing."""
    node = register(measured)
    workflows = app(Cron("* * * * *", catch_up="last", overlap="allow"))
    name = workflows[0].name
    ticker = Ticker(measured)
    ticker.register(node, workflows, START)
    assert metrics.schedules_fired.values == metrics.schedules_missed.values == {(name,): 0}
    assert ticker.look(node, START + 5 * MINUTE) == 1
    assert metrics.schedules_fired.values == metrics.executions_submitted.values == {(name,): 1}
    assert metrics.schedules_missed.values == {(name,): store.schedules()[0].progress.skipped_count}
    assert metrics.schedules_missed.values == {(name,): 4}
    ticker.look_soon()
    assert ticker.look(node, START + 5 * MINUTE) == 0
    assert metrics.schedules_fired.values == {(name,): len(ticks(store))}


def test_what_runs_out_of_time_with_no_worker_is_an_end_of_the_node_that_finds_it(store: Store) -> None:
    metrics = Metrics("default", ["run"])
    measured = MeasuredStore(store, metrics).as_store()
    late = submission(timeout_us=SECOND, run_at=NOW + SECOND, tags={"run": "nightly"})
    measured.submit([late], NOW)
    failed: list[str] = []
    assert measured.promote(NOW + 60 * SECOND, 10, failed=failed) >= 1
    assert failed == [late.id]
    assert metrics.executions_finished.values == {(late.workflow, "failed", "nightly"): 1}


def test_a_store_knows_how_many_connections_it_has_open(store: Store) -> None:
    store.submit([submission()], NOW)
    store.stats(NOW)
    assert store.connection_count >= 2
    store.close()
    until(lambda: store.connection_count == 0)  # PostgreSQL's announcer has a thread, which closes its own


def test_what_is_given_back_of_a_dead_node_is_taken_over(measured: Store, metrics: Metrics) -> None:
    node = register(measured)
    measured.submit([submission(), submission()], NOW)
    claim(measured, node)
    measured.mark_dead(node.id, None, NOW)
    while measured.return_executions(NOW, 10):
        pass
    assert metrics.leases_taken_over.values == {(): 2}


def test_the_databases_clock_is_seen_beside_the_hosts(measured: Store, metrics: Metrics) -> None:
    measured.now()
    assert abs(metrics.clock_skew.values[()]) < 60


def test_a_count_that_takes_long_is_asked_for_a_tenth_of_the_time(
    store: Store, url: str, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(queue_watch, "time", clock)
    watch = queue_watch.QueueWatch(url, "default", metrics)

    class SlowStore(type(store)):  # type: ignore[misc]
        def stats(self, now: int) -> Stats:
            clock.now += 3
            return super().stats(now)

    watch._store.__class__ = SlowStore
    for wanted, seconds in ((1, 29.0), (1, 1.0), (2, 1.0), (2, 60.0)):
        watch.look()
        with watch._answered:
            assert watch._answered.wait_for(lambda wanted=wanted: watch._read_count == wanted, 30)
        clock.now += seconds
        assert metrics.queue_depth.values, "it is still known"
    watch.look()
    watch.close()
