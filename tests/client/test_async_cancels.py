"""Tasks that are cancelled in AsyncEngine: each submission has a stated outcome, and the engine works on."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import Any

import hydra
import pytest
from hydra.node.local import LocalWorker

from tests.client import shop

ROUNDS = 150
WAIT_SECONDS = 30


async def submit_and_tell(engine: hydra.AsyncEngine, key: str) -> str | None:
    """What the caller knows: the id of what is submitted, None for what never left, "unknown <id>"."""
    try:
        return (await engine.submit(shop.echo.bind(key), key=key)).id
    except asyncio.CancelledError as error:
        if getattr(error, "outcome", None) != "unknown":
            return None
        assert any("submitting it again" in note for note in error.__notes__)
        return f"unknown {error.execution_id}"  # type: ignore[attr-defined]


async def cancel_at_every_await(url: str, seed: int) -> None:
    choose = random.Random(seed)
    async with hydra.AsyncEngine(url) as engine:
        for number in range(ROUNDS):
            keys = [f"{number}-{each}" for each in range(choose.randint(1, 4))]
            tasks = [asyncio.create_task(submit_and_tell(engine, key)) for key in keys]
            for _ in range(choose.randint(0, 5)):
                await asyncio.sleep(choose.choice([0, 0, 0.0002, 0.002]))
            for task in tasks:
                if choose.random() < 0.7:
                    task.cancel()
            told = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT_SECONDS)
            await asyncio.wait_for(engine.submit(shop.echo.bind("after")), WAIT_SECONDS)  # what had left is written
            for key, said in zip(keys, told, strict=True):
                await check(engine, key, None if isinstance(said, BaseException) else said)


async def check(engine: hydra.AsyncEngine, key: str, said: str | None) -> None:
    found = await engine.executions(key=key, workflow=shop.echo)
    if said is None:
        assert found == [], "what never left did not happen"
    elif not said.startswith("unknown"):
        assert [each.id for each in found] == [said]
    else:
        assert [each.id for each in found] in ([], [said.split()[1]])
    again = await engine.submit(shop.echo.bind(key), key=key)
    assert [each.id for each in await engine.executions(key=key, workflow=shop.echo)] == [again.id]


@pytest.mark.parametrize("seed", range(2))
def test_a_submit_that_is_cancelled_at_any_await_has_a_stated_outcome(
    url: str, engine: hydra.Engine, seed: int
) -> None:
    asyncio.run(cancel_at_every_await(url, seed))


@pytest.mark.parametrize("seed", [2])
def test_a_submit_that_is_cancelled_at_any_await_has_a_stated_outcome_on_postgres(postgres_url: str, seed: int) -> None:
    asyncio.run(cancel_at_every_await(postgres_url, seed))


@pytest.mark.parametrize("seed", [3])
def test_a_submit_that_is_cancelled_at_any_await_has_a_stated_outcome_on_mysql(mysql_url: str, seed: int) -> None:
    asyncio.run(cancel_at_every_await(mysql_url, seed))


def test_the_usual_shutdown_that_cancels_every_task_leaves_an_engine_that_works(url: str, engine: hydra.Engine) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous:
            for _ in range(10):
                tasks = [asyncio.create_task(submit_and_tell(asynchronous, f"key {n}")) for n in range(20)]
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()
                await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT_SECONDS)
                await asyncio.wait_for(asynchronous.submit(shop.echo.bind(1)), WAIT_SECONDS)

    asyncio.run(main())


def test_a_wait_for_a_result_that_is_cancelled_is_forgotten(url: str, engine: hydra.Engine) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous:
            handle = await asynchronous.submit(shop.sleep_long.bind())
            watcher = asynchronous.engine.watcher()
            for pause in (0, 0, 0.001, 0.01, 0.1):
                task: asyncio.Task[Any] = asyncio.create_task(handle.result())
                await asyncio.sleep(pause)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await handle.status()  # the thread that looked is done, or behind it in the queue
            for _ in range(200):
                if not watcher.wait_count:
                    break
                await asyncio.sleep(0.01)
            assert watcher.wait_count == 0

    asyncio.run(main())


def test_a_worker_whose_start_is_cancelled_is_stopped(
    url: str, engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = LocalWorker.start
    is_starting, is_started = threading.Event(), threading.Event()

    def start_slowly(worker: LocalWorker) -> None:
        is_starting.set()
        assert is_cancelled.wait(WAIT_SECONDS)
        start(worker)
        is_started.set()

    is_cancelled = threading.Event()
    monkeypatch.setattr(LocalWorker, "start", start_slowly)

    async def main() -> None:
        async with hydra.AsyncEngine(url) as asynchronous:

            async def work() -> None:
                async with asynchronous.worker():
                    await asyncio.sleep(WAIT_SECONDS)

            task = asyncio.create_task(work())
            await asyncio.to_thread(is_starting.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            is_cancelled.set()
            await asyncio.to_thread(is_started.wait)
            while any(node.state == "alive" for node in await asynchronous.nodes()):
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), WAIT_SECONDS))
