"""What does it cost claims that millions of ended executions are deleted meanwhile?

    python benches/retention.py [--finished 10000000] [--seconds 20] [--rounds 3] [--url sqlite|postgres|mysql|URL]

Under a load of claims of 64 and their ends, one each tenth of a second, in turns: a node deletes nothing; a node with
`--retention` deletes in its idle moments, as it is bounded; `hydra purge` deletes as fast as it can. The figures are
the claims' medians in relation to those beside no deletion (goal: at most 1.2), of the time and of the CPU that they
took here and in the server; and what was deleted in a second.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import children
import filling
import hydra
from claim import medians, submissions, timed_claim
from hydra.execution import End, ExecutionCommit
from hydra.stores.store import Store
from machine import Report, percentile
from node import supervisor, wait_until
from server import add_options, database, durability, opened, register

BATCH = 64
PAUSE_SECONDS = 0.1
NODE_SECONDS = 2.0
START_SECONDS = 120.0
LIVE = "live"
BASE = "a node, nothing is deleted"

Times = list[tuple[float, float]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--finished", type=int, default=10_000_000)
    options.add_argument("--seconds", type=float, default=20.0, help="of each of the three, in each round")
    options.add_argument("--rounds", type=int, default=3)
    add_options(options)
    chosen = options.parse_args()
    report = Report("what does deletion cost claims?", durability(chosen.url))
    with database(chosen.url) as url, opened(url) as store, hydra.Engine(url) as engine:
        began = time.perf_counter()
        filling.fill(store, url, finished=chosen.finished, sleeping=0, pending=0)
        print(f"{chosen.finished:,} ended, filled in {time.perf_counter() - began:.0f} s")
        measure(report, store, engine, url, chosen)
    report.save(chosen.json)


def measure(report: Report, store: Store, engine: hydra.Engine, url: str, chosen: argparse.Namespace) -> None:
    def left() -> int:
        return sum(engine.stats().counts.get("bench", {}).values())

    ways: dict[str, Callable[[], AbstractContextManager[object]]] = {
        BASE: lambda: supervisor(url, "--workers", "1", module="retention_app"),
        "a node's retention": lambda: supervisor(url, "--workers", "1", "--retention", "1s", module="retention_app"),
        "`hydra purge`, no node": lambda: purge(url),
    }
    times: dict[str, Times] = {way: [] for way in ways}
    gone = dict.fromkeys(ways, 0)
    for _ in range(chosen.rounds):
        for way, deleting in ways.items():
            before = left()
            with deleting():
                if way != BASE:
                    wait_until(lambda before=before: left() < before, START_SECONDS, 0.1)  # type: ignore[misc]
                before = left()
                times[way] += claims(store, chosen.seconds)
                gone[way] += before - left()
    base_wall, base_cpu = medians(times[BASE])
    for way, taken in times.items():
        wall, cpu = medians(taken)
        report.row(
            f"claim of {BATCH}, {way}",
            wall,
            "ms median",
            ratio=round(wall / base_wall, 2),
            cpu_ms=round(cpu, 3),
            cpu_ratio=round(cpu / base_cpu, 2),
            p99=round(percentile([each for each, _ in taken], 0.99), 1),
            deleted_per_second=round(gone[way] / (chosen.rounds * chosen.seconds)),
        )
    assert left() > 0, "all was deleted before the end: fill more"


def claims(store: Store, seconds: float) -> Times:
    """Each submits, claims and ends 64. Nobody beats for the node that claims, so it is another one soon."""
    taken = []
    until, registered_at = time.monotonic() + seconds, -NODE_SECONDS
    while time.monotonic() < until:
        if time.monotonic() - registered_at > NODE_SECONDS:
            node, registered_at = register(store), time.monotonic()
        store.submit(submissions(BATCH, None, workflow=LIVE), store.now())
        claimed, times = timed_claim(store, node, LIVE, BATCH)
        assert len(claimed) == BATCH
        assert all(
            store.commit(
                node, [ExecutionCommit(c.id, c.epoch, [], End("completed", b"")) for c in claimed], store.now()
            )
        )
        taken.append(times)
        time.sleep(PAUSE_SECONDS)
    return taken


@contextmanager
def purge(url: str) -> Iterator[None]:
    """It is stopped at the end, in the middle of its work."""
    command = [sys.executable, "-m", "hydra.cli", "purge", "--older-than", "1s", "--db", url]
    process = children.start(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait(60)


if __name__ == "__main__":
    main()
