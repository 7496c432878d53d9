"""Steps with limits and labels, whose executions are killed at every point."""

from __future__ import annotations

import time

import hydra

from tests.processes import bounded_app, kills
from tests.processes.apps import note


@hydra.step(limits=[hydra.Concurrency(1, name="placed")])
def placed_effect(log: str, name: str) -> str:
    kills.reach("before effect")
    note(log, name)
    kills.reach("after effect")
    return name


@hydra.workflow
def placed_life(log: str) -> list[str]:
    return [
        placed_effect(log, "first"),
        *hydra.gather(placed_effect.bind(log, "second"), placed_effect.bind(log, "third")),
    ]


@hydra.step(limits=[hydra.Concurrency(2, key="tenant")])
def hold_placed(tenant: str, number: int) -> int:
    bounded_app.say("begin", number)
    time.sleep(0.02)
    bounded_app.say("end", number)
    return number


@hydra.workflow
def placed_bill(tenant: str, number: int) -> int:
    return hold_placed(tenant, number)


@hydra.step(labels=["gpu"])
def fit_placed(number: int) -> int:
    return number * number


@hydra.workflow
def placed_order(number: int) -> int:
    return fit_placed(number) + 1
