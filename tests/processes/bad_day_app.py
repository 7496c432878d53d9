"""The work of a bad day: two steps, each of which leaves one line, with the time."""

from __future__ import annotations

import os
import time

import hydra


def note(log: str, word: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{word}\t{time.monotonic()}\n".encode())
    os.close(descriptor)


@hydra.step
def begin(log: str, name: str) -> None:
    note(log, f"begin {name}")


@hydra.step
def finish(log: str, name: str) -> None:
    note(log, f"finish {name}")


@hydra.workflow
def errand(log: str, name: str) -> str:
    begin(log, name)
    finish(log, name)
    return name
