"""An execution that has ended leaves nothing to the garbage collector: no part of it keeps another one alive."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import hydra
import pytest
from hydra import aio
from hydra.body.executor import Executor
from hydra.worker.run_queue import MAX_RESTING
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor

made: list[weakref.ref[Executor]] = []


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    made.clear()
    make = Executor.__init__

    def watch(self: Executor, *args: Any) -> None:
        make(self, *args)
        made.append(weakref.ref(self))

    monkeypatch.setattr(Executor, "__init__", watch)


def bodies() -> dict[str, Callable[..., Any]]:
    @step(inline=True)
    def quick(number: int) -> int:
        return number

    @step
    def threaded(number: int) -> int:
        return number

    @step(timeout=30.0)
    async def later(number: int) -> int:
        await asyncio.sleep(0)
        return number

    def several_steps() -> int:
        return quick(1) + threaded(2) + sum(hydra.gather(later.bind(3), quick.bind(4)))

    def waiting_for_long() -> None:
        hydra.sleep(3600)

    async def tasks_and_timers() -> int:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(later(number)) for number in range(3)]
        await asyncio.sleep(0.01)
        return sum(task.result() for task in tasks)

    async def waiting_for_an_event() -> None:
        await aio.wait_event("never", timeout=3600)

    found = (several_steps, waiting_for_long, tasks_and_timers, waiting_for_an_event)
    return {function.__name__: function for function in found}


@pytest.mark.parametrize("name", list(bodies()))
def test_what_has_ended_is_gone_without_a_collection(supervisor: Supervisor, name: str) -> None:
    """But for those in whose contexts a strand rests until it is given something else to do."""
    body = workflow(bodies()[name])
    for _ in range(4 * MAX_RESTING):
        supervisor.submit(body.bind())
    gc.collect()
    gc.disable()
    try:
        supervisor.run()
        left = [one for each in made if (one := each()) is not None]
        assert len(made) == 4 * MAX_RESTING
        assert len(left) <= MAX_RESTING, gc.get_referrers(left[0])
    finally:
        gc.enable()


def test_what_an_async_generator_awaits_ends_with_its_body_and_not_when_it_is_collected(supervisor: Supervisor) -> None:
    """Its `finally` block would call steps of whatever body goes on at that moment."""
    ended: list[str] = []

    @step
    def refunded() -> None:
        ended.append("a step")

    @workflow
    async def standing_in_a_generator() -> int:
        async def hold() -> None:
            try:
                await aio.sleep(3600)
            finally:
                ended.append(hydra.current().workflow)
                await aio.call(refunded.bind())

        async def count() -> AsyncIterator[int]:
            try:
                await hold()
                yield 1
            finally:
                ended.append("more of the generator")

        numbers = count()
        cycle: list[Any] = [numbers]
        cycle.append(cycle)
        async for number in numbers:
            return number
        return 0

    @workflow
    async def collecting() -> list[str]:
        gc.collect()
        return list(ended)

    gc.collect()
    gc.disable()
    try:
        supervisor.submit(standing_in_a_generator.bind())
        supervisor.run()
        # From Python 3.13 on, closing a task reaches its generators, whose own blocks end then, too.
        assert ended in (["standing_in_a_generator"], ["standing_in_a_generator", "more of the generator"])
        by_then = list(ended)
        other = supervisor.submit(collecting.bind())
        supervisor.run()
        assert other.result() == by_then
    finally:
        gc.enable()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_timer_that_is_cancelled_after_its_body_has_ended_says_nothing(supervisor: Supervisor) -> None:
    class Client:
        def __init__(self) -> None:
            self.timer = asyncio.get_running_loop().call_later(3600, print)

        def __del__(self) -> None:
            self.timer.cancel()

    clients: list[Client] = []

    @workflow
    async def leaving_a_timer() -> int:
        clients.append(Client())
        return 1

    execution = supervisor.submit(leaving_a_timer.bind())
    supervisor.run()
    assert execution.result() == 1
    del execution, supervisor.hub
    gc.collect()
    timer = clients[0].timer
    clients.clear()
    assert timer.cancelled()


def test_an_async_generator_that_dies_in_a_cycle_is_gone_after_a_collection_and_runs_no_code(
    supervisor: Supervisor,
) -> None:
    alive: list[weakref.ref[Any]] = []
    closed: list[int] = []

    @workflow
    async def breaking_off() -> int:
        async def count() -> AsyncIterator[int]:
            try:
                yield 1
                yield 2
            finally:
                closed.append(1)

        numbers = count()
        alive.append(weakref.ref(numbers))
        cycle: list[Any] = [numbers]
        cycle.append(cycle)
        async for number in numbers:
            return number
        return 0

    stored = supervisor.submit(breaking_off.bind())
    supervisor.run()
    del supervisor.hub
    gc.collect()
    assert stored.result() == 1
    assert [each() for each in alive] == [None]
    assert closed == []
