"""A bulk step of trivial items, which writes down in which worker it ran."""

import os
from pathlib import Path

import hydra
from app import no_step  # noqa: F401  (the supervisor fixture's first execution)


@hydra.step
def count(item: int, pid_file: str) -> int:
    if item == 0:
        Path(pid_file).write_text(str(os.getpid()))
    return item


@hydra.workflow
def count_all(items: int, chunk: int, concurrency: int, pid_file: str) -> int:
    outcomes = hydra.map(count.bind_each(range(items), pid_file), chunk=chunk, concurrency=concurrency)
    return sum(outcomes.results())
