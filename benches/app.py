"""The workflows the end-to-end benchmarks run."""

from __future__ import annotations

import hydra


@hydra.step(inline=True)
def add(total: int, number: int) -> int:
    return total + number


@hydra.workflow
def one_step(payload: str) -> int:
    return add(len(payload), 1)


@hydra.workflow
def ten_steps(payload: str) -> int:
    total = 0
    for number in range(10):
        total = add(total, number)
    return total


@hydra.step
async def add_later(total: int, number: int) -> int:
    return total + number


@hydra.workflow
async def ten_async_steps(payload: str) -> int:
    total = 0
    for number in range(10):
        total = await add_later(total, number)
    return total


@hydra.workflow
async def ten_steps_of_async_body(payload: str) -> int:
    total = 0
    for number in range(10):
        total = await hydra.aio.call(add.bind(total, number))
    return total


@hydra.workflow
def no_step(payload: str) -> int:
    return len(payload)
