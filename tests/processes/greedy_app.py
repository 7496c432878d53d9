"""Workflows that ask for more than there is."""

from __future__ import annotations

import resource
from contextlib import ExitStack

import hydra

from tests.processes.apps import hold

MEMORY_BYTES = 1024**3  # of address space that a worker may have


@hydra.on_worker_start
def set_limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


@hydra.step(max_attempts=2, backoff=hydra.Backoff(initial=0.01))
def eat(byte_count: int) -> int:
    return len(bytearray(byte_count))


@hydra.workflow
def eats(byte_count: int) -> int:
    return eat(byte_count)


@hydra.step
def open_files(count: int) -> int:
    with ExitStack() as files:
        for _ in range(count):
            files.enter_context(open("/dev/null"))
    return count


@hydra.workflow
def opens(count: int) -> int:
    return open_files(count)


@hydra.workflow
def holds(log: str, gate: str) -> str:
    hold(log, gate)
    return "held"
