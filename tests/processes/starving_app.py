"""Work for a machine without time for it: steps that count, and one long step that must not lose its node's lease."""

from __future__ import annotations

import time

import hydra

from tests.processes import apps


@hydra.step
def starved_step(log: str, name: str) -> str:
    apps.note(log, name)
    return name


@hydra.workflow
def starved(log: str, name: str) -> list[str]:
    done = [starved_step(log, f"{name}-first")]
    hydra.sleep(0.2)
    return [*done, starved_step(log, f"{name}-second")]


@hydra.workflow
def started_at() -> float:
    return time.time()
