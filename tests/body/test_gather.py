"""Parallel steps: how many at once, results in order, what a failure does to the others, gathers inside gathers."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import hydra
import pytest
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor


@pytest.mark.parametrize("concurrency", [1, 4, 50, None])
def test_no_more_steps_run_at_once_than_asked_for_and_results_come_in_order(
    concurrency: int | None, supervisor: Supervisor
) -> None:
    lock = threading.Lock()
    running = most = 0

    @step
    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.001 * (number % 3))
        with lock:
            running -= 1
        return number

    @workflow
    def flow() -> tuple[int, ...]:
        return hydra.gather(*(work.bind(number) for number in range(20)), concurrency=concurrency)

    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert tuple(execution.result()) == tuple(range(20))
    assert most <= (concurrency or 20)
    if concurrency == 1:
        assert [record.branch for record in execution.records] == [f"/0.{number}" for number in range(20)]


def test_g3_twenty_parallel_steps_killed_at_any_record_keep_their_results_apart() -> None:
    runs: Counter[int] = Counter()

    @step
    def work(number: int) -> int:
        runs[number] += 1
        return number * number

    @workflow
    def flow() -> tuple[int, ...]:
        return hydra.gather(*(work.bind(number) for number in range(20)), concurrency=5)

    for crash_after in range(0, 21, 4):
        runs.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(flow.bind())
        supervisor.finish(crash_after=crash_after)
        assert tuple(execution.result()) == tuple(number * number for number in range(20))
        assert len(execution.records) == 20


def test_the_first_failure_in_order_is_raised_when_all_have_run(supervisor: Supervisor) -> None:
    ran: list[int] = []

    @step(inline=True)
    def work(number: int) -> int:
        ran.append(number)
        if number in (1, 3):
            raise ValueError(f"no {number}")
        return number

    @workflow
    def flow() -> str:
        try:
            hydra.gather(*(work.bind(number) for number in (3, 1, 2)), concurrency=1)
        except ValueError as error:
            return str(error)
        return "none"

    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert execution.result() == "no 3"
    assert ran == [3, 1, 2]


def test_gathers_nest_in_async_bodies_and_replay_alike() -> None:
    runs: Counter[tuple[int, int]] = Counter()

    @step
    async def fetch(row: int, column: int) -> int:
        runs[row, column] += 1
        await asyncio.sleep(0)
        return row * 10 + column

    @step(inline=True)
    def plain(number: int) -> int:
        return number

    async def row(number: int) -> int:
        cells = await asyncio.gather(*(fetch(number, column) for column in range(3)))
        more = await hydra.aio.gather(fetch.bind(number, 3), plain.bind(number), concurrency=1)
        return sum(cells) + sum(more)

    @workflow
    async def flow() -> list[int]:
        return list(await asyncio.gather(*(row(number) for number in range(4))))

    expected = [sum(number * 10 + column for column in range(4)) + number for number in range(4)]
    for crash_after in (0, 3, 9, 15, 20):
        runs.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(flow.bind())
        supervisor.finish(crash_after=crash_after)
        assert execution.result() == expected
        assert len(execution.records) == 20


def test_a_bad_concurrency_is_refused() -> None:
    @step
    def work(number: int) -> int:
        return number

    with pytest.raises(hydra.HydraError, match="`concurrency` of"):
        hydra.gather(work.bind(1), concurrency=0)
