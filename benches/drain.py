"""How fast does `hydra start` drain waiting executions, every step durable before the next, and at what cost?

    python benches/drain.py [--workflow one_step|ten_steps|ten_async_steps|no_step] [--executions 40000] [--workers 2]
        [--url sqlite|postgres|mysql|URL] [--without-metrics] [--with-logs | --with-traces]

Submissions happen before the clock starts. Rate: from the first start to the last finish, on the database's clock.
CPU: everything (this program's submissions, supervisor, zygote, workers) per 1,000 executions.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import app
import children
import hydra
from machine import Report, cpu_seconds, tree_cpu_seconds, tree_memory_mb
from node import METRICS
from server import add_options, database, durability

PAYLOAD = "x" * 200
STEPS = {"one_step": 1, "ten_steps": 10, "ten_async_steps": 10, "ten_steps_of_async_body": 10, "no_step": 0}


def drain(url: str, workflow: str, chosen: argparse.Namespace, report: Report) -> None:
    executions, workers = chosen.executions, chosen.workers
    before = cpu_seconds()
    with hydra.Engine(url) as engine, tempfile.TemporaryFile() as written:
        bound = getattr(app, workflow)
        engine.submit_many([bound.bind(PAYLOAD) for _ in range(executions)])
        submit_cpu = cpu_seconds() - before
        command = [sys.executable, "-m", "hydra.cli", "start", "app", "--db", url, "--workers", str(workers)]
        command += [] if chosen.without_metrics else METRICS
        tells = "logs" if chosen.with_logs else "traces" if chosen.with_traces else ""
        command += ["--log-format", "json", "--concurrency", str(chosen.concurrency)]
        told = {**os.environ, "BENCH_TELLS": tells}
        errors = written if tells == "logs" else None
        node = children.start(command, cwd=Path(__file__).parent, stderr=errors, env=told)
        began = time.perf_counter()
        first, done_at = 0, 0.0
        while True:
            counts = engine.stats().counts.get(workflow, {})
            done = counts.get("completed", 0)
            if done and not first:
                first, began = done, time.perf_counter()
            if done >= executions:
                done_at = time.perf_counter()
                break
            if node.poll() is not None:
                sys.exit("the supervisor ended before the work did")
            time.sleep(0.02)
        node_cpu = tree_cpu_seconds(node.pid)
        memory = tree_memory_mb(node.pid)
        children.end(node)
        rate = (executions - first) / (done_at - began)
    cpu_each = 1000 * (submit_cpu + node_cpu) / executions
    beside = (", without metrics" if chosen.without_metrics else "") + (f", with {tells}" if tells else "")
    report.row(
        f"drain {workflow}, {workers} workers{beside}",
        rate,
        "per second",
        steps_per_second=round(rate * STEPS[workflow]),
        cpu_s_per_1000=round(cpu_each, 3),
        supervisor_mb=round(memory.get(node.pid, 0.0)),
        all_mb=round(sum(memory.values())),
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--workflow", choices=list(STEPS), action="append")
    options.add_argument("--executions", type=int, default=40_000)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--concurrency", type=int, default=512)
    options.add_argument("--without-metrics", action="store_true", help="`hydra start` without `--http`")
    telling = options.add_mutually_exclusive_group()
    telling.add_argument("--with-logs", action="store_true", help="each step logs a line, as JSON to a file")
    telling.add_argument("--with-traces", action="store_true", help="spans of tries and executions, encoded for OTLP")
    add_options(options)
    chosen = options.parse_args()
    report = Report("how fast are waiting executions drained?", durability(chosen.url))
    for workflow in chosen.workflow or ["one_step", "ten_steps"]:
        with database(chosen.url) as url:
            drain(url, workflow, chosen, report)
    report.save(chosen.json)


if __name__ == "__main__":
    main()
