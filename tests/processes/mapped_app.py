"""What runs in several databases: steps whose effects are lines of one file, with the namespace they ran in."""

from __future__ import annotations

import os

import hydra

from tests.processes import apps


@hydra.step
def mapped_step(log: str, name: str, number: int) -> int:
    apps.note(log, f"{hydra.current().namespace} {name} {number}")
    return number


@hydra.workflow
def mapped_child(log: str, name: str) -> str:
    mapped_step(log, f"{name} child", 0)
    return hydra.current().namespace


@hydra.workflow
def mapped(log: str, name: str, steps: int) -> str:
    for number in range(steps):
        mapped_step(log, name, number)
        hydra.sleep(0.05)
    return hydra.spawn(mapped_child.bind(log, name), key=name).result()


@hydra.step
def variable_step(name: str) -> str:
    return os.environ.get(name, "")


@hydra.workflow
def variable(name: str) -> str:
    return variable_step(name)
