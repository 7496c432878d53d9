"""Three PostgreSQL servers and an added fourth: what is accepted and done a second, while a namespace moves to it?

    python benches/databases.py [--seconds 20] [--threads 2]

Four namespaces in three servers by one map: two of them share the third. All are under load from threads that submit
one at a time, and one `hydra start --db-map` runs their nodes. Then the fourth namespace moves to the new server. Each
row is one stretch of time. At the end: was each accepted execution done once, in its own namespace's database?
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import children
import hydra
from app import one_step
from hydra.move import move
from machine import Report
from node import wait_until
from server import postgres

NAMES = ("north", "south", "west", "moving")
PLACES = {"north": 0, "south": 1, "west": 2, "moving": 2}
NEW = 3
LEASE_SECONDS = 2.0
SETTINGS = "shared_buffers = 256MB\nmax_wal_size = 4GB\n"  # four of them share the machine
START_SECONDS = SETTLE_SECONDS = 300.0


class Load:
    """Threads that submit, one at a time, under keys; refused while their namespace has no database."""

    def __init__(self, file: Path, threads: int) -> None:
        self._file = file
        self._mutex = threading.Lock()
        self._done = threading.Event()
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.keys: dict[str, list[str]] = {name: [] for name in NAMES}
        self._threads = [threading.Thread(target=self._run, args=[n, k]) for n in NAMES for k in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _run(self, name: str, thread: int) -> None:
        number = 0
        while not self._done.is_set():
            try:
                with hydra.Engine(namespace=name, db_map=self._file) as engine:
                    while not self._done.is_set():
                        key = f"{thread}-{number}"
                        engine.submit(one_step.bind("x" * 200), key=key)
                        number += 1
                        with self._mutex:
                            self.accepted[name] += 1
                            self.keys[name].append(key)
            except hydra.ConfigError:
                with self._mutex:
                    self.refused[name] += 1
                self._done.wait(0.05)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--threads", type=int, default=2, help="of each namespace")
    options.add_argument("--json", help="a file for the rows")
    chosen = options.parse_args()
    report = Report("several databases by one map", "PostgreSQL, fsync=on, synchronous_commit=on, four servers")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = []
        for _ in range(NEW + 1):
            server = postgres.PostgresServer(settings=SETTINGS)
            stack.callback(server.destroy)
            urls.append(server.start().url())
        file = folder / "databases"
        before = {name: urls[place] for name, place in PLACES.items()}
        write(file, before)
        command = [sys.executable, "-m", "hydra.cli", "start", "app", "--workers", "1", "--db-map", str(file)]
        nodes = children.start([*command, "--lease-ttl", f"{LEASE_SECONDS:g}s"], cwd=Path(__file__).parent)
        stack.callback(children.end, nodes)
        wait_until(lambda: all(alive(file, name) for name in NAMES), START_SECONDS)
        load = Load(file, chosen.threads)
        stack.callback(load.stop)
        time.sleep(2.0)
        measure(report, "all four at work", load, chosen.seconds)

        began = time.perf_counter()
        write(file, {name: url for name, url in before.items() if name != "moving"})
        nodes.send_signal(signal.SIGHUP)
        wait_until(lambda: not alive(file, "moving", before), START_SECONDS)
        with hydra.Engine(before["moving"], "moving") as engine:
            rows = sum(sum(counts.values()) for counts in engine.stats().counts.values())
        moved_from = Counter(load.accepted), time.perf_counter()
        move(before["moving"], urls[NEW], "moving", lease_seconds=LEASE_SECONDS)
        seconds = time.perf_counter() - moved_from[1]
        others = sum(load.accepted[name] - moved_from[0][name] for name in NAMES if name != "moving")
        report.row(f"the move of {rows:,} executions", seconds, "s", others_accepted=f"{others / seconds:,.0f}/s")
        write(file, {**before, "moving": urls[NEW]})
        nodes.send_signal(signal.SIGHUP)
        count = load.accepted["moving"]
        wait_until(lambda: load.accepted["moving"] > count and alive(file, "moving"), START_SECONDS)
        report.row("the moved namespace stood still", time.perf_counter() - began, "s")
        measure(report, "all four at work, one on the new server", load, chosen.seconds)
        load.stop()
        check(report, load, file, {**before, "moving": urls[NEW]})
    report.save(chosen.json)


def write(file: Path, urls: dict[str, str]) -> None:
    """At once: who reads it meanwhile reads the old or the new one."""
    new = file.with_suffix(".new")
    new.write_text("".join(f"{name} {url}\n" for name, url in urls.items()))
    new.replace(file)


def alive(file: Path, name: str, urls: dict[str, str] | None = None) -> bool:
    with hydra.Engine(namespace=name, db_map=urls or file) as engine:
        return engine.stats().nodes_alive > 0


def measure(report: Report, what: str, load: Load, seconds: float) -> None:
    before = Counter(load.accepted)
    time.sleep(seconds)
    each = {name: f"{(load.accepted[name] - before[name]) / seconds:,.0f}/s" for name in NAMES}
    report.row(what, (load.accepted.total() - before.total()) / seconds, "accepted/s", **each)


def check(report: Report, load: Load, file: Path, urls: dict[str, str]) -> None:
    """Each accepted key is completed where its namespace lives; what was moved away takes nothing."""
    began = time.perf_counter()
    for name in NAMES:
        with hydra.Engine(namespace=name, db_map=file) as engine:
            assert engine.url == urls[name]
            wait_until(lambda engine=engine: not open_count(engine), SETTLE_SECONDS, pause=0.2)
            done = engine.stats().counts["one_step"]
            assert done == {"completed": load.accepted[name]}, (name, done, load.accepted[name])
            for key in load.keys[name][:: max(1, len(load.keys[name]) // 500)]:
                assert engine.find("one_step", key).status() == "completed"
            assert engine.audit() == []
    report.row("until all of it had ended", time.perf_counter() - began, "s", refused=dict(load.refused))


def open_count(engine: hydra.Engine) -> int:
    counts = engine.stats().counts["one_step"]
    return sum(count for status, count in counts.items() if status != "completed")


if __name__ == "__main__":
    main()
