"""A long time of mixed work while everything is killed and restarted on a seeded plan: what grows, how often was it
there, is the end clean? Two nodes: one that is left alone, whose memory, descriptors and threads are watched, and one
that is killed, stopped, redeployed. A server of its own is killed and started, too.

    python benches/soak.py --hours 24 --out soak.html                      # a SQLite file
    python benches/soak.py --minutes 60 --database postgres --seed 7
    python benches/soak.py --minutes 60 --database postgresql://…          # its server is left alone

Exit code 1 when something was lost, broken or grows.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).parents[1]))

import children
import hydra
import soak_app
from hydra import _core
from hydra.errors import HydraError, StoreUnavailable
from machine import descendants, descriptors, facts, memory_mb, require_release_build, threads
from node import METRICS
from soak_figures import Page, Points, availability, render, slope

from tests.servers import mysql, postgres

HERE = Path(__file__).parent
NODE_FAULTS = ("kill a worker", "kill the node", "deploy the node", "stop the node for a while")
SERVER_FAULTS = ("kill the server", "restart the server")
REPEAT_SECONDS = 0.1
WATCHED = {
    "memory of the supervisor": "MB",
    "memory of the workers": "MB",
    "descriptors": "",
    "threads": "",
    "connections": "",
    "database": "MB",
}


class Fault(NamedTuple):
    at: float  # seconds since the beginning
    what: str
    pause: float  # seconds until it is put right


def plan(seed: int, seconds: float, every: float, has_server: bool) -> list[Fault]:
    """The same for the same seed. The last part of a run is quiet, so that it can end."""
    chance = random.Random(seed)
    kinds = [*NODE_FAULTS, *(SERVER_FAULTS if has_server else ())]
    found: list[Fault] = []
    at = chance.uniform(0.5, 1.5) * every
    while at < 0.9 * seconds:
        found.append(Fault(at, chance.choice(kinds), chance.uniform(0.2, min(6.0, every))))
        at += chance.uniform(0.5, 1.5) * every
    return found


class Node:
    """`hydra start`, started again whenever it has ended."""

    def __init__(self, url: str, environment: dict[str, str], log: Path, lease: str) -> None:
        self._command = [
            *(sys.executable, "-m", "hydra.cli", "start", "soak_app", "--db", url),
            *("--workers", "2", "--concurrency", "16", "--lease-ttl", lease),
            *METRICS,
        ]
        self._environment = environment
        self._log = log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return children.start(self._command, cwd=HERE, env=self._environment, stdout=log, stderr=log)

    def restart(self) -> None:
        self.process.wait()
        self.process = self._start()

    def is_gone(self) -> bool:
        return self.process.poll() is not None

    def workers(self) -> list[int]:
        return descendants(self.process.pid)[1:]

    def end(self) -> None:
        if not self.is_gone():
            self.process.send_signal(signal.SIGCONT)
            children.end(self.process)


class Soak:
    """One run, in a folder of its own."""

    def __init__(self, chosen: argparse.Namespace, folder: Path) -> None:
        self.seconds = 3600.0 * chosen.hours if chosen.hours else 60.0 * chosen.minutes
        self._chosen = chosen
        self._notes = folder / "notes"
        self._server: Any = None
        self.url = self._database(folder)
        self.engine = hydra.Engine(self.url, timeout=5.0)
        environment = {**os.environ, "HYDRA_SOAK_NOTES": str(self._notes), "PYTHONPATH": str(HERE)}
        self.engine.migrate()
        self.steady = Node(self.url, environment, folder / "steady.log", chosen.lease)
        self.harmed = Node(self.url, environment, folder / "harmed.log", chosen.lease)
        self.faults: list[tuple[float, str]] = []
        self.outages: list[tuple[float, float]] = []  # the server was down from, until
        self.series: dict[str, list[tuple[float, float]]] = {name: [] for name in WATCHED}
        self.accepted: list[tuple[float, float]] = []  # asked for at, seconds until it was accepted
        self._probes: dict[int, float] = {}  # accepted at
        self.submitted: Counter[str] = Counter()
        self.deaths = 0
        self.restarts_of_steady = 0
        self.findings: list[str] = []
        self._rollouts: list[str] = []
        self._ends = threading.Event()
        self._began = 0.0

    def _database(self, folder: Path) -> str:
        match self._chosen.database:
            case "sqlite":
                return f"sqlite:///{folder}/soak.db"
            case "postgres":
                self._server = postgres.PostgresServer().start()
                return postgres.create_database(self._server)
            case "mysql":
                self._server = mysql.MysqlServer().start()
                return mysql.create_database(self._server)
        return str(self._chosen.database)

    def run(self) -> None:
        self._wait_for_nodes()
        self._began = time.monotonic()
        threads = [
            threading.Thread(target=self._guarded, args=(work,), daemon=True)
            for work in (self._load, self._probe, self._sample, self._clean)
        ]
        for thread in threads:
            thread.start()
        for fault in plan(self._chosen.seed, self.seconds, self._chosen.fault_every, self._server is not None):
            if self._wait_until(fault.at):
                self._harm(fault)
        self._wait_until(self.seconds)
        self._ends.set()
        for thread in threads:
            thread.join(90)
            if thread.is_alive():
                self.findings.append("a client hangs")
        self._settle()

    def close(self) -> None:
        for node in (self.steady, self.harmed):
            node.end()
        self.engine.close()
        if self._server is not None:
            self._server.destroy()

    def _wait_for_nodes(self) -> None:
        """A service is not unavailable before it has ever been started."""
        deadline = time.monotonic() + 120
        while self.engine.stats().nodes_alive < 2:
            if time.monotonic() > deadline:
                raise OSError("the nodes did not start within two minutes")
            time.sleep(0.05)

    # what happens

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _wait_until(self, at: float) -> bool:
        """Meanwhile nodes that ended are started again, as a service manager would."""
        while self._now() < at:
            self._revive()
            time.sleep(min(0.1, max(0.0, at - self._now())))
        return True

    def _revive(self) -> None:
        if self.steady.is_gone():
            self.restarts_of_steady += 1
            self.steady.restart()
        if self.harmed.is_gone():
            self.harmed.restart()

    def _harm(self, fault: Fault) -> None:
        self.faults.append((self._now(), fault.what))
        process = self.harmed.process
        match fault.what:
            case "kill a worker":
                if workers := self.harmed.workers():
                    self.deaths += 16  # as many tries as it had places
                    with suppress(ProcessLookupError):
                        os.kill(workers[-1], signal.SIGKILL)
            case "kill the node":
                self.deaths += 32
                process.kill()
                process.wait()
            case "deploy the node":
                process.send_signal(signal.SIGTERM)
            case "stop the node for a while":
                process.send_signal(signal.SIGSTOP)
                self.deaths += 32  # it may be declared dead, and its work begun elsewhere
                self._wait_until(self._now() + fault.pause)
                process.send_signal(signal.SIGCONT)
            case "kill the server" | "restart the server":
                self.deaths += 64
                down_at = self._now()
                self._server.kill() if fault.what.startswith("kill") else self._server.stop()
                self._wait_until(self._now() + fault.pause)
                self._server.start()
                self.outages.append((down_at, self._now()))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.findings.append(f"{work.__name__.strip('_')}: {type(error).__name__}: {error}")

    def _submit(self, bound: Any) -> tuple[str, float]:
        """Its id, and when it was accepted; repeated under its id until it is."""
        id, asked_at = str(_core.uuid7()), self._now()
        while True:
            try:
                self.engine.submit(bound, id=id)
                break
            except StoreUnavailable:
                time.sleep(REPEAT_SECONDS)
        self.accepted.append((asked_at, self._now() - asked_at))
        self.submitted[bound.workflow.name] += 1
        return id, self._now()

    def _load(self) -> None:
        chance = random.Random(self._chosen.seed + 1)
        number = 0
        while not self._ends.wait(chance.expovariate(self._chosen.rate)):
            number += 1
            if chance.random() < 0.8:
                self._submit(soak_app.soak_invoice.bind(number, chance.choice((0.0, 0.01, 1.5, 3.0))))
                continue
            self._rollouts.append(self._submit(soak_app.soak_rollout.bind(number, 3))[0])
            if len(self._rollouts) > 5:
                self._approve(self._rollouts.pop(0))

    def _approve(self, id: str) -> None:
        while True:
            try:
                self.engine.signal(id, "approved", "yes", signal_id=f"approve-{id}")
                return
            except StoreUnavailable:
                time.sleep(REPEAT_SECONDS)

    def _probe(self) -> None:
        number = 0
        while not self._ends.wait(0.5):
            number += 1
            self._probes[number] = self._submit(soak_app.soak_probe.bind(number))[1]

    def _clean(self) -> None:
        while not self._ends.wait(self._chosen.purge_every):
            with suppress(StoreUnavailable):
                self.engine.purge(timedelta(seconds=self._chosen.purge_every))

    def _sample(self) -> None:
        while not self._ends.wait(self._chosen.sample_every):
            at, pid = self._now(), self.steady.process.pid
            if self.steady.is_gone():
                continue
            workers = self.steady.workers()
            found = {
                "memory of the supervisor": memory_mb(pid),
                "memory of the workers": sum(map(memory_mb, workers)),
                "descriptors": sum(map(descriptors, (pid, *workers))),
                "threads": sum(map(threads, (pid, *workers))),
            }
            with suppress(Exception):  # the server may be down
                found |= _database_figures(self.url)
            for name, value in found.items():
                self.series[name].append((at, value))

    # the end

    def _settle(self) -> None:
        """All that was accepted ends, and nothing is broken."""
        for id in self._rollouts:
            self._approve(id)
        deadline = time.monotonic() + 120
        open_count = -1
        while open_count and time.monotonic() < deadline:
            self._revive()
            with suppress(StoreUnavailable):
                counts = self.engine.stats().counts
                ended = ("completed", "failed", "cancelled")
                open_count = sum(n for each in counts.values() for status, n in each.items() if status not in ended)
            time.sleep(0.2)
        if open_count:
            self.findings.append(f"{open_count} executions have not ended two minutes after the last submission")
        counts = self.engine.stats().counts
        wrong = {(name, status): n for name, each in counts.items() for status, n in each.items() if n and status in
                 ("failed", "cancelled", "parked")}  # fmt: skip
        self.findings += [f"{n} executions of {name} are {status}" for (name, status), n in wrong.items()]
        self.findings += [f"audit: {each.promise} {each.execution_id} {each.detail}" for each in self.engine.audit()]
        self.findings += self._repeated()

    def notes(self, word: str) -> list[list[str]]:
        if not self._notes.exists():
            return []
        lines = [line.split("\t") for line in self._notes.read_text().splitlines()]
        return [line[1:] for line in lines if line[0] == word]

    def _repeated(self) -> list[str]:
        """Charges are tried again where the first try failed, or died; under one key, and no more often than that."""
        keys: dict[str, set[str]] = {}
        counts: Counter[str] = Counter()
        for number, key, _ in self.notes("charge"):
            keys.setdefault(number, set()).add(key)
            counts[number] += 1
        found = [
            f"invoice {number} was charged under {len(each)} keys" for number, each in keys.items() if len(each) > 1
        ]
        missing = self.submitted["soak_invoice"] - len(keys)
        if missing:
            found.append(f"{missing} invoices were never charged")
        extra = sum(count - (2 if int(number) % 10 == 3 else 1) for number, count in counts.items())
        if extra > self.deaths:
            found.append(f"{extra} charges were tried once more, and only {self.deaths} tries may have died")
        self.repeated = extra
        return found

    def begun(self) -> list[tuple[float, float]]:
        """When each probe was due, and how many seconds later it began first."""
        first: dict[int, float] = {}
        for number, at in self.notes("probe"):
            first.setdefault(int(number), float(at) - self._began)
        return [(due, first.get(number, float("inf")) - due) for number, due in self._probes.items()]


def _database_figures(url: str) -> dict[str, float]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = Path(parts.path.removeprefix("/"))
        sizes = [each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists()]
        return {"database": sum(sizes) / 1e6}
    if parts.scheme == "mysql":
        with mysql.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select (select sum(data_length + index_length) from information_schema.tables "
                "where table_schema = database()), (select count(*) from information_schema.processlist)"
            )
            size, count = cursor.fetchone()
            return {"database": float(size) / 1e6, "connections": float(count) - 1}
    import psycopg

    with psycopg.connect(url, autocommit=True, connect_timeout=2) as own:
        row = own.execute(
            "select pg_database_size(current_database()), (select count(*) from pg_stat_activity "
            "where datname = current_database())"
        ).fetchone()
        assert row is not None
        return {"database": row[0] / 1e6, "connections": float(row[1]) - 1}


def report(soak: Soak, chosen: argparse.Namespace) -> Page:
    begun = soak.begun()
    found, bad = availability(soak.seconds, begun, soak.accepted, soak.outages)
    rows = [
        ("available while the server was up (windows of 5 s)", _shown(found.share_up, found.good_up, found.windows_up)),
        ("available, its outages included", _shown(found.share, found.good, found.windows)),
        ("available, all of what was due and asked for", _shown(found.strict_share, found.strict, found.windows)),
        ("available, were these the faults of 30 days", f"{100 * found.share_of_a_month:.4f} %"),
        ("faults", str(len(soak.faults))),
        ("submitted", ", ".join(f"{name} {count}" for name, count in sorted(soak.submitted.items()))),
        ("probes that began later than 5 s", str(sum(wait > 5 for _, wait in begun))),
        ("longest until a probe began", f"{max((wait for _, wait in begun), default=0):.2f} s"),
        ("longest until a submission was accepted", f"{max((w for _, w in soak.accepted), default=0):.2f} s"),
        ("charges tried again after a death", f"{soak.repeated}"),
        ("times the node that is left alone ended by itself", str(soak.restarts_of_steady)),
    ]
    findings = list(soak.findings)
    if soak.restarts_of_steady:
        findings.append(f"the node that is left alone ended {soak.restarts_of_steady} times by itself")
    for name, unit in WATCHED.items():
        line = slope(soak.series[name], soak.seconds)
        if line is None:
            continue
        rows.append((name, f"mean {line.mean:.1f} {unit}, {line.per_hour:+.2f} ± {line.error:.2f} {unit} an hour"))
        if line.grows() and soak.seconds >= chosen.judge_from * 60:
            findings.append(f"{name} grows by {line.per_hour:.2f} ± {line.error:.2f} {unit} an hour")
    if soak.seconds >= chosen.judge_from * 60 and found.share_up < chosen.least:
        findings.append(f"available in {100 * found.share_up:.3f} % of windows, less than {100 * chosen.least:g} %")
    series: dict[str, tuple[str, Points]] = {name: (WATCHED[name], points) for name, points in soak.series.items()}
    waits = [(at, min(wait, 60.0)) for at, wait in sorted(begun)]
    series |= {"from accepted to begun": ("s", waits), "submissions": ("s", sorted(soak.accepted))}
    name = urlsplit(soak.url).scheme
    told = {**facts(), "database": name, "seed": str(chosen.seed), "seconds": f"{soak.seconds:.0f}"}
    return Page(f"hydra soak on {name}", told, rows, series, soak.faults, bad, findings)


def _shown(share: float, good: int, windows: int) -> str:
    return f"{100 * share:.3f} %, {good} of {windows}"


def options() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--hours", type=float, default=0.0)
    found.add_argument("--minutes", type=float, default=10.0, help="where no hours are said")
    found.add_argument("--database", default="sqlite", help="or `postgres`, `mysql`: a server of its own; or a URL")
    found.add_argument("--seed", type=int, default=1)
    found.add_argument("--rate", type=float, default=8.0, help="submissions a second, beside two probes")
    found.add_argument("--fault-every", type=float, default=30.0, help="seconds between two faults, on average")
    found.add_argument("--sample-every", type=float, default=2.0, help="seconds")
    found.add_argument("--purge-every", type=float, default=60.0, help="seconds; what ended so long ago is deleted")
    found.add_argument("--lease", default="3s", help="of the nodes")
    found.add_argument("--least", type=float, default=0.999, help="available, of the windows with the server up")
    found.add_argument("--judge-from", type=float, default=30.0, help="minutes from which slopes and shares count")
    found.add_argument("--out", type=Path, help="the report, as HTML")
    return found


def main() -> int:
    chosen = options().parse_args()
    require_release_build()
    with tempfile.TemporaryDirectory(prefix="hydra-soak-") as folder:
        soak = Soak(chosen, Path(folder))
        try:
            soak.run()
            page = report(soak, chosen)
        except (HydraError, OSError) as error:
            sys.exit(f"error: {error}")
        finally:
            soak.close()
    for name, value in page.rows:
        print(f"{name:52} {value}")
    for finding in page.findings:
        print(f"FOUND: {finding}")
    if chosen.out:
        chosen.out.write_text(render(page, soak.seconds))
    return 1 if page.findings else 0


if __name__ == "__main__":
    sys.exit(main())
