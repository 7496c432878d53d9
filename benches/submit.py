"""How fast are submissions accepted, every one durable before it is acknowledged?

    python benches/submit.py [--seconds 3] [--synchronous full|normal] [--url sqlite|postgres|mysql|URL] [--only NAME]

The loop of the driver itself (one INSERT, one commit) on the same disk in the same run is the bound for one caller.
Each row has a database of its own, unless a URL names one.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import app
import hydra
import raw
from machine import Report, cpu_seconds
from server import add_options, database, durability

PAYLOAD = raw.PAYLOAD


def raw_driver(url: str, seconds: float, synchronous: str) -> tuple[int, float]:
    match url.partition(":")[0]:
        case "sqlite":
            return raw.sqlite_loop(f"{urlsplit(url).path[1:]}.raw", seconds, synchronous)
        case "mysql":
            return raw.mysql_loop(url, seconds)
        case _:
            return raw.postgres_loop(url, seconds)


def threads(engine: hydra.Engine, callers: int, seconds: float) -> tuple[int, float]:
    counts = [0] * callers
    began = time.perf_counter()

    def call(slot: int) -> None:
        while not counts[slot] or time.perf_counter() - began < seconds:  # one at least, on a busy machine
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
    add_options(options)
    chosen = options.parse_args()
    report = Report("how fast are submissions accepted?", durability(chosen.url, chosen.synchronous))
    scenarios: dict[str, Callable[[str, hydra.Engine], tuple[int, float]]] = {
        "raw driver, one caller": lambda url, _: raw_driver(url, chosen.seconds, chosen.synchronous),
        "submit, one caller": lambda _, engine: threads(engine, 1, chosen.seconds),
        "submit, 8 threads": lambda _, engine: threads(engine, 8, chosen.seconds),
        "submit, 64 threads": lambda _, engine: threads(engine, 64, chosen.seconds),
        "submit, 256 asyncio tasks": lambda url, _: tasks(url, 256, chosen.seconds),
        "submit_many": lambda _, engine: bulk(engine, chosen.seconds),
    }
    for name, scenario in scenarios.items():
        if chosen.only not in name:
            continue
        with database(chosen.url, synchronous=chosen.synchronous) as url, hydra.Engine(url) as engine:
            engine.submit(app.one_step.bind(PAYLOAD))
            before = cpu_seconds()
            count, seconds = scenario(url, engine)
            cpu = cpu_seconds() - before
        report.row(name, count / seconds, "per second", cpu_us_each=round(1e6 * cpu / count, 1))
    report.save(chosen.json)


if __name__ == "__main__":
    main()
