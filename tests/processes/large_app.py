"""Executions that record, or are sent, very much."""

from __future__ import annotations

import random

import hydra


@hydra.step
def give(place: int, byte_count: int) -> bytes:
    return random.Random(place).randbytes(byte_count)


@hydra.workflow
def much(count: int, byte_count: int) -> int:
    return sum(map(len, hydra.gather(*(give.bind(place, byte_count) for place in range(count)))))


@hydra.workflow
def listen(count: int) -> int:
    return sum(len(hydra.wait_event("part", bytes)) for _ in range(count))


@hydra.workflow
def small() -> str:
    return "small"
