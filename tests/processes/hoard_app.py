"""Steps that keep what they allocate, up to a bound, and one that waits for a file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import hydra
from hydra.node.memory import resident_bytes

LIMIT_BYTES = 192 << 20
MOST_BYTES = LIMIT_BYTES + (64 << 20)  # so a supervisor that never looks fills no machine
kept: list[bytes] = []


@hydra.step
def hoard(log: str) -> int:
    if resident_bytes(os.getpid()) < MOST_BYTES:
        kept.append(b"x" * (32 << 20))
    with open(log, "ab", buffering=0) as file:
        file.write(b"hoard\n")
    return os.getpid()


@hydra.workflow
def hoards(log: str) -> int:
    return hoard(log)


@hydra.step
def await_file(path: str) -> int:
    Path(f"{path}.begun").touch()
    while not Path(path).exists():
        time.sleep(0.01)
    return os.getpid()


@hydra.workflow
def awaits(path: str) -> tuple[int, int]:
    return await_file(path), await_file(path)
