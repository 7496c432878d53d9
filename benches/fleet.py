"""Does a fleet lose, double or delay anything while it is deployed under load, and while a bad deploy is taken back?

    python benches/fleet.py [--nodes 6] [--rate 40] [--settle 10] [--url sqlite|postgres|mysql|URL]

Executions pay, sleep for a while and ship (`fleet_app`); each effect is a line in a file. The nodes are replaced one by
one by release 2, which goes on with what 1 began; then half of them by release 3, which cannot, and back by release 2.
What 3 began then parks, until a node of release 3 stands beside the others and an operator resumes it. Exit code 1 when
an effect is missing or there twice, an execution ends otherwise, or the audit finds something.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import children
import fleet_app
import hydra
from machine import Report, percentile
from node import METRICS, wait_until
from server import add_options, database, durability

SLEEP_SECONDS = 3.0  # of an execution: many are asleep at any time
BATCH_SECONDS = 0.1
START_SECONDS = 120.0
END_SECONDS = 600.0


class Effect(NamedTuple):
    what: str
    number: int
    release: str
    at: float


class Fleet:
    """Nodes of one database, each with its release."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self.notes = folder / "effects"
        self.nodes: list[subprocess.Popen[bytes]] = []

    def start(self, release: int) -> subprocess.Popen[bytes]:
        place = self._folder / f"release-{release}"
        if not place.exists():
            place.mkdir()
            text = Path(fleet_app.__file__).read_text()
            (place / "fleet_app.py").write_text(text.replace("RELEASE = 1\n", f"RELEASE = {release}\n"))
        command = ["start", "fleet_app", "--db", self._url, "--workers", "1", *METRICS]
        environment = {**os.environ, "HYDRA_FLEET_NOTES": str(self.notes)}
        with open(place / "log", "ab") as log:
            return children.start(
                [sys.executable, "-m", "hydra.cli", *command], cwd=place, stdout=log, stderr=log, env=environment
            )

    def wait_ready(self, engine: hydra.Engine) -> None:
        pids = {node.pid for node in self.nodes}
        wait_until(lambda: pids <= {each.info.pid for each in engine.nodes() if each.code_version}, START_SECONDS, 0.1)

    def replace(self, engine: hydra.Engine, place: int, release: int) -> None:
        """One node drains, and another takes its place."""
        children.end(self.nodes[place])
        self.nodes[place] = self.start(release)
        self.wait_ready(engine)

    def effects(self) -> list[Effect]:
        lines = [line.split("\t") for line in self.notes.read_text().splitlines()]
        return [Effect(what, int(number), release, float(at)) for what, number, release, at in lines]


class Load:
    """Submits at a steady rate until the block ends, and remembers when each was asked for."""

    def __init__(self, url: str, rate: float) -> None:
        self._url, self._rate = url, rate
        self.asked: list[float] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        ends = threading.Event()
        thread = threading.Thread(target=self._submit, args=(ends,))
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()

    def _submit(self, ends: threading.Event) -> None:
        began = time.monotonic()
        with hydra.Engine(self._url) as engine:
            while not ends.wait(BATCH_SECONDS):
                first, last = len(self.asked), int(self._rate * (time.monotonic() - began))
                calls = [fleet_app.fleet_order.bind(number, SLEEP_SECONDS) for number in range(first, last)]
                asked = time.time()
                engine.submit_many(calls)
                self.asked += [asked] * len(calls)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nodes", type=int, default=6)
    options.add_argument("--rate", type=float, default=40.0, help="executions a second")
    options.add_argument("--settle", type=float, default=10.0, help="seconds between two parts")
    add_options(options)
    chosen = options.parse_args()
    report = Report(f"a fleet of {chosen.nodes} is deployed under load", durability(chosen.url))
    with (
        tempfile.TemporaryDirectory() as folder,
        database(chosen.url) as url,
        hydra.Engine(url) as engine,
    ):
        engine.migrate()
        fleet, load = Fleet(url, Path(folder)), Load(url, chosen.rate)
        try:
            parts = deploy(engine, fleet, load, chosen.nodes, chosen.settle)
            findings = settle(report, engine, fleet, load)
            tell(report, fleet, load, parts)
        finally:
            children.end(*fleet.nodes)
    report.save(chosen.json)
    sys.exit("\n".join(findings[:20]) or None)


def deploy(
    engine: hydra.Engine, fleet: Fleet, load: Load, nodes: int, settle_seconds: float
) -> list[tuple[str, float, float]]:
    """What was done, from when until when."""
    parts = []

    @contextmanager
    def part(name: str) -> Iterator[None]:
        began = time.time()
        yield
        parts.append((name, began, time.time()))

    fleet.nodes += [fleet.start(1) for _ in range(nodes)]
    fleet.wait_ready(engine)
    with load.running():
        time.sleep(settle_seconds)
        with part("no deploy"):
            time.sleep(settle_seconds)
        with part("release 2, node by node"):
            for place in range(nodes):
                fleet.replace(engine, place, 2)
        time.sleep(settle_seconds)
        with part("release 3 on half of the nodes"):
            for place in range(nodes // 2):
                fleet.replace(engine, place, 3)
        time.sleep(settle_seconds)
        with part("back to release 2"):
            for place in range(nodes // 2):
                fleet.replace(engine, place, 2)
    return parts


def settle(report: Report, engine: hydra.Engine, fleet: Fleet, load: Load) -> list[str]:
    """All that was accepted ends once the parked ones have code again; what is wrong, a sentence each."""

    def open_ones() -> Counter[str]:
        counts = engine.stats().counts["fleet_order"]
        return Counter({status: count for status, count in counts.items() if status not in ("completed", "failed")})

    wait_until(lambda: set(open_ones()) <= {"parked"}, END_SECONDS, 0.2)
    report.row("parked until release 3 was there again", open_ones()["parked"], "executions", of=len(load.asked))
    fleet.nodes.append(fleet.start(3))
    fleet.wait_ready(engine)
    for found in engine.executions(status="parked", limit=100_000):
        engine.get(found.id).resume()
    wait_until(lambda: not open_ones(), END_SECONDS, 0.2)
    findings = [f"audit: {each.promise} {each.execution_id} {each.detail}" for each in engine.audit()]
    ended = engine.stats().counts["fleet_order"]
    if ended != {"completed": len(load.asked)}:
        findings.append(f"{len(load.asked)} were accepted, and ended {ended}")
    done = Counter((effect.what, effect.number) for effect in fleet.effects())
    findings += [f"{what} {number} happened {count} times" for (what, number), count in done.items() if count > 1]
    for what in ("paid", "shipped"):
        lacking = [number for number in range(len(load.asked)) if not done[what, number]]
        findings += [f"{len(lacking)} were never {what}, such as {lacking[0]}"] if lacking else []
    return findings


def tell(report: Report, fleet: Fleet, load: Load, parts: list[tuple[str, float, float]]) -> None:
    paid = {effect.number: effect.at for effect in fleet.effects() if effect.what == "paid"}
    for name, began, ended in parts:
        waits = [
            1000 * (paid[number] - at) for number, at in enumerate(load.asked) if began <= at < ended and number in paid
        ]
        report.row(
            f"asked for until paid: {name}",
            percentile(waits, 0.5),
            "ms p50",
            p99=round(percentile(waits, 0.99), 1),
            worst=round(max(waits), 1),
            executions=len(waits),
            seconds=round(ended - began),
        )


if __name__ == "__main__":
    main()
