"""What do many idle nodes cost the server, how soon is a single submission taken, and how many nodes wake for it? And
busy ones: submissions at an even rate, which all of them take from?

    python benches/idle.py [--nodes 50] [--seconds 20] [--samples 100] [--rate 100] [--url postgres|mysql|URL]
    python benches/idle.py --processes …       # each node as `hydra start`, with a worker of its own

The nodes are real ones (`engine.worker()`: dispatcher, store thread, watcher, connections of their own), all in this
process, so that 50 fit into one machine's memory, or supervisors: then nobody sees who woke. Pickup runs from before
`submit` to the body's first instruction. CPU is of the nodes, and of this process as long as it is all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import children
import hydra
from hydra.node import store_thread
from machine import Report, cpu_seconds, percentile, tree_cpu_seconds
from node import wait_until
from pickup_app import started_at
from server import add_options, database, durability, statements

CONNECTIONS_PER_NODE = 8
SETTLE_SECONDS = 3.0


class Claims:
    """Which nodes of this process asked the database for work."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._askers: list[int] = []
        store_thread.StoreThread._write = self.wrap(store_thread.StoreThread._write)  # type: ignore[method-assign]

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
    options.add_argument("--processes", action="store_true", help="the nodes are supervisors with a worker each")
    options.add_argument("--rate", type=float, default=100.0, help="of the busy part, submissions a second")
    add_options(options)
    options.set_defaults(url="postgres")
    chosen = options.parse_args()
    report = Report("what do idle nodes cost?", durability(chosen.url))
    claims = None if chosen.processes else Claims()
    connections = 50 + CONNECTIONS_PER_NODE * chosen.nodes
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(database(chosen.url, connections))
        engine = stack.enter_context(hydra.Engine(url))
        if chosen.processes:
            cpu = stack.enter_context(supervisors(engine, url, chosen.nodes))
        else:
            cpu = cpu_seconds
            for _ in range(chosen.nodes):
                stack.enter_context(engine.worker(concurrency=4))
        time.sleep(SETTLE_SECONDS)
        measure_idle(report, url, chosen.nodes, chosen.seconds, claims, cpu)
        measure_single(report, engine, chosen.nodes, chosen.samples, claims)
        measure_busy(report, engine, url, chosen.nodes, chosen.rate, chosen.seconds, cpu)
    report.save(chosen.json)


@contextlib.contextmanager
def supervisors(engine: hydra.Engine, url: str, count: int) -> Iterator[Callable[[], float]]:
    """The block begins when all are there; the CPU seconds that they have taken."""
    command = [sys.executable, "-m", "hydra.cli", "start", "pickup_app", "--db", url, "--workers", "1"]
    nodes: list[Any] = []
    try:
        for number in range(count):
            nodes.append(children.start(command, cwd=Path(__file__).parent))
            wait_until(lambda number=number: len(engine.nodes()) > number, pause=0.05)
        yield lambda: sum(tree_cpu_seconds(node.pid) for node in nodes)
    finally:
        children.end(*nodes)


def measure_idle(
    report: Report, url: str, nodes: int, seconds: float, claims: Claims | None, cpu: Callable[[], float]
) -> None:
    if claims:
        claims.take()
    before, cpu_before = statements(url), cpu()
    time.sleep(seconds)
    done, took = statements(url) - before, cpu() - cpu_before
    asked = claims.take() if claims else None
    unit = "statements/s" if url.startswith("mysql") else "transactions/s"
    report.row(
        f"{nodes} idle nodes",
        done / seconds,
        unit,
        per_node=round(done / seconds / nodes, 2),
        cpu_percent=round(100 * took / seconds, 1),
        **({} if asked is None else {"claims_per_second": round(len(asked) / seconds, 1)}),
    )


def measure_single(report: Report, engine: hydra.Engine, nodes: int, samples: int, claims: Claims | None) -> None:
    """A pause of its own follows each, in which everybody who heard of it has asked."""
    milliseconds, woken = [], []
    for _ in range(samples):
        time.sleep(random.uniform(0.1, 0.3))
        if claims:
            claims.take()
        began = time.time()
        handle = engine.submit(started_at.bind())
        milliseconds.append(1000 * (handle.result(timeout=30) - began))
        time.sleep(0.1)
        if claims:
            woken.append(len(set(claims.take())))
    report.row(
        f"pickup of one among {nodes} idle nodes",
        percentile(milliseconds, 0.5),
        "ms p50",
        p99=round(percentile(milliseconds, 0.99), 2),
        worst=round(max(milliseconds), 2),
        **({"nodes_woken": round(sum(woken) / len(woken), 2), "most_woken": max(woken)} if woken else {}),
    )


def measure_busy(
    report: Report, engine: hydra.Engine, url: str, nodes: int, rate: float, seconds: float, cpu: Callable[[], float]
) -> None:
    """As many places as nodes times four; what is submitted late (this process has the nodes, too) is told."""
    count = int(rate * seconds)
    before, cpu_before, start = statements(url), cpu(), time.perf_counter()
    begun, handles, late = [], [], 0.0
    for number in range(count):
        spare = start + number / rate - time.perf_counter()
        if spare > 0:
            time.sleep(spare)
        late = max(late, -spare)
        begun.append(time.time())
        handles.append(engine.submit(started_at.bind()))
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
        cpu_percent=round(100 * (cpu() - cpu_before) / took, 1),
    )


if __name__ == "__main__":
    main()
