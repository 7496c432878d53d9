"""Steps that can only be killed, and many steps at a time."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import hydra

from tests.processes.apps import note

LONG_NAME = "請求" * 100  # as long as a name may be, and six hundred bytes


def match_for_ages() -> None:
    """Never gives up the GIL."""
    re.match(r"(a+)+$", "a" * 64 + "b")


@hydra.step(timeout=0.3)
def stubborn(log: str) -> None:
    note(log, "stubborn")
    match_for_ages()


@hydra.workflow
def once(log: str) -> str:
    try:
        stubborn(log)
    except hydra.StepTimeout as error:
        return f"timed out: {error}"
    return "done"


@hydra.workflow
def fails(log: str) -> None:
    stubborn(log)


@hydra.step(heartbeat_timeout=0.3)
def silent(log: str) -> None:
    note(log, "silent")
    hydra.heartbeat()
    match_for_ages()


@hydra.workflow
def silence(log: str) -> None:
    silent(log)


@hydra.step(timeout=0.3, max_attempts=2, backoff=hydra.Backoff(initial=0.01))
def stubborn_item(number: int, log: str) -> int:
    note(log, f"item {number}")
    if number == 1:
        match_for_ages()
    return number


@hydra.workflow
def many_items(log: str) -> list[str]:
    outcomes = hydra.map(stubborn_item.bind_each([0, 1, 2], log), concurrency=1)
    return [type(outcome.error).__name__ if outcome.error else str(outcome.result()) for outcome in outcomes]


@hydra.step(name=LONG_NAME)
async def wait(log: str) -> int:
    attempt = hydra.current().attempt
    note(log, "wait")
    while attempt == 1:
        await asyncio.sleep(60)
    return attempt


@hydra.workflow
async def crowd(log: str, count: int) -> list[int]:
    return list(await asyncio.gather(*(wait(log) for _ in range(count))))


def look_up(key: str) -> object:
    match_for_ages()
    return hydra.NOT_FOUND


@hydra.step(lookup=look_up, timeout=timedelta(seconds=0.3), max_attempts=2, backoff=hydra.Backoff(initial=0.01))
def looked_up(log: str) -> None:
    note(log, "looked up")
    raise ValueError("no answer")


@hydra.workflow
def doubt(log: str) -> None:
    looked_up(log)


@hydra.workflow(timeout=2.5)
def nap() -> None:
    hydra.sleep(600)
