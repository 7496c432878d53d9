"""A step that writes down when and where it started, then waits to be released."""

import os
import time
from pathlib import Path

import hydra
from app import no_step  # noqa: F401  (the supervisor fixture's first execution)


@hydra.step
def held(log: str, release: str) -> None:
    with open(log, "a") as file:
        file.write(f"{time.time()} {os.getpid()} {os.getppid()}\n")
    while not Path(release).exists():
        time.sleep(0.005)


@hydra.workflow
def hold(log: str, release: str) -> None:
    held(log, release)
