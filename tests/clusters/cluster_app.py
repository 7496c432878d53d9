"""What runs on the clusters: steps whose effects are lines of a file outside the database."""

from __future__ import annotations

import os
import time

import hydra


@hydra.step
def effect(log: str, name: str, number: int) -> int:
    line = f"{name}/{number}\t{time.time()}\n".encode()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line)
    os.close(descriptor)
    time.sleep(0.05)
    return number


@hydra.workflow
def work(log: str, name: str, steps: int) -> int:
    total = 0
    for number in range(steps):
        total += effect(log, name, number)
        hydra.sleep(0.2)
    return total
