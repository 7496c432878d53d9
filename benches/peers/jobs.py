"""What every peer does: the same submissions and drains, on the database it is given, in rows of the same names."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from machine import Report, cpu_seconds
from server import durability

PAYLOAD = "x" * 200
SUBMIT_ONE = "submit, one caller"
SUBMIT_EIGHT = "submit, 8 threads"
SUBMIT_BULK = "submit in bulk"
DRAIN_NONE = "drain, no step"
DRAIN_ONE = "drain, one step"
DRAIN_TEN = "drain, ten steps"
STEPS = {DRAIN_NONE: 0, DRAIN_ONE: 1, DRAIN_TEN: 10}


def options(description: str) -> argparse.Namespace:
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("url")
    found.add_argument("--seconds", type=float, default=3.0)
    found.add_argument("--executions", type=int, default=5_000)
    found.add_argument("--json")
    return found.parse_args()


def report(name: str) -> Report:
    return Report(name, durability("postgres"))


def submit_row(report: Report, name: str, seconds: float, callers: int, submit: Callable[[int], int]) -> None:
    """`submit` is told its caller's number and answers how many it submitted, again and again."""
    counts = [0] * callers
    before, began = cpu_seconds(), time.perf_counter()

    def call(caller: int) -> None:
        while time.perf_counter() - began < seconds:
            counts[caller] += submit(caller)

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - began
    cpu = round(1e6 * (cpu_seconds() - before) / max(1, sum(counts)), 1)
    report.row(name, sum(counts) / passed, "per second", cpu_us_each=cpu)


def drain_row(report: Report, name: str, executions: int, done_count: Callable[[], int], cpu_before: float) -> None:
    """From the first that is seen done to the last; call it as soon as work may begin."""
    first, began = 0, time.perf_counter()
    while (done := done_count()) < executions:
        if done and not first:
            first, began = done, time.perf_counter()
        time.sleep(0.02)
    rate = (executions - first) / (time.perf_counter() - began)
    cpu = round(1e6 * (cpu_seconds() - cpu_before) / executions, 1)
    report.row(name, rate, "per second", steps_per_second=round(rate * STEPS[name]), cpu_us_each=cpu)
