"""Steps that take their time on the harness's clock, while others go on: the test says which is first."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import hydra
import pytest
from hydra.testing import Harness


def test_async_steps_end_in_the_order_of_the_clock(harness: Harness) -> None:
    ended: list[tuple[float, float]] = []
    began_at = harness.clock.now()

    @hydra.step
    async def quote(seconds: float) -> float:
        await harness.clock.wait_async(seconds)
        ended.append((seconds, (harness.clock.now() - began_at) / 1e6))
        return seconds

    @hydra.workflow
    async def flow() -> list[float]:
        return list(await asyncio.gather(quote(50.0), quote(10.0), quote(20.0)))

    assert harness.run_until_done(harness.submit(flow.bind())) == [50.0, 10.0, 20.0]
    assert ended == [(10.0, 10.0), (20.0, 20.0), (50.0, 50.0)]


def test_parallel_sync_steps_end_in_the_order_of_the_clock(harness: Harness) -> None:
    ended: list[tuple[float, float]] = []
    began_at = harness.clock.now()

    @hydra.step
    def quote(seconds: float) -> float:
        harness.clock.wait(seconds)
        ended.append((seconds, (harness.clock.now() - began_at) / 1e6))
        return seconds

    @hydra.workflow
    def flow() -> list[float]:
        return list(hydra.gather(quote.bind(50.0), quote.bind(10.0), quote.bind(20.0)))

    assert harness.run_until_done(harness.submit(flow.bind())) == [50.0, 10.0, 20.0]
    assert ended == [(10.0, 10.0), (20.0, 20.0), (50.0, 50.0)]


def test_a_step_that_waits_is_still_under_way_when_the_harness_is_idle(harness: Harness) -> None:
    @hydra.step
    async def slow() -> str:
        await harness.clock.wait_async(timedelta(hours=1))
        return "done"

    @hydra.workflow
    async def flow() -> str:
        return await slow()

    handle = harness.submit(flow.bind())
    harness.run_until_idle()
    assert handle.status() == "running"
    harness.advance(timedelta(minutes=59))
    assert handle.status() == "running"
    harness.advance(timedelta(minutes=1))
    assert handle.result() == "done"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_step_that_waits_beyond_its_time_out_gets_it_at_that_very_instant(harness: Harness, is_async: bool) -> None:
    ended_at: list[float] = []
    began_at = harness.clock.now()

    def note() -> None:
        ended_at.append((harness.clock.now() - began_at) / 1e6)

    @hydra.step(timeout=30.0, max_attempts=1)
    def late() -> None:
        try:
            harness.clock.wait(timedelta(hours=1))
        finally:
            note()

    @hydra.step(timeout=30.0, max_attempts=1)
    async def late_async() -> None:
        try:
            await harness.clock.wait_async(timedelta(hours=1))
        finally:
            note()

    @hydra.workflow
    def flow() -> None:
        late()

    @hydra.workflow
    async def flow_async() -> None:
        await late_async()

    handle = harness.submit(flow_async.bind() if is_async else flow.bind())
    with pytest.raises(hydra.WorkflowFailed, match="StepTimeout"):
        harness.run_until_done(handle)
    assert ended_at == [30.0]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_step_that_waited_when_its_node_was_lost_runs_again_from_its_start(harness: Harness, is_async: bool) -> None:
    waited: list[str] = []

    @hydra.step
    def slow() -> None:
        waited.append("begun")
        harness.clock.wait(60.0)
        waited.append("ended")

    @hydra.step
    async def slow_async() -> None:
        waited.append("begun")
        await harness.clock.wait_async(60.0)
        waited.append("ended")

    @hydra.workflow
    def flow() -> None:
        slow()

    @hydra.workflow
    async def flow_async() -> None:
        await slow_async()

    handle = harness.submit(flow_async.bind() if is_async else flow.bind())
    harness.advance(30.0)
    harness.crash()
    harness.run_until_done(handle)
    assert waited == ["begun", "begun", "ended"]


def test_waiting_belongs_in_a_step_of_its_kind(harness: Harness) -> None:
    @hydra.step(inline=True)
    def quick() -> None:
        harness.clock.wait(1.0)

    @hydra.workflow
    def flow() -> None:
        quick()

    with pytest.raises(hydra.WorkflowFailed, match=r"`clock\.wait` belongs in a step that is neither async"):
        harness.submit(flow.bind()).result()
    with pytest.raises(hydra.HydraError, match=r"`clock\.wait` belongs in a step"):
        harness.clock.wait(1.0)


def test_a_cancelled_step_that_waits_is_ended_after_its_grace(harness: Harness) -> None:
    ended: list[str] = []

    @hydra.step(cancel_grace=10.0)
    def slow() -> None:
        try:
            harness.clock.wait(timedelta(hours=1))
        except hydra.StepTimeout:
            ended.append("after its grace")
            raise

    @hydra.workflow
    def flow() -> None:
        slow()

    handle = harness.submit(flow.bind())
    harness.run_until_idle()
    handle.cancel()
    harness.advance(11.0)
    assert ended == ["after its grace"]
    assert handle.status() == "cancelled"
