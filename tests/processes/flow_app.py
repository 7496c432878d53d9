"""A bulk step and a workflow without an end, and the places where they die."""

from __future__ import annotations

import hydra

from tests.processes import kills
from tests.processes.apps import note

CHUNK = 20
DEADLY_ITEM = 130


@hydra.step
def count_item(item: int, log: str) -> int:
    note(log, f"item-{item}")
    if item == DEADLY_ITEM:
        kills.reach("inside chunk")
    return item


@hydra.workflow
def count_items(log: str, count: int) -> int:
    return sum(hydra.map(count_item.bind_each(range(count), log), chunk=CHUNK, concurrency=4).results())


@hydra.step
def turn(log: str, cursor: int) -> int:
    note(log, f"turn-{cursor}")
    return cursor + 1


@hydra.workflow
def turns(log: str, cursor: int) -> int:
    following = turn(log, cursor)
    if following < 3:
        hydra.continue_as_new(turns.bind(log, following))
    return following
