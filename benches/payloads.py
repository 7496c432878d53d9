"""What do large arguments and results cost, end to end and on the disk?

    python benches/payloads.py [--rounds 20] [--url sqlite|postgres|mysql|URL]

An execution takes N random bytes, its step gives back N, and so does its body: 3 N are stored. Random bytes do not
shrink; what does is stored smaller. Latency: from before `submit` to after `result`, one at a time.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import hydra
import payloads_app
from machine import Report, percentile, tree_memory_mb
from node import supervisor
from server import add_options, database, durability

SIZES = {"1 KB": 1_000, "100 KB": 100_000, "1 MB": 1_000_000, "10 MB": 10_000_000}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=20)
    add_options(options)
    chosen = options.parse_args()
    report = Report("what do large payloads cost?", durability(chosen.url))
    with (
        database(chosen.url) as url,
        supervisor(url, "--workers", "1", module="payloads_app") as node,
        hydra.Engine(url) as engine,
    ):
        for name, size in SIZES.items():
            before, milliseconds = stored_bytes(url), []
            for _ in range(chosen.rounds):
                payload = os.urandom(size)
                began = time.perf_counter()
                assert engine.submit(payloads_app.carry.bind(payload)).result(timeout=60) == payload[::-1]
                milliseconds.append(1000 * (time.perf_counter() - began))
            memory = tree_memory_mb(node.pid)
            more: dict[str, object] = {
                "p99": round(percentile(milliseconds, 0.99), 2),
                "supervisor_mb": round(memory[node.pid]),
                "all_mb": round(sum(memory.values())),
            }
            if before is not None:
                grown = (stored_bytes(url) or 0) - before
                more["stored_of_3n"] = round(grown / (3 * size * chosen.rounds), 2)
            report.row(name, percentile(milliseconds, 0.5), "ms p50", **more)
    report.save(chosen.json)


def stored_bytes(url: str) -> int | None:
    """Of the file and its log; None on a server."""
    if not url.startswith("sqlite"):
        return None
    file = Path(urlsplit(url).path[1:])
    return sum(each.stat().st_size for each in (file, Path(f"{file}-wal")) if each.exists())


if __name__ == "__main__":
    main()
