"""An async body that pays whoever answers first, and dies in its effects."""

from __future__ import annotations

import asyncio
from pathlib import Path

import hydra

from tests.processes import kills
from tests.processes.apps import note

LOOK_SECONDS = 0.005


@hydra.step(name="races.quote")
async def quote(log: str, bank: str, gate: str) -> str:
    """The slow bank answers when the race is decided."""
    note(log, f"quote {bank}")
    while bank == "slow" and not Path(gate).exists():
        await asyncio.sleep(LOOK_SECONDS)
    return bank


@hydra.step(name="races.decide")
async def decide(gate: str) -> None:
    Path(gate).touch()


@hydra.step(name="races.charge")
async def charge(log: str, bank: str) -> str:
    kills.reach("before effect")
    note(log, f"charge {bank}")
    kills.reach("after effect")
    return bank


@hydra.workflow
async def charge_the_first(log: str, gate: str, sleep_seconds: float) -> list[str]:
    quotes = [asyncio.create_task(quote(log, bank, gate)) for bank in ("slow", "fast")]
    for first in asyncio.as_completed(quotes):
        winner = await first
        break
    await decide(gate)
    answers = await asyncio.gather(*quotes)
    if sleep_seconds:
        await hydra.aio.sleep(sleep_seconds)
    return [await charge(log, winner), *answers]
