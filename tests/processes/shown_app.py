"""Steps of each shape, whose process dies after they have ended and before their outcome is durable."""

from __future__ import annotations

from pathlib import Path

import hydra

from tests.processes import kills
from tests.processes.apps import note

kills.install_in_worker()


@hydra.step
def shown_effect(log: str, name: str) -> str:
    note(log, name)
    return name


@hydra.step
async def shown_async_effect(log: str, name: str) -> str:
    note(log, name)
    return name


@hydra.step(limits=[hydra.Concurrency(1, name="shown")])
def shown_placed_effect(log: str, name: str) -> str:
    note(log, name)
    return name


@hydra.step
def shown_item(name: str, log: str) -> str:
    note(log, name)
    return name


@hydra.workflow
def shown_one(log: str) -> list[str]:
    return [shown_effect(log, "first")]


@hydra.workflow
def shown_gathered(log: str) -> list[str]:
    return list(hydra.gather(shown_effect.bind(log, "first"), shown_effect.bind(log, "second")))


@hydra.workflow
async def shown_async(log: str) -> list[str]:
    return [await shown_async_effect(log, "first"), await shown_async_effect(log, "second")]


@hydra.workflow
def shown_map(log: str) -> list[str]:
    return [each.result() for each in hydra.map(shown_item.bind_each(["first", "second"], log), concurrency=1)]


@hydra.workflow
def shown_chunks(log: str) -> list[str]:
    names = ["first", "second"]
    return [each.result() for each in hydra.map(shown_item.bind_each(names, log), chunk=1, concurrency=1)]


@hydra.workflow
def shown_placed(log: str) -> list[str]:
    return [shown_placed_effect(log, "first")]


@hydra.step
def charge_unless_charged(log: str) -> str:
    if Path(log).exists():
        raise ValueError("this card was charged for that")
    note(log, "charged")
    return "charged"


@hydra.workflow
def charges_or_fails(log: str) -> str:
    return charge_unless_charged(log)
