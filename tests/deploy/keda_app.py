"""What pods run under KEDA's scaling: an execution writes a line for each of its steps into a ledger of its own."""

from __future__ import annotations

import os
import time

import hydra

STEP_SECONDS = 1.0


@hydra.step
def effect(ledger: str, name: str, number: int) -> int:
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{name}/{number}\n".encode())
    os.close(descriptor)
    time.sleep(STEP_SECONDS)
    return number


@hydra.workflow
def work(ledger: str, name: str, steps: int) -> int:
    return sum(effect(ledger, name, number) for number in range(steps))


@hydra.workflow(labels=["gpu"])
def train(ledger: str, name: str, steps: int) -> int:
    return sum(effect(ledger, name, number) for number in range(steps))
