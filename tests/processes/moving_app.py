"""Ten steps, of which the sixth waits for a file: a node is killed in it, and another database has the rest."""

from __future__ import annotations

import time
from pathlib import Path

import hydra

from tests.processes import apps


@hydra.step
def moving_step(log: str, number: int, gate: str) -> int:
    apps.note(log, f"step {number}")
    while number == 5 and not Path(gate).exists():
        time.sleep(0.005)
    return number


@hydra.workflow
def moving_ten(log: str, gate: str) -> list[int]:
    return [moving_step(log, number, gate) for number in range(10)]
