"""How long does an audit of a million executions take, in how much memory, and what do claims beside it pay?

    python benches/audit.py [--executions 1000000] [--batch 64] [--url sqlite|postgres|mysql|URL] [--move-to postgres]

They have completed, each with three recorded steps. `hydra audit` runs in a process of its own while submissions are
claimed and completed here, as before it by themselves. With `--move-to`, `hydra move` takes them to another database
afterwards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time

import filling
import psycopg
from claim import is_postgres, submissions, timed_claim
from hydra.execution import End, ExecutionCommit, NodeRef
from hydra.stores.store import Store
from machine import Report, percentile
from server import add_options, database, durability, opened, register

STEPS = ("charge", "ship", "mail")
ALONE_ROUNDS = 200


class Command:
    """`hydra …` in a process of its own, with what it printed, how long it took and the most memory it had."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hydra.cli", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.printed = ""
        self.seconds = self.peak_mb = self.cpu_seconds = 0.0
        self._thread = threading.Thread(target=self._wait, args=[time.perf_counter()])
        self._thread.start()

    def _wait(self, began: float) -> None:
        assert self._process.stdout is not None
        self.printed = self._process.stdout.read()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.perf_counter() - began
        self.peak_mb = usage.ru_maxrss / 1024
        self.cpu_seconds = usage.ru_utime + usage.ru_stime

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> None:
        self._thread.join()
        if self._process.returncode != 0:
            raise SystemExit(f"`{self._process.args}` said: {self.printed}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--executions", type=int, default=1_000_000)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--move-to", help="`sqlite`, `postgres`, `mysql` (a fresh one) or a URL")
    add_options(options)
    chosen = options.parse_args()
    report = Report("what does an audit of many executions cost?", durability(chosen.url))
    with database(chosen.url) as url:
        with opened(url) as store:
            filling.fill(store, url, finished=chosen.executions, sleeping=0, pending=0)
            filling.record(store, url, 1, chosen.executions, STEPS)
            measure(report, store, url, chosen)
        if chosen.move_to:
            with database(chosen.move_to) as target:
                moving = Command("move", url, target, "--lease-ttl", "2s")
                moving.end()
                show(report, f"the move of {chosen.executions:,} to {chosen.move_to}", moving)
    report.save(chosen.json)


def measure(report: Report, store: Store, url: str, chosen: argparse.Namespace) -> None:
    node = register(store)
    alone = [finish(store, node, chosen.batch) for _ in range(ALONE_ROUNDS)]
    show_claims(report, f"claim of {chosen.batch}, nothing beside it", alone)
    written = temporary_mb(url)
    audit, beside, wal_mb = Command("audit", "--db", url), list[float](), 0.0
    while not audit.is_over:
        beside.append(finish(store, node, chosen.batch))
        wal_mb = max(wal_mb, side_file_mb(store))
    audit.end()
    show_claims(report, f"claim of {chosen.batch} beside the audit", beside)
    more = {"wal_mb": round(wal_mb)} if store.path else {}
    if is_postgres(url):
        more = {"temporary_mb": round(temporary_mb(url) - written)}
    show(report, f"the audit of {chosen.executions:,}, claims beside it", audit, **more)
    alone_audit = Command("audit", "--db", url)
    alone_audit.end()
    show(report, f"the audit of {chosen.executions:,} by itself", alone_audit)


def finish(store: Store, node: NodeRef, batch: int) -> float:
    """Milliseconds of the claim."""
    store.submit(submissions(batch, None, priority=1), store.now())
    claimed, (milliseconds, _) = timed_claim(store, node, filling.WORKFLOW, batch)
    commits = [ExecutionCommit(c.id, c.epoch, [], End("completed", b"")) for c in claimed]
    assert all(store.commit(node, commits, store.now()))
    return milliseconds


def show_claims(report: Report, what: str, milliseconds: list[float]) -> None:
    p99, worst = percentile(milliseconds, 0.99), max(milliseconds)
    report.row(what, statistics.median(milliseconds), "ms median", p99=round(p99, 1), worst=round(worst, 1))


def show(report: Report, what: str, command: Command, **more: object) -> None:
    client = {"client_peak_mb": round(command.peak_mb), "client_cpu_s": round(command.cpu_seconds, 1)}
    report.row(what, command.seconds, "s", **client, **more)


def side_file_mb(store: Store) -> float:
    """What SQLite has written and cannot yet move into its file."""
    path = f"{store.path}-wal"
    return os.path.getsize(path) / 2**20 if store.path and os.path.exists(path) else 0.0


def temporary_mb(url: str) -> float:
    """What PostgreSQL has written to temporary files so far."""
    if not is_postgres(url):
        return 0.0
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select temp_bytes from pg_stat_database where datname = current_database()")
        return float((row.fetchone() or (0,))[0]) / 2**20


if __name__ == "__main__":
    main()
