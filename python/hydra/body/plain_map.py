"""`hydra.map` where nothing is recorded: outside an execution, and in a step. One call after the other."""

from __future__ import annotations

from typing import TypeVar

from hydra.definitions import BoundEach
from hydra.errors import HydraError
from hydra.records.map_outcomes import Outcome, Outcomes, PlainOutcomes

R = TypeVar("R")


def map_plainly(bound: BoundEach[R]) -> Outcomes[R]:
    if bound.step.is_async:
        raise HydraError(f"step `{bound.step.name}` is async: `await hydra.aio.map(…)`")
    outcomes: list[Outcome[R]] = []
    for index in range(len(bound.items)):
        args, kwargs = bound.call(index)
        try:
            outcomes.append(Outcome(index, bound.step.function(*args, **kwargs), None))
        except Exception as error:
            outcomes.append(Outcome(index, None, error))
    return PlainOutcomes(outcomes)


async def map_async(bound: BoundEach[R]) -> Outcomes[R]:
    """`hydra.aio.map` outside an execution, or in a step."""
    if not bound.step.is_async:
        return map_plainly(bound)
    outcomes: list[Outcome[R]] = []
    for index in range(len(bound.items)):
        args, kwargs = bound.call(index)
        try:
            outcomes.append(Outcome(index, await bound.step.function(*args, **kwargs), None))
        except Exception as error:
            outcomes.append(Outcome(index, None, error))
    return PlainOutcomes(outcomes)
