"""Async bodies and steps: the same promises, on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import Any

import pytest
from hydra import aio
from hydra.context import current, gather, idempotency_key, now, sleep, uuid4
from hydra.errors import HydraError, Interrupt, StepTimeout
from hydra.execution import Ending
from hydra.retry import Backoff
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor


def test_g3_killed_at_any_record_an_async_body_repeats_no_recorded_step() -> None:
    effects: Counter[str] = Counter()

    @step(max_attempts=2, backoff=Backoff(initial=5.0))
    async def fetch(number: int) -> int:
        effects[f"fetch {number} {idempotency_key()}"] += 1
        await asyncio.sleep(0)
        if number == 2 and current().attempt == 1:
            raise ConnectionError("again")
        return number * 10

    @step
    def add(numbers: list[int]) -> int:
        effects[f"add {idempotency_key()}"] += 1
        return sum(numbers)

    async def branch(number: int) -> int:
        first = await fetch(number)
        return first + await fetch(number + 10)

    @workflow
    async def collect(count: int) -> tuple[int, bool]:
        seen = [now(), uuid4(), now(key="start")]
        numbers = await asyncio.gather(*(fetch(number) for number in range(count)))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(branch(number)) for number in (100, 200)]
        await aio.sleep(3600)
        total = await aio.call(add.bind([*numbers, *(task.result() for task in tasks)]))
        return total, seen[2] == now(key="start")

    whole = Supervisor()
    expected = whole.submit(collect.bind(3))
    whole.finish()
    assert expected.result() == (30 + 1000 + 1100 + 2000 + 2100, True)
    record_count = len(expected.records)
    for crash_after in range(record_count + 1):
        effects.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(collect.bind(3))
        supervisor.finish(crash_after=crash_after)
        assert execution.result() == expected.result()
        assert len(execution.records) == record_count
        assert max(effects.values()) <= 3
        assert len(effects) == 3 + 4 + 1


def test_steps_of_an_async_body_run_at_the_same_time(supervisor: Supervisor) -> None:
    meeting: list[asyncio.Barrier] = []

    @step
    async def meet() -> None:
        if not meeting:
            meeting.append(asyncio.Barrier(3))
        await meeting[0].wait()

    @workflow
    async def together() -> None:
        await asyncio.gather(meet(), meet(), meet())

    execution = supervisor.submit(together.bind())
    supervisor.run()
    assert execution.end.kind == Ending.COMPLETED


def test_an_async_step_past_its_timeout_is_cancelled(supervisor: Supervisor) -> None:
    @step(timeout=0.02)
    async def hang() -> None:
        await asyncio.sleep(3600)

    @workflow
    async def impatient() -> str:
        try:
            await hang()
        except StepTimeout as error:
            return str(error)
        return "no time-out"

    execution = supervisor.submit(impatient.bind())
    supervisor.run()
    assert execution.result() == "step `hang` ran longer than 0.02 s"


def test_an_async_step_in_a_sync_body_goes_through_gather(supervisor: Supervisor) -> None:
    @step
    async def fetch(number: int) -> int:
        return number

    @workflow
    def sync_body() -> tuple[int, ...]:
        with pytest.raises(HydraError, match=r"async workflow, or through `hydra.gather` or `hydra.wait_first`"):
            fetch(1)
        return gather(fetch.bind(1), fetch.bind(2))

    execution = supervisor.submit(sync_body.bind())
    supervisor.run()
    assert execution.result() == (1, 2)


def test_what_would_block_the_loop_says_what_to_use_instead(supervisor: Supervisor) -> None:
    @step
    def plain() -> None: ...

    @workflow
    async def wrong() -> list[str]:
        messages = []
        for call in (plain, lambda: sleep(1), lambda: gather(plain.bind())):
            with pytest.raises(HydraError) as caught:
                call()
            messages.append(str(caught.value))
        return messages

    execution = supervisor.submit(wrong.bind())
    supervisor.run()
    assert [("hydra.aio" in text or "asyncio.gather" in text) for text in execution.result()] == [True] * 3


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_suspended_async_body_is_closed_where_it_stands(supervisor: Supervisor, stubborn: bool) -> None:
    seen: list[str] = []

    @step
    async def after() -> None:
        seen.append("a step of a finally block ran")

    @workflow
    async def napping() -> str:
        try:
            await aio.sleep(3600)
        except BaseException as error:
            seen.append(type(error).__name__)
            while stubborn:
                try:
                    await after()
                except Interrupt:
                    seen.append("Interrupt")
            raise
        return "woke"

    execution = supervisor.submit(napping.bind())
    supervisor.run()
    assert execution.end.kind == Ending.SLEEPING
    assert seen[0] == "GeneratorExit"
    assert "a step of a finally block ran" not in seen
    supervisor.finish()
    assert execution.result() == "woke"


def test_systemexit_in_an_async_step_or_body_ends_neither_loop_nor_worker(supervisor: Supervisor) -> None:
    @step
    async def leave() -> None:
        raise SystemExit(3)

    @workflow
    async def leaving() -> None:
        await leave()

    @workflow
    async def leaving_itself() -> None:
        raise SystemExit(4)

    first = supervisor.submit(leaving.bind())
    second = supervisor.submit(leaving_itself.bind())
    supervisor.run()
    assert isinstance(first.error(), SystemExit)
    assert isinstance(second.error(), SystemExit)


def test_a_cancelled_async_execution_keeps_what_its_steps_did(supervisor: Supervisor) -> None:
    @step
    async def slow() -> int:
        supervisor.halt(execution, "cancelled")
        with contextlib.suppress(asyncio.CancelledError):  # how it is asked to stop
            while not execution_is_stopping():
                await asyncio.sleep(0)
        return 1

    def execution_is_stopping() -> bool:
        return any(each.stopping for each in supervisor.hub._executions.values())

    @workflow
    async def long() -> int:
        value = await slow()
        return value + await slow()

    execution = supervisor.submit(long.bind())
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert execution.kinds() == ["step"]


def test_the_hub_thread_has_no_running_event_loop(supervisor: Supervisor) -> None:
    @step(inline=True)
    def own_loop() -> int:
        async def three() -> int:
            return 3

        return asyncio.run(three())

    @workflow
    def both() -> int:
        return own_loop()

    execution = supervisor.submit(both.bind())
    supervisor.run()
    assert execution.result() == 3


def test_many_async_executions_share_the_loop(supervisor: Supervisor) -> None:
    @step
    async def double(number: int) -> int:
        return number * 2

    @workflow
    async def twice(number: int) -> int:
        return await double(await double(number))

    executions: list[Any] = [supervisor.submit(twice.bind(number)) for number in range(1_000)]
    started_at = time.perf_counter()
    supervisor.run()
    print(f"{2_000 / (time.perf_counter() - started_at):.0f} async steps/s")
    assert [execution.result() for execution in executions] == [number * 4 for number in range(1_000)]
