"""What does a beat cost a node that holds 1, 1,000 and 10,000 executions, each inside an async step?

    python benches/beats.py [--running 0,1,1000,10000] [--seconds 30] [--url sqlite|postgres|mysql|URL]

A real node with one worker. Nothing happens while it is measured but its beats: the CPU of the supervisor and of the
worker, the statements of the server, and how long a beat took in the store, by the node's own metrics.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import tempfile
import time
import urllib.request
from pathlib import Path

import beats_app
import hydra
from machine import Report, tree_cpu_seconds
from node import supervisor, wait_until
from server import add_options, database, durability, statements

LEASE_TTL = "10s"
STEP_SECONDS = 3_600.0
SETTLE_SECONDS = 3.0
START_SECONDS = 300.0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--running", default="0,1,1000,10000")
    options.add_argument("--seconds", type=float, default=30.0)
    add_options(options)
    chosen = options.parse_args()
    report = Report("what does a beat cost beside running executions?", durability(chosen.url))
    for count in map(int, chosen.running.split(",")):
        with database(chosen.url) as url:
            measure(report, url, count, chosen.seconds)
    report.save(chosen.json)


def measure(report: Report, url: str, count: int, seconds: float) -> None:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{own.getsockname()[1]}"
    options = ("--workers", "1", "--concurrency", str(count + 64), "--lease-ttl", LEASE_TTL)
    with (
        tempfile.TemporaryDirectory() as folder,
        supervisor(url, *options, "--drain-timeout", "1s", "--http", address, module="beats_app") as node,
        hydra.Engine(url) as engine,
    ):
        begun = Path(folder) / "begun"
        begun.touch()
        engine.submit_many([beats_app.waiting.bind(STEP_SECONDS, str(begun)) for _ in range(count)])
        wait_until(lambda: begun.stat().st_size == count, START_SECONDS, 0.1)
        time.sleep(SETTLE_SECONDS)
        before, asked = figures(node.pid, address), 0 if url.startswith("sqlite") else statements(url)
        time.sleep(seconds)
        after, done = figures(node.pid, address), 0 if url.startswith("sqlite") else statements(url) - asked
        supervisor_cpu, others_cpu, beats, beat_seconds, lost = (b - a for a, b in zip(before, after, strict=True))
        running = engine.stats().counts.get("waiting", {}).get("running", 0)
    assert running == count and not lost, (running, lost)
    report.row(
        f"{count:,} running: a beat in the store",
        1000 * beat_seconds / max(beats, 1),
        "ms mean",
        beats=int(beats),
        supervisor_cpu_percent=round(100 * supervisor_cpu / seconds, 2),
        workers_cpu_percent=round(100 * others_cpu / seconds, 2),
        statements_per_second=round(done / seconds, 1),
    )


def figures(pid: int, address: str) -> tuple[float, ...]:
    """CPU of the supervisor and of what it started; beats, their seconds, and executions lost, since its start."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    own = cpu_seconds_of(pid)
    beat = 'hydra_store_operation_seconds_{}{{namespace="default",operation="heartbeat_node"}}'
    return (
        own,
        tree_cpu_seconds(pid) - own,
        value(text, beat.format("count")),
        value(text, beat.format("sum")),
        value(text, 'hydra_leases_lost_total{namespace="default"}'),
    )


def value(text: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def cpu_seconds_of(pid: int) -> float:
    """Of one process, without its children."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
