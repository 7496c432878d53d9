"""AsyncEngine: the same answers as Engine, without holding up the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import hydra
import pytest

from tests.client import shop

WAIT_SECONDS = 60


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_it_submits_waits_and_reads(url: str, engine: hydra.Engine) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous:
            handle = await asynchronous.submit(shop.bill.bind("7", Decimal("2.50")), key="inv-7")
            assert await handle.result(timeout=WAIT_SECONDS) == shop.Receipt("7", Decimal("2.50"))
            assert await handle.status() is hydra.Status.COMPLETED
            assert [step.name for step in await handle.steps()] == ["price"]
            assert [attempt.ending for attempt in await handle.attempts()] == ["completed"]
            assert (await asynchronous.find(shop.bill, key="inv-7")).id == handle.id
            assert (await handle.execution()).key == "inv-7"
            assert (await asynchronous.stats()).counts["bill"] == {"completed": 1}

    with engine.worker():
        run(main())


def test_many_tasks_submit_and_wait_at_once(url: str, engine: hydra.Engine) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous:
            handles = await asyncio.gather(*(asynchronous.submit(shop.echo.bind(n)) for n in range(300)))
            results = await asyncio.gather(*(handle.result(timeout=WAIT_SECONDS) for handle in handles))
            assert list(results) == list(range(300))

    with engine.worker():
        run(main())


def test_a_conflict_of_one_task_leaves_the_others_of_its_batch_alone(url: str, engine: hydra.Engine) -> None:
    engine.submit(shop.echo.bind("old"), key="5")

    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous:
            calls = [asynchronous.submit(shop.echo.bind(n), key=str(n)) for n in range(10)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert [n for n, answer in enumerate(answers) if isinstance(answer, hydra.IdempotencyConflict)] == [5]
            assert sum(isinstance(answer, hydra.AsyncHandle) for answer in answers) == 9

    run(main())


def test_a_value_the_database_refuses_leaves_the_others_of_its_batch_alone(url: str, engine: hydra.Engine) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous:
            keys = ["a", "b\0b", "c"]
            calls = [asynchronous.submit(shop.echo.bind(1), key=key) for key in keys]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert [isinstance(answer, hydra.PayloadError) for answer in answers] == [False, True, False]

    run(main())
    assert len(engine.executions()) == 2


def test_a_result_that_is_not_there_in_time_raises(url: str, engine: hydra.Engine) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous:
            handle = await asynchronous.submit(shop.sleep_long.bind())
            with pytest.raises(hydra.ResultTimeout):
                await handle.result(timeout=0.01)
            assert await handle.cancel() == "cancelled"
            with pytest.raises(hydra.WorkflowCancelled):
                await handle.result(timeout=WAIT_SECONDS)

    run(main())


def test_one_asynchronous_engine_serves_one_event_loop_after_another(url: str, engine: hydra.Engine) -> None:
    asynchronous = hydra.AsyncEngine(url)

    async def submit() -> None:
        await asynchronous.submit(shop.echo.bind(1))

    run(submit())
    run(submit())
    run(asynchronous.close())
    assert len(engine.executions()) == 2


def test_submit_many_gives_handles_in_order(url: str, engine: hydra.Engine) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous:
            handles = await asynchronous.submit_many([shop.echo.bind(n) for n in range(3)], keys=["a", "b", "c"])
            assert [(await handle.execution()).key for handle in handles] == ["a", "b", "c"]

    run(main())


def test_a_worker_and_a_transaction_of_ones_own(url: str, engine: hydra.Engine, tmp_path: Path) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous, asynchronous.worker():
            connection = sqlite3.connect(tmp_path / "user.db")
            with connection:
                handle = await asynchronous.submit(shop.echo.bind(1), connection=connection)
                assert await asynchronous.executions() == []
            assert await handle.result(timeout=WAIT_SECONDS) == 1
            connection.close()

    engine.stats()
    run(main())


def test_many_join_the_callers_transaction(tmp_path: Path, url: str) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as engine:
            await engine.executions()
            connection = sqlite3.connect(tmp_path / "user.db", isolation_level=None)
            for ending, count in (("rollback", 0), ("commit", 3)):
                connection.execute("begin immediate")
                await engine.submit_many([shop.echo.bind(i) for i in range(3)], connection=connection)
                connection.execute(ending)
                assert len(await engine.executions()) == count
            connection.close()

    run(main())
