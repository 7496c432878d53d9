"""How fast are submissions accepted, every one durable before it is acknowledged?

    python benches/submit.py [--seconds 3] [--synchronous full|normal] [--only NAME] [--json FILE]

A raw sqlite3 loop (one INSERT, one commit) on the same disk in the same run is the bound for one caller.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import app
import hydra
from machine import Report, cpu_seconds

PAYLOAD = "x" * 200


def raw_driver(path: Path, seconds: float, synchronous: str) -> tuple[int, float]:
    connection = sqlite3.connect(path / "raw.db", isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute(f"pragma synchronous={synchronous}")
    connection.execute("create table entry(id text primary key, payload blob) without rowid")
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        connection.execute("begin immediate")
        connection.execute("insert into entry values (?, ?)", (f"{count:036}", PAYLOAD))
        connection.execute("commit")
        count += 1
    return count, time.perf_counter() - began


def threads(engine: hydra.Engine, callers: int, seconds: float) -> tuple[int, float]:
    counts = [0] * callers
    began = time.perf_counter()

    def call(slot: int) -> None:
        while time.perf_counter() - began < seconds:
            engine.submit(app.one_step.bind(PAYLOAD))
            counts[slot] += 1

    running = [threading.Thread(target=call, args=(slot,)) for slot in range(callers)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(counts), time.perf_counter() - began


def tasks(url: str, callers: int, seconds: float) -> tuple[int, float]:
    async def main() -> tuple[int, float]:
        async with hydra.AsyncEngine(url) as engine:
            await engine.submit(app.one_step.bind(PAYLOAD))
            began, count = time.perf_counter(), 0

            async def call() -> None:
                nonlocal count
                while time.perf_counter() - began < seconds:
                    await engine.submit(app.one_step.bind(PAYLOAD))
                    count += 1

            await asyncio.gather(*(call() for _ in range(callers)))
            return count, time.perf_counter() - began

    return asyncio.run(main())


def bulk(engine: hydra.Engine, seconds: float) -> tuple[int, float]:
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        engine.submit_many([app.one_step.bind(PAYLOAD) for _ in range(20_000)])
        count += 20_000
    return count, time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--synchronous", choices=["full", "normal"], default="full")
    options.add_argument("--only", default="")
    options.add_argument("--json")
    chosen = options.parse_args()
    report = Report("how fast are submissions accepted?", f"SQLite synchronous={chosen.synchronous}")
    scenarios: dict[str, Callable[[Path, str, hydra.Engine], tuple[int, float]]] = {
        "raw sqlite3 driver, one caller": lambda folder, url, engine: raw_driver(
            folder, chosen.seconds, chosen.synchronous
        ),
        "submit, one caller": lambda folder, url, engine: threads(engine, 1, chosen.seconds),
        "submit, 8 threads": lambda folder, url, engine: threads(engine, 8, chosen.seconds),
        "submit, 64 threads": lambda folder, url, engine: threads(engine, 64, chosen.seconds),
        "submit, 256 asyncio tasks": lambda folder, url, engine: tasks(url, 256, chosen.seconds),
        "submit_many": lambda folder, url, engine: bulk(engine, chosen.seconds),
    }
    for name, scenario in scenarios.items():
        if chosen.only not in name:
            continue
        with tempfile.TemporaryDirectory(dir=".") as folder:
            url = f"sqlite:///{folder}/bench.db?synchronous={chosen.synchronous}"
            with hydra.Engine(url) as engine:
                engine.submit(app.one_step.bind(PAYLOAD))
                before = cpu_seconds()
                count, seconds = scenario(Path(folder), url, engine)
                cpu = cpu_seconds() - before
        report.row(name, count / seconds, "per second", cpu_us_each=round(1e6 * cpu / count, 1))
    report.save(chosen.json)


if __name__ == "__main__":
    main()
