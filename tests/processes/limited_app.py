"""Executions with limits that are killed at every point: they go one by one, and begin no faster than a rate."""

from __future__ import annotations

from datetime import timedelta

import hydra

from tests.processes import kills
from tests.processes.apps import note

COUNT = 3
PARTS = ("first", "second")


@hydra.step
def limited_effect(log: str, number: int, part: str) -> None:
    kills.reach("before effect")
    note(log, f"begin {number} {part}")
    kills.reach("after effect")
    note(log, f"end {number} {part}")


@hydra.step(limits=[hydra.Concurrency(1, name="limited_till")])
def limited_till(log: str, number: int) -> int:
    note(log, f"till {number}")
    return number


@hydra.workflow(
    limits=[
        hydra.Fair("tenant", name="limited_turns"),
        hydra.Concurrency(1, name="limited_places"),
        hydra.Rate(50, per=1.0, burst=1, name="limited_starts"),
    ]
)
def limited_life(log: str, tenant: str, number: int) -> int:
    limited_effect(log, number, "first")
    hydra.sleep(timedelta(seconds=1.1))  # it leaves its worker, and gives its place back
    limited_effect(log, number, "second")
    return limited_till(log, number)
