"""Sleepers that tell when they woke by a clock that nobody shifts, for tests/processes/test_clocks.py."""

from __future__ import annotations

import time

import hydra


@hydra.step
def read_clocks() -> tuple[int, float]:
    """Microseconds since boot, and the wall clock as this worker sees it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000, time.time()


@hydra.workflow
def rests(seconds: float) -> tuple[int, float]:
    hydra.sleep(seconds)
    return read_clocks()


@hydra.workflow(timeout=600.0)
def rests_ten_minutes_at_most(seconds: float) -> tuple[int, float]:
    hydra.sleep(seconds)
    return read_clocks()


@hydra.workflow
def begins() -> tuple[int, float]:
    return read_clocks()
