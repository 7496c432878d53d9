"""What do many idle nodes cost the server, how soon is a single submission taken, and how many nodes wake for it? And
busy ones: submissions at an even rate, which all of them take from?

    python benches/idle.py [--nodes 50] [--seconds 20] [--samples 100] [--rate 100] [--url postgres|mysql|URL]

The nodes are real ones (`engine.worker()`: dispatcher, store thread, watcher, connections of their own), all in this
process, so that 50 fit into one machine's memory. Pickup runs from before `submit` to the body's first instruction.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import hydra
from hydra.node import store_thread
from machine import Report, cpu_seconds, percentile
from server import add_options, database, durability, statements

CONNECTIONS_PER_NODE = 8
SETTLE_SECONDS = 3.0


@hydra.workflow
def begun_at() -> float:
    return time.perf_counter()


class Claims:
    """Which nodes asked the database for work."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._askers: list[int] = []

    def wrap(self, write: Callable[..., None]) -> Callable[..., None]:
        def counted(thread: Any, actions: list[Any]) -> None:
            if any(isinstance(action, store_thread.SendClaim) for action in actions):
                with self._mutex:
                    self._askers.append(id(thread))
            write(thread, actions)

        return counted

    def take(self) -> list[int]:
        with self._mutex:
            askers, self._askers = self._askers, []
        return askers


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nodes", type=int, default=50)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--samples", type=int, default=100)
    options.add_argument("--rate", type=float, default=100.0, help="of the busy part, submissions a second")
    add_options(options)
    options.set_defaults(url="postgres")
    chosen = options.parse_args()
    report = Report("what do idle nodes cost?", durability(chosen.url))
    claims = Claims()
    store_thread.StoreThread._write = claims.wrap(store_thread.StoreThread._write)  # type: ignore[method-assign]
    connections = 50 + CONNECTIONS_PER_NODE * chosen.nodes
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(database(chosen.url, connections))
        engine = stack.enter_context(hydra.Engine(url))
        for _ in range(chosen.nodes):
            stack.enter_context(engine.worker(concurrency=4))
        time.sleep(SETTLE_SECONDS)
        claims.take()
        measure_idle(report, url, chosen.nodes, chosen.seconds, claims)
        measure_single(report, engine, chosen.nodes, chosen.samples, claims)
        measure_busy(report, engine, url, chosen.nodes, chosen.rate, chosen.seconds)
    report.save(chosen.json)


def measure_idle(report: Report, url: str, nodes: int, seconds: float, claims: Claims) -> None:
    before, cpu = statements(url), cpu_seconds()
    time.sleep(seconds)
    done, cpu = statements(url) - before, cpu_seconds() - cpu
    unit = "statements/s" if url.startswith("mysql") else "transactions/s"
    asked = len(claims.take())
    report.row(
        f"{nodes} idle nodes",
        done / seconds,
        unit,
        per_node=round(done / seconds / nodes, 2),
        claims_per_second=round(asked / seconds, 1),
        cpu_percent=round(100 * cpu / seconds, 1),
    )


def measure_single(report: Report, engine: hydra.Engine, nodes: int, samples: int, claims: Claims) -> None:
    """A pause of its own follows each, in which everybody who heard of it has asked."""
    milliseconds, woken = [], []
    for _ in range(samples):
        time.sleep(random.uniform(0.1, 0.3))
        claims.take()
        began = time.perf_counter()
        handle = engine.submit(begun_at.bind())
        milliseconds.append(1000 * (handle.result(timeout=30) - began))
        time.sleep(0.1)
        woken.append(len(set(claims.take())))
    report.row(
        f"pickup of one among {nodes} idle nodes",
        percentile(milliseconds, 0.5),
        "ms p50",
        p99=round(percentile(milliseconds, 0.99), 2),
        worst=round(max(milliseconds), 2),
        nodes_woken=round(sum(woken) / len(woken), 2),
        most_woken=max(woken),
    )


def measure_busy(report: Report, engine: hydra.Engine, url: str, nodes: int, rate: float, seconds: float) -> None:
    """As many places as nodes times four; what is submitted late (this process has the nodes, too) is told."""
    count = int(rate * seconds)
    before, cpu, start = statements(url), cpu_seconds(), time.perf_counter()
    begun, handles, late = [], [], 0.0
    for number in range(count):
        spare = start + number / rate - time.perf_counter()
        if spare > 0:
            time.sleep(spare)
        late = max(late, -spare)
        begun.append(time.perf_counter())
        handles.append(engine.submit(begun_at.bind()))
    results = [handle.result(timeout=300) for handle in handles]
    took = time.perf_counter() - start
    milliseconds = [1000 * (result - began) for result, began in zip(results, begun, strict=True)]
    report.row(
        f"pickup among {nodes} nodes, {rate:g} submissions/s",
        percentile(milliseconds, 0.5),
        "ms p50",
        p99=round(percentile(milliseconds, 0.99), 2),
        worst=round(max(milliseconds), 2),
        ended=f"{count / took:.1f}/s",
        latest_submission_s=round(late, 2),
        statements_each=round((statements(url) - before) / count, 2),
        cpu_percent=round(100 * (cpu_seconds() - cpu) / took, 1),
    )


if __name__ == "__main__":
    main()
