"""What every peer does: the same submissions, pickups and drains, on what it is given, in rows of the same names."""

from __future__ import annotations

import argparse
import os
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import children
from machine import Report, percentile, tree_cpu_seconds
from server import durability

PAYLOAD = "x" * 200
SUBMIT_ONE = "submit, one caller"
SUBMIT_EIGHT = "submit, 8 threads"
SUBMIT_BULK = "submit in bulk"
PICKUP = "pickup, idle"
DRAIN_NONE = "drain, no step"
DRAIN_ONE = "drain, one step"
DRAIN_TEN = "drain, ten steps"
STEPS = {DRAIN_NONE: 0, DRAIN_ONE: 1, DRAIN_TEN: 10}

POSTGRES = durability("postgres")
POLL_SECONDS = 0.02  # of peers that are not told of new work; their own defaults are a quarter of a second to one
WARM_UP = 5  # pickups that do not count: the workers are starting
START_SECONDS = 120.0
SETTLE_SECONDS = 1.0
TOLD = "BENCH_TOLD"  # in the workers' environment: the socket that `tell` writes to


def options(description: str) -> argparse.Namespace:
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("url")
    found.add_argument("--seconds", type=float, default=3.0)
    found.add_argument("--executions", type=int, default=5_000)
    found.add_argument("--samples", type=int, default=100)
    found.add_argument("--work", metavar="QUEUE", help="be one of its workers (the benchmark starts them)")
    found.add_argument("--json")
    return found.parse_args()


@contextmanager
def workers(count: int, url: str, queue: str) -> Iterator[None]:
    """So many processes of this script with `--work QUEUE`, until the block ends."""
    command = children.python(sys.argv[0], url, "--work", queue)
    running = [children.start(command) for _ in range(count)]
    try:
        yield
    finally:
        children.end(*running)


def submit_rows(report: Report, seconds: float, one: Callable[[int], int], bulk: Callable[[int], int]) -> None:
    """Both are told their caller's number and answer how many they submitted, again and again."""
    _submit_row(report, SUBMIT_ONE, seconds, 1, one)
    _submit_row(report, SUBMIT_EIGHT, seconds, 8, one)
    _submit_row(report, SUBMIT_BULK, seconds, 1, bulk)


def _submit_row(report: Report, name: str, seconds: float, callers: int, submit: Callable[[int], int]) -> None:
    counts = [0] * callers
    before, began = time.process_time(), time.perf_counter()

    def call(caller: int) -> None:
        while time.perf_counter() - began < seconds:
            counts[caller] += submit(caller)

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - began
    cpu = round(1e6 * (time.process_time() - before) / max(1, sum(counts)), 1)
    report.row(name, sum(counts) / passed, "per second", cpu_us_each=cpu)


def tell() -> None:
    """The first thing a body does whose pickup is measured: says when that was."""
    began = time.time()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(struct.pack("d", began), os.environ[TOLD])


@contextmanager
def listening() -> Iterator[Callable[[object], float]]:
    """Yields what waits for the next body to `tell` when it began; start the workers inside the block."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        os.environ[TOLD] = f"{folder}/told"
        told.bind(os.environ[TOLD])
        told.settimeout(START_SECONDS)
        yield lambda submitted: float(struct.unpack("d", told.recv(8))[0])


def pickup_row(report: Report, samples: int, submit: Callable[[], Any], began_at: Callable[[Any], float]) -> None:
    """From the call that submits to the body's first instruction, one at a time, by one clock of one host.

    `began_at` is given what `submit` answered."""
    found = []
    for _ in range(samples + WARM_UP):
        time.sleep(random.uniform(0.005, 0.03))
        submitted = time.time()
        found.append(1000 * (began_at(submit()) - submitted))
    found = found[WARM_UP:]
    report.row(PICKUP, percentile(found, 0.5), "ms p50", p99=round(percentile(found, 0.99), 2))


def drain_row(
    report: Report,
    name: str,
    executions: int,
    seconds: float,
    done_count: Callable[[], int],
    settle_seconds: float = SETTLE_SECONDS,
) -> None:
    """What is done from a moment after the first to the last, or for so long; call it when the workers are starting.

    In that moment those that start later than the first catch up; it ends when half is done."""
    give_up = time.monotonic() + START_SECONDS
    while not done_count():
        if time.monotonic() > give_up:
            raise TimeoutError(f"{name}: nothing was done within {START_SECONDS:g} s")
        time.sleep(0.02)
    settled_at = time.monotonic() + settle_seconds
    while (first := done_count()) < executions / 2 and time.monotonic() < settled_at:
        time.sleep(0.02)
    done, cpu, began = first, tree_cpu_seconds(os.getpid()), time.perf_counter()
    while done < executions and time.perf_counter() - began < seconds:
        time.sleep(0.05)
        done = done_count()
    rate = (done - first) / (time.perf_counter() - began)
    cpu = round(1e6 * (tree_cpu_seconds(os.getpid()) - cpu) / max(1, done - first), 1)
    report.row(name, rate, "per second", steps_per_second=round(rate * STEPS[name]), cpu_us_each=cpu, counted=done)
