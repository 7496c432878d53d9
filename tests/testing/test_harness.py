"""`hydra.testing.Harness`: the real engine in the test's own thread, under a clock the test moves."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import hydra
import pytest
from hydra.testing import Harness, step_context


def test_bodies_and_steps_run_in_the_tests_own_thread(harness: Harness) -> None:
    @hydra.step
    def where() -> int:
        return threading.get_ident()

    @hydra.workflow
    def flow() -> list[int]:
        return [threading.get_ident(), where(), *hydra.gather(where.bind(), where.bind())]

    assert set(harness.submit(flow.bind()).result()) == {threading.get_ident()}


def test_nothing_happens_before_the_test_lets_it(harness: Harness) -> None:
    @hydra.workflow
    def flow() -> str:
        return "done"

    handle = harness.submit(flow.bind())
    assert handle.status() == "pending"
    harness.run_until_idle()
    assert handle.status() == "completed"
    again = harness.submit(flow.bind())
    harness.run_until_idle()
    assert again.status() == "completed"


def test_a_sleep_of_months_ends_when_the_clock_gets_there_and_not_before(harness: Harness) -> None:
    @hydra.workflow
    def flow() -> datetime:
        hydra.sleep(timedelta(days=90))
        return hydra.now()

    started_at = harness.clock.now_datetime()
    handle = harness.submit(flow.bind())
    harness.advance(timedelta(days=90) - timedelta(microseconds=1))
    assert handle.status() == "sleeping"
    with pytest.raises(hydra.ResultTimeout, match="advance the clock"):
        handle.result()
    harness.advance(timedelta(microseconds=1))
    assert handle.result() == started_at + timedelta(days=90)


def test_a_result_with_a_time_out_is_there_at_once_or_not_at_all(harness: Harness) -> None:
    @hydra.workflow
    def flow(seconds: float) -> str:
        hydra.sleep(seconds)
        return "done"

    assert harness.submit(flow.bind(0)).result(timeout=10) == "done"
    with pytest.raises(hydra.ResultTimeout, match="advance the clock"):
        harness.submit(flow.bind(3600)).result(timeout=timedelta(minutes=1))


def test_retries_delays_short_sleeps_and_time_outs_follow_the_clock(harness: Harness) -> None:
    tried_at = []

    @hydra.step(max_attempts=4, backoff=hydra.Backoff(initial=0.5, factor=60.0, maximum=1800.0, jitter=0.0))
    def flaky() -> int:
        tried_at.append(harness.clock.now_datetime())
        if len(tried_at) < 4:
            raise ConnectionError("not yet")
        return len(tried_at)

    @hydra.workflow
    def flow() -> int:
        hydra.sleep(0.25)
        return flaky()

    @hydra.workflow(timeout=timedelta(hours=5))
    def endless() -> None:
        hydra.sleep(timedelta(days=2))

    start = harness.clock.now_datetime()
    handle = harness.submit(flow.bind(), delay=timedelta(hours=3))
    late = harness.submit(endless.bind())
    harness.advance(timedelta(hours=4, minutes=59))
    first = start + timedelta(hours=3, seconds=0.25)
    assert tried_at == [
        first, first + timedelta(seconds=0.5), first + timedelta(seconds=30.5), first + timedelta(seconds=1830.5)
    ]  # fmt: skip
    assert handle.result() == 4
    assert late.status() == "sleeping"
    harness.advance(timedelta(minutes=1))
    with pytest.raises(hydra.WorkflowFailed, match="timeout"):
        late.result()


def test_async_bodies_and_steps_are_waited_for(harness: Harness) -> None:
    @hydra.step
    async def double(n: int) -> int:
        import asyncio

        await asyncio.sleep(0.01)
        return 2 * n

    @hydra.workflow
    async def flow() -> int:
        first = await double(1)
        await hydra.aio.sleep(timedelta(days=30))
        return await double(first)

    handle = harness.submit(flow.bind())
    harness.advance(timedelta(days=30))
    assert handle.result() == 4


def test_a_signal_and_a_cancel_arrive(harness: Harness) -> None:
    @hydra.workflow
    def waits() -> str:
        return hydra.wait_event("go", type=str)

    told, ended = harness.submit(waits.bind()), harness.submit(waits.bind())
    harness.run_until_idle()
    told.signal("go", "yes")
    ended.cancel()
    assert told.result() == "yes"
    with pytest.raises(hydra.WorkflowCancelled):
        ended.result()


def test_the_clock_does_not_go_back(harness: Harness) -> None:
    with pytest.raises(hydra.ConfigError, match="cannot go back"):
        harness.advance(datetime(2000, 1, 1, tzinfo=UTC))


def test_a_step_can_be_tested_alone() -> None:
    @hydra.step
    def charge(amount: int) -> tuple[int, str, str, int]:
        return amount, hydra.idempotency_key(), hydra.idempotency_key("refund"), hydra.current().attempt

    with step_context(key="inv-1", attempt=2):
        assert charge(5) == (5, "inv-1", "inv-1-refund", 2)
    with pytest.raises(hydra.HydraError, match="step_context"):
        charge(5)


def test_g6_a_transaction_commits_with_its_record(harness: Harness) -> None:
    @hydra.transaction
    def post(connection: sqlite3.Connection, amount: int) -> int:
        connection.execute("create table if not exists ledger (amount integer)")
        connection.execute("insert into ledger values (?)", (amount,))
        return amount

    @hydra.workflow
    def bill() -> int:
        return sum(hydra.gather(post.bind(1), post.bind(2))) + post(3)

    assert harness.submit(bill.bind()).result() == 6
    with closing(sqlite3.connect(harness.url.removeprefix("sqlite:///"))) as ledger:
        assert sorted(ledger.execute("select amount from ledger")) == [(1,), (2,), (3,)]


def test_a_step_that_takes_longer_than_its_time_out_gets_it_and_is_tried_again(harness: Harness) -> None:
    tried_at = []

    @hydra.step(
        timeout=30.0, max_attempts=3, backoff=hydra.Backoff(initial=60.0, factor=2.0, maximum=600.0, jitter=0.0)
    )
    def slow() -> str:
        tried_at.append(harness.clock.now_datetime())
        harness.clock.sleep(29.0 if len(tried_at) == 3 else timedelta(minutes=5))
        return "in time"

    @hydra.workflow
    def flow() -> str:
        return slow()

    handle = harness.submit(flow.bind())
    assert harness.run_until_done(handle) == "in time"
    first, second, third = tried_at
    assert second - first == timedelta(minutes=6)
    assert third - second == timedelta(minutes=7)


def test_a_step_that_never_ends_in_time_fails_with_its_time_out(harness: Harness) -> None:
    @hydra.step(timeout=1.0, max_attempts=1)
    def late() -> None:
        harness.clock.sleep(2.0)
        raise AssertionError("it went on past its time-out")

    @hydra.workflow
    def flow() -> None:
        late()

    with pytest.raises(hydra.WorkflowFailed, match="StepTimeout: step `late`"):
        harness.submit(flow.bind()).result()


def test_a_step_that_says_nothing_for_its_heartbeat_time_out_is_ended(harness: Harness) -> None:
    said = []

    @hydra.step(heartbeat_timeout=10.0, max_attempts=1)
    def telling(count: int) -> None:
        for place in range(count):
            harness.clock.sleep(9.0)
            said.append(place)
            hydra.heartbeat(place)
        harness.clock.sleep(11.0)
        raise AssertionError("it went on in silence")

    @hydra.workflow
    def flow() -> None:
        telling(3)

    with pytest.raises(hydra.WorkflowFailed, match="StepTimeout: step `telling`"):
        harness.submit(flow.bind()).result()
    assert said == [0, 1, 2]


def test_a_step_that_catches_its_time_out_ends_as_it_likes(harness: Harness) -> None:
    @hydra.step(timeout=1.0)
    def stubborn() -> str:
        for _ in range(3):
            try:
                harness.clock.sleep(2.0)
            except hydra.StepTimeout:
                continue
        return "after all"

    @hydra.workflow
    def flow() -> str:
        return stubborn()

    assert harness.submit(flow.bind()).result() == "after all"


def test_an_async_step_that_moves_the_clock_past_its_time_out_is_cancelled(harness: Harness) -> None:
    @hydra.step(timeout=1.0, max_attempts=1)
    async def late() -> None:
        harness.clock.sleep(2.0)
        await asyncio.sleep(3600)

    @hydra.workflow
    async def flow() -> None:
        await late()

    with pytest.raises(hydra.WorkflowFailed, match="StepTimeout: step `late`"):
        harness.submit(flow.bind()).result()


def test_a_clock_that_the_test_moves_interrupts_nothing(harness: Harness) -> None:
    @hydra.step(timeout=1.0)
    def quick() -> str:
        return "done"

    @hydra.workflow
    def flow() -> str:
        hydra.sleep(timedelta(days=1))
        return quick()

    handle = harness.submit(flow.bind())
    harness.advance(timedelta(days=2))
    assert handle.result() == "done"
