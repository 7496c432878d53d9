"""What does a supervisor weigh and burn: idle, after a drain, and beside a million pending executions?

    python benches/memory.py [--pending 1000000] [--drained 20000] [--idle-seconds 10]

The figure is the supervisor's own memory (proportional set size) once it has drained the same number of executions
from a queue that holds no more than these and from one that holds all the pending ones (goal: at most 30 MB more).
"""

from __future__ import annotations

import argparse
import time

import app
import hydra
from machine import Report, tree_cpu_seconds, tree_memory_mb
from node import supervisor, wait_until
from server import add_options, database, durability

PAYLOAD = "x" * 200
SUBMITTED_TOGETHER = 20_000


def fill(engine: hydra.Engine, count: int) -> None:
    for start in range(0, count, SUBMITTED_TOGETHER):
        part = min(SUBMITTED_TOGETHER, count - start)
        engine.submit_many([app.one_step.bind(PAYLOAD) for _ in range(part)], priority=-1)


def wait_for(engine: hydra.Engine, count: int) -> None:
    wait_until(lambda: engine.stats().counts.get("one_step", {}).get("completed", 0) >= count)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pending", type=int, default=1_000_000)
    options.add_argument("--drained", type=int, default=20_000)
    options.add_argument("--idle-seconds", type=float, default=10.0)
    add_options(options)
    chosen = options.parse_args()
    report = Report("what do a supervisor and its workers weigh and burn?", durability(chosen.url))
    with database(chosen.url) as url, hydra.Engine(url) as engine:
        with supervisor(url, "--workers", "1", "--concurrency", "512") as node:
            time.sleep(1)
            memory = tree_memory_mb(node.pid)
            report.row("idle, the supervisor alone", memory[node.pid], "MB", all_mb=round(sum(memory.values())))
            before = tree_cpu_seconds(node.pid)
            time.sleep(chosen.idle_seconds)
            burnt = 100 * (tree_cpu_seconds(node.pid) - before) / chosen.idle_seconds
            report.row("idle, all of its processes", burnt, "% of a core")
            fill(engine, chosen.drained)
            wait_for(engine, chosen.drained)
            few = tree_memory_mb(node.pid)[node.pid]
            report.row(f"after {chosen.drained:,} of {chosen.drained:,}", few, "MB")
        fill(engine, chosen.pending)
        with supervisor(url, "--workers", "1", "--concurrency", "512") as node:
            wait_for(engine, 2 * chosen.drained)
            many = tree_memory_mb(node.pid)[node.pid]
        report.row(f"after {chosen.drained:,} of {chosen.pending:,}", many, "MB", more=round(many - few, 1))
    report.save(chosen.json)


if __name__ == "__main__":
    main()
