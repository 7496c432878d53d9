"""What was accepted arrives: an answer that is durable before its wait is over is what the wait is given."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import hydra
import pytest
from hydra.errors import EventTimeout, IdempotencyConflict, IllegalMove
from hydra.node.local import LocalWorker

COUNT = 24
WAIT_SECONDS = 0.4

tokens: dict[str, tuple[str, float]] = {}
listens = threading.Event()
is_over = threading.Event()


@hydra.step(inline=True)
def hand_out(name: str, token: str) -> None:
    tokens[name] = token, time.monotonic()


@hydra.step(inline=True)
def say_that_it_listens() -> None:
    listens.set()


@hydra.workflow
def answered(name: str) -> str:
    token = hydra.callback_token()
    hand_out(name, token)
    try:
        return hydra.wait_callback(token, str, timeout=WAIT_SECONDS)
    except EventTimeout:
        return "expired"


@hydra.workflow
def told_in_time(seconds: float) -> str:
    say_that_it_listens()
    return hydra.wait_event("go", str, timeout=seconds)


@hydra.step
async def work_on() -> None:
    while not is_over.is_set():
        await asyncio.sleep(0.01)


@hydra.workflow
async def told_beside_a_task() -> str:
    task = asyncio.create_task(work_on())
    await hydra.aio.call(say_that_it_listens.bind())
    said = await hydra.aio.wait_event("go", str, timeout=60)
    is_over.set()
    await task
    return said


def test_r14_of_a_completion_and_an_expiry_one_wins_and_whoever_loses_is_told(url: str) -> None:
    tokens.clear()

    def complete(place: int) -> tuple[str, bool]:
        name = str(place)
        while name not in tokens:
            time.sleep(0.002)
        token, began = tokens[name]
        time.sleep(max(0.0, began + WAIT_SECONDS + (place / COUNT - 0.5) * 0.06 - time.monotonic()))
        try:
            engine.complete(token, "paid")
            return name, True
        except IllegalMove:
            return name, False

    with hydra.Engine(url) as engine, engine.worker(), ThreadPoolExecutor(COUNT) as threads:
        handles = {str(place): engine.submit(answered.bind(str(place))) for place in range(COUNT)}
        accepted = dict(threads.map(complete, range(COUNT)))
        got = {name: handle.result(timeout=60) for name, handle in handles.items()}
        assert got == {name: "paid" if was_accepted else "expired" for name, was_accepted in accepted.items()}
        assert engine.audit() == []


def test_r14_a_signal_that_is_durable_before_the_deadline_is_what_the_wait_is_given(url: str) -> None:
    with hydra.Engine(url) as engine, engine.worker():
        for _ in range(3):
            listens.clear()
            handle = engine.submit(told_in_time.bind(0.9))
            assert listens.wait(30)
            handle.signal("go", "now")
            assert handle.result(timeout=60) == "now"
        assert engine.audit() == []


@pytest.mark.parametrize("call", [told_in_time.bind(0.99), told_beside_a_task.bind()], ids=["sync", "async"])
def test_what_is_kept_in_memory_is_told_at_once_and_not_at_the_next_beat(
    url: str, call: hydra.BoundWorkflow[str]
) -> None:
    """A beat is 18 seconds away at the earliest."""
    with hydra.Engine(url) as engine, LocalWorker(url, lease_ttl_seconds=90):
        began = time.monotonic()
        listens.clear()
        is_over.clear()
        handle = engine.submit(call)
        assert listens.wait(30)
        handle.signal("go", "now")
        assert handle.result(timeout=60) == "now"
        assert time.monotonic() - began < 15
        assert engine.audit() == []


def test_r17_a_signal_repeated_with_another_value_is_a_conflict(url: str) -> None:
    with hydra.Engine(url) as engine:
        handle = engine.submit(told_in_time.bind(1))
        id = str(uuid.uuid4())
        handle.signal("go", 1, id=id)
        handle.signal("go", 1, id=id)
        for name, value in (("go", 2), ("stop", 1)):
            with pytest.raises(IdempotencyConflict, match="with another name or value"):
                handle.signal(name, value, id=id)
