"""One run of hydra through a fault of its database, and its figures: what went on when, ran again, was parked."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import hydra

from tests.clusters import cluster_app
from tests.clusters.patroni import until

ROOT = Path(__file__).resolve().parents[2]
APP = "tests.clusters.cluster_app"
STEPS = 8
GONE = "gone"  # a submission that an asynchronous failover lost
FINAL = ("completed", "failed", "cancelled", "parked", GONE)
LOG_LINES = 15  # of each node, where a trial does not end


class Trial:
    def __init__(self, folder: Path, url: str, node_count: int = 2, lease: str = "10s") -> None:
        self._log = folder / "effects"
        self._logs = [folder / f"node-{number}.log" for number in range(node_count)]
        self._url = url
        self.engine = hydra.Engine(url)
        self.engine.stats()
        self._nodes = []
        for path in self._logs:
            command = [sys.executable, "-m", "hydra.cli", "start", APP, "--db", url, "--lease-ttl", lease]
            with path.open("wb") as log:
                self._nodes.append(subprocess.Popen([*command, "--workers", "1"], cwd=ROOT, stdout=log, stderr=log))
        self._count = 0
        self._ids: list[str] = []

    def submit(self, count: int) -> None:
        """Under keys, so that it may be repeated while the database fails over."""
        for _ in range(count):
            self._count += 1
            bound = cluster_app.work.bind(str(self._log), f"w{self._count}", STEPS)
            self._ids.append(until(lambda bound=bound: self._try_submit(bound)))

    def effects(self) -> list[tuple[str, float]]:
        if not self._log.exists():
            return []
        lines = [line.split("\t") for line in self._log.read_text().splitlines()]
        return [(name, float(at)) for name, at in lines]

    def runs(self, count: int) -> None:
        """Until so many effects have been."""
        until(lambda: len(self.effects()) >= count)

    def gap_seconds(self, since: float) -> float:
        """The longest time without an effect after that instant."""
        instants = [since, *sorted(at for _, at in self.effects() if at >= since)]
        return max((later - before for before, later in pairwise(instants)), default=0.0)

    def finish(self, seconds: float = 300) -> dict[str, object]:
        """Wait for all; what became of it."""
        try:
            until(lambda: all(status in FINAL for status in self._statuses()), seconds)
        except TimeoutError:
            print(Counter(self._statuses()))
            for path in self._logs:
                print(path.name, *path.read_text().splitlines()[-LOG_LINES:], sep="\n")
            raise
        effects = self.effects()
        counts = Counter(name for name, _ in effects)
        statuses = Counter(self._statuses())
        text = "".join(path.read_text() for path in self._logs)
        return {
            **dict(sorted(statuses.items())),
            "steps that ran twice": sum(count > 1 for count in counts.values()),
            "of them recorded": recorded_and_repeated([name for name, _ in effects]),
            "rewinds told": text.count("lost what it had confirmed"),
            "parked told": text.count(" is parked: "),
            "audit": len(self.engine.audit()),
        }

    def close(self) -> None:
        for node in self._nodes:
            node.terminate()
        for node in self._nodes:
            try:
                node.wait(40)
            except subprocess.TimeoutExpired:
                node.kill()
                node.wait()
        self.engine.close()

    def _statuses(self) -> list[str]:
        try:
            return [self._status(id) for id in self._ids]
        except hydra.HydraError:
            return [""]

    def _status(self, id: str) -> str:
        try:
            return str(self.engine.get(id).status())
        except hydra.NotFound:
            return GONE

    def _try_submit(self, bound: object) -> str:
        try:
            return self.engine.submit(bound, key=f"k{self._count}").id  # type: ignore[arg-type]
        except hydra.StoreUnavailable:
            return ""


def recorded_and_repeated(names: list[str]) -> int:
    """Steps that ran again after their execution's next one had begun: what it rests on was durable then (G5)."""
    last: dict[str, int] = {}
    found = 0
    for name in names:
        execution, _, number = name.partition("/")
        found += int(number) < last.get(execution, -1)
        last[execution] = max(int(number), last.get(execution, -1))
    return found


def report(name: str, fault: Callable[[], float], trial: Trial, count: int) -> None:
    """Work, the fault in the middle of it (answers when another server answered), work; one line of figures."""
    try:
        trial.submit(count)
        trial.runs(count * STEPS // 3)
        began = time.time()
        answered = fault()
        figures = trial.finish()
        told = {
            "server answers after": f"{answered - began:.0f} s",
            "longest pause": f"{trial.gap_seconds(began):.0f} s",
        }
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in {**told, **figures}.items()), flush=True)
    finally:
        trial.close()
