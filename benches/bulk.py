"""What does a bulk step cost: rows written, time, memory; and how soon does it go on after a kill -9 in its middle?

    python benches/bulk.py [--items 1000000] [--chunk 1000] [--concurrency 16] [--url sqlite|postgres|mysql|URL]

Items are trivial, so the time is hydra's own, from submission to result, a record durable for each chunk. The killed
run loses its worker in the middle: the gap is from the kill to the second chunk's record after it (the first may have
been under way), the replay of all others included.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path

import bulk_app
import hydra
from machine import Report, tree_cpu_seconds, tree_memory_mb
from node import supervisor, wait_until
from server import add_options, database, durability


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--items", type=int, default=1_000_000)
    options.add_argument("--chunk", type=int, default=1000)
    options.add_argument("--concurrency", type=int, default=16)
    add_options(options)
    chosen = options.parse_args()
    report = Report("what does a bulk step cost?", durability(chosen.url))
    with tempfile.TemporaryDirectory(dir=".") as folder, database(chosen.url) as url:
        pid_file = Path(folder).resolve() / "pid"
        bound = bulk_app.count_all.bind(chosen.items, chosen.chunk, chosen.concurrency, str(pid_file))
        with supervisor(url, "--workers", "1", module="bulk_app") as node, hydra.Engine(url) as engine:
            whole(report, engine, bound, node.pid, pid_file, chosen.items)
            killed(report, engine, bound, pid_file, chosen.items)
    report.save(chosen.json)


def whole(report: Report, engine: hydra.Engine, bound, supervisor_pid: int, pid_file: Path, items: int) -> None:  # type: ignore[no-untyped-def]
    cpu, started_at = tree_cpu_seconds(supervisor_pid), time.monotonic()
    handle = engine.submit(bound)
    assert handle.result(timeout=3600) == items * (items - 1) // 2
    seconds = time.monotonic() - started_at
    burnt = tree_cpu_seconds(supervisor_pid) - cpu
    records = handle.records()
    report.row(f"{items:,} items", items / seconds, "items/s", seconds=round(seconds, 1))
    report.row("CPU of all processes", burnt / items * 1e6, "µs an item")
    report.row("rows written", len(records), "records", kilobytes=sum(len(r.payload or b"") for r in records) // 1000)
    memory = tree_memory_mb(supervisor_pid)
    worker = int(pid_file.read_text())
    report.row("worker afterwards", memory[worker], "MB", supervisor=round(memory[supervisor_pid]))


def killed(report: Report, engine: hydra.Engine, bound, pid_file: Path, items: int) -> None:  # type: ignore[no-untyped-def]
    handle = engine.submit(bound)

    def chunk_count() -> int:
        return len(handle.records())

    wait_until(lambda: is_half_done(handle, items), seconds=3600)
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    killed_at, before = time.monotonic(), chunk_count()
    wait_until(lambda: chunk_count() > before + 1 or handle.status() == "completed", seconds=3600)
    gap = time.monotonic() - killed_at
    assert handle.result(timeout=3600) == items * (items - 1) // 2
    report.row("killed in the middle, until the second record after it", gap, "s", records=len(handle.records()))


def is_half_done(handle: hydra.Handle[int], items: int) -> bool:
    bulk = handle.maps()
    return bool(bulk) and bulk[0].done_count * 2 >= items


if __name__ == "__main__":
    main()
