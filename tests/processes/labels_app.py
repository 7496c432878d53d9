"""A workflow that any node runs, and its child, which needs a label."""

from __future__ import annotations

import hydra


@hydra.step
def square(number: int) -> int:
    return number * number


@hydra.workflow(labels=["gpu"])
def train(number: int) -> int:
    return square(number)


@hydra.workflow
def order(number: int) -> int:
    return hydra.spawn(train.bind(number)).result()
