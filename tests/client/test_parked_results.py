"""`result()` of a parked execution says why it waits for a person, at once; or waits for that person, when told to."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hydra
import pytest

WAIT_SECONDS = 60


def nobody_knows(key: str) -> Any:
    return hydra.UNSURE


@hydra.step(max_attempts=3, backoff=hydra.Backoff(0.01), lookup=nobody_knows)
def transfer() -> int:
    gate.wait(WAIT_SECONDS)
    raise ConnectionError("no answer")


gate = threading.Event()


@hydra.workflow
def pay_in_doubt() -> int:
    return transfer() + 1


@hydra.workflow
def pay_badly() -> int:
    raise ValueError("no money")


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/parked.db"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def test_it_raises_with_the_reason_whether_it_was_parked_before_or_while_somebody_waited(url: str) -> None:
    gate.clear()
    with hydra.Engine(url) as engine, engine.worker(), ThreadPoolExecutor(4) as threads:
        handle = engine.submit(pay_in_doubt.bind())
        waiting = [threads.submit(handle.result), threads.submit(handle.result, WAIT_SECONDS)]
        patient = threads.submit(handle.result, wait_while_parked=True)
        gate.set()
        for each in waiting:
            with pytest.raises(hydra.WorkflowParked, match="is parked: step `transfer`") as caught:
                each.result(WAIT_SECONDS)
            assert caught.value.reason == handle.execution().reason != ""
        with pytest.raises(hydra.WorkflowParked, match="is parked: step `transfer`"):
            handle.result(timeout=WAIT_SECONDS)
        with pytest.raises(hydra.ResultTimeout):
            handle.result(timeout=0.05, wait_while_parked=True)
        assert not patient.done()
        handle.resolve("transfer", value=6)
        assert patient.result(WAIT_SECONDS) == 7
        assert handle.result(timeout=WAIT_SECONDS) == 7


def test_the_same_of_an_asynchronous_handle(url: str) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(url) as engine, engine.worker():
            handle = await engine.submit(pay_in_doubt.bind())
            with pytest.raises(hydra.WorkflowParked, match="is parked: step `transfer`"):
                await handle.result()
            patient = asyncio.create_task(handle.result(timeout=WAIT_SECONDS, wait_while_parked=True))
            with pytest.raises(hydra.WorkflowParked):
                await handle.result(timeout=WAIT_SECONDS)
            await handle.resolve("transfer", value=6)
            assert await patient == 7

    gate.set()
    asyncio.run(asyncio.wait_for(main(), 2 * WAIT_SECONDS))


def test_the_command_line_says_it_at_once(tmp_path: Path) -> None:
    gate.set()
    url = f"sqlite:///{tmp_path}/parked.db"
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(pay_in_doubt.bind())
        command = [sys.executable, "-m", "hydra.cli", "result", handle.id, "--db", url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)
        assert done.returncode == 1 and "is parked: step `transfer`" in done.stderr
        waits = [*command, "--wait", "--timeout", "50ms"]
        done = subprocess.run(waits, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)
        assert done.returncode == 1 and "was not done after 0.05 s" in done.stderr


def test_who_retries_a_parked_one_is_told_to_resume_it_and_the_other_way_round(tmp_path: Path) -> None:
    gate.set()
    with hydra.Engine(f"sqlite:///{tmp_path}/parked.db") as engine, engine.worker():
        handle = engine.submit(pay_in_doubt.bind())
        with pytest.raises(hydra.WorkflowParked):
            handle.result(WAIT_SECONDS)
        with pytest.raises(hydra.IllegalMove, match="can be retried; `resume` lets a parked one go on"):
            handle.retry()
        failed = engine.submit(pay_badly.bind())
        with pytest.raises(hydra.WorkflowFailed):
            failed.result(WAIT_SECONDS)
        with pytest.raises(hydra.IllegalMove, match="can be resumed; `retry` lets a failed one go on"):
            failed.resume()
