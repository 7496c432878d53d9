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
