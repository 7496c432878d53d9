"""What does a node weigh whose places are all taken for an hour, with a queue behind them that never ends?

    python benches/full.py [--minutes 60] [--places 64] [--queue 2000] [--url sqlite|postgres|mysql|URL]

Each step waits up to a second, as one that calls another program does. The queue is filled up again before it is
empty. Slopes are those of the part behind the warm-up (`soak_figures`). Exit code 1 when a node has taken more than
twice its places (it claims for those that end, too, as its answer comes later), when a tenth of the places stands
empty, or when something grows in half an hour or more.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from statistics import mean

import hydra
import workers_app
from machine import Report, descendants, descriptors, threads, tree_memory_mb
from node import supervisor
from server import add_options, database, durability
from soak_figures import Points, slope

STEP_SECONDS = 1.0
SAMPLE_SECONDS = 1.0
LEAST_TAKEN = 0.9
JUDGE_FROM_MINUTES = 30.0


class Filled:
    """A node that always has more to do than places, and what was seen of it each second."""

    def __init__(self, engine: hydra.Engine, node: int, queue: int) -> None:
        self._engine, self._node, self._queue = engine, node, queue
        self._random = random.Random(1)
        self._submitted = 0
        self.running: list[int] = []
        self.waiting: list[int] = []
        self.ended = 0
        self.series: dict[str, list[tuple[float, float]]] = {}
        self.units: dict[str, str] = {}

    def run(self, seconds: float) -> None:
        began = time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            self._fill()
            self._sample(at)
            time.sleep(SAMPLE_SECONDS)

    def _fill(self) -> None:
        counts = self._engine.stats().counts.get("calling", {})
        self.ended = counts.get("completed", 0)
        pending = counts.get("pending", 0)
        if self._submitted:
            self.running.append(counts.get("running", 0))
            self.waiting.append(pending)
        if pending < self._queue:
            more = 2 * self._queue - pending
            calls = [workers_app.calling.bind(self._random.uniform(0.0, STEP_SECONDS)) for _ in range(more)]
            self._engine.submit_many(calls)
            self._submitted += more

    def _sample(self, at: float) -> None:
        memory = tree_memory_mb(self._node)
        processes = [self._node, *descendants(self._node)]
        self._add("memory of the supervisor", "MB", at, memory[self._node])
        self._add("memory of the workers", "MB", at, sum(memory[pid] for pid in memory if pid != self._node))
        self._add("processes", "", at, len(processes))
        self._add("descriptors", "", at, sum(map(descriptors, processes)))
        self._add("threads", "", at, sum(map(threads, processes)))

    def _add(self, name: str, unit: str, at: float, value: float) -> None:
        self.units[name] = unit
        self.series.setdefault(name, []).append((at, value))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--places", type=int, default=64, help="of two workers together")
    options.add_argument("--queue", type=int, default=2000, help="at least so many wait behind them")
    add_options(options)
    chosen = options.parse_args()
    report = Report("a node with all places taken", durability(chosen.url))
    places = ("--workers", "2", "--concurrency", str(chosen.places // 2))
    with (
        database(chosen.url) as url,
        supervisor(url, *places, module="workers_app") as node,
        hydra.Engine(url) as engine,
    ):
        filled = Filled(engine, node.pid, chosen.queue)
        filled.run(60 * chosen.minutes)
    findings = said(report, filled, 60 * chosen.minutes, chosen.places)
    report.save(chosen.json)
    sys.exit("\n".join(findings) or None)


def said(report: Report, filled: Filled, seconds: float, places: int) -> list[str]:
    """What is wrong, a sentence each."""
    findings = []
    taken = mean(min(running, places) for running in filled.running) / places
    report.row("places taken", 100 * taken, "%", most_claimed=max(filled.running), fewest_waiting=min(filled.waiting))
    report.row("ended", filled.ended / seconds, "executions/s", in_all=filled.ended)
    if max(filled.running) > 2 * places:
        findings.append(f"{max(filled.running)} were taken for {places} places")
    if taken < LEAST_TAKEN:
        findings.append(f"{100 * (1 - taken):.0f} % of the places stood empty")
    for name, points in filled.series.items():
        findings += judged(report, name, filled.units[name], points, seconds)
    return findings


def judged(report: Report, name: str, unit: str, points: Points, seconds: float) -> list[str]:
    line = slope(points, seconds)
    if line is None:
        return []
    report.row(name, line.mean, unit, an_hour=f"{line.per_hour:+.2f}", error=f"{line.error:.2f}")
    if line.grows() and seconds >= 60 * JUDGE_FROM_MINUTES:
        return [f"{name} grows by {line.per_hour:.2f} ± {line.error:.2f} {unit} an hour"]
    return []


if __name__ == "__main__":
    main()
