"""Does a claim cost more when the database is full of pending, sleeping and finished executions?

    python benches/claim.py [--pending 1000000] [--sleeping 1000000] [--finished 5000000] [--batch 64]
        [--url postgres|mysql|URL] [--hold-seconds 60] [--updates 1000000]

Claims batches of due executions at store level, each released by completing it, in an otherwise empty database and
then beside the rows asked for. The ratio of medians is the figure (goal: at most 1.5): of the time that passed, and of
the CPU that the claim took here and in the server, which is what counts on a machine that does something else, too.
On servers then once more after so many updates (on PostgreSQL without a vacuum), and while a transaction is held open
for so long.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import filling
import psycopg
import pymysql
from hydra import _core
from hydra.codec import encode_call
from hydra.execution import Claimed, End, ExecutionCommit, NodeRef, Submission
from hydra.stores.mysql.address import read_address
from hydra.stores.store import Store
from machine import Report
from server import add_options, database, durability, opened, register, writer_seconds

MOVED_AT_ONCE = 1_000


def submissions(count: int, run_at: int | None, priority: int = 0, workflow: str = "bench") -> list[Submission]:
    payload, digest = encode_call(("x" * 200,), {})
    return [
        Submission(id, workflow, payload, digest, run_at=run_at, priority=priority) for id in _core.uuid7_many(count)
    ]


def finish(store: Store, node: NodeRef, batch: int) -> tuple[float, float]:
    """Wall and CPU milliseconds of the claim."""
    claimed, taken = timed_claim(store, node, "bench", batch)
    commits = [ExecutionCommit(c.id, c.epoch, [], End("completed", b"")) for c in claimed]
    assert all(store.commit(node, commits, store.now()))
    return taken


def timed_claim(store: Store, node: NodeRef, workflow: str, slots: int) -> tuple[list[Claimed], tuple[float, float]]:
    began, cpu_began = time.perf_counter(), time.thread_time() + writer_seconds(store)
    claimed = store.claim(node, [workflow], slots, store.now())
    seconds, cpu = time.perf_counter() - began, time.thread_time() + writer_seconds(store) - cpu_began
    return claimed, (1000 * seconds, 1000 * cpu)


def claims(store: Store, node: NodeRef, batch: int, rounds: int) -> tuple[float, float]:
    """Medians of wall and CPU milliseconds."""
    store.submit(submissions(batch * rounds, None, priority=1), store.now())
    return medians([finish(store, node, batch) for _ in range(rounds)])


def empty_claims(store: Store, node: NodeRef, rounds: int) -> tuple[float, float]:
    return medians([timed_claim(store, node, "absent", 64)[1] for _ in range(rounds)])


def medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(wall for wall, _ in times), statistics.median(cpu for _, cpu in times)


def show(report: Report, what: str, taken: tuple[float, float], base: tuple[float, float]) -> None:
    (wall, cpu), (base_wall, base_cpu) = taken, base
    ratios = {"ratio": round(wall / base_wall, 2), "cpu_ms": round(cpu, 3), "cpu_ratio": round(cpu / base_cpu, 2)}
    report.row(what, wall, "ms median", **ratios)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pending", type=int, default=1_000_000)
    options.add_argument("--sleeping", type=int, default=1_000_000)
    options.add_argument("--finished", type=int, default=5_000_000)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--hold-seconds", type=float, default=60.0)
    options.add_argument("--updates", type=int, default=1_000_000)
    add_options(options)
    chosen = options.parse_args()
    report = Report("does a claim cost more beside many rows?", durability(chosen.url))
    with database(chosen.url) as url, opened(url) as store:
        measure(report, store, url, chosen)
    report.save(chosen.json)


def measure(report: Report, store: Store, url: str, chosen: argparse.Namespace) -> None:
    node = register(store)
    alone = claims(store, node, chosen.batch, chosen.rounds)
    show(report, f"claim of {chosen.batch}, nothing beside it", alone, alone)
    alone_empty = empty_claims(store, node, chosen.rounds)
    show(report, "claim that finds nothing, empty database", alone_empty, alone_empty)
    began = time.perf_counter()
    filling.fill(store, url, finished=chosen.finished, sleeping=chosen.sleeping, pending=chosen.pending)
    print(f"filled in {time.perf_counter() - began:.0f} s")
    print(f"beside {chosen.pending:,} pending, {chosen.sleeping:,} sleeping, {chosen.finished:,} finished:")
    show(report, f"claim of {chosen.batch}", claims(store, node, chosen.batch, chosen.rounds), alone)
    show(report, "claim that finds nothing", empty_claims(store, node, chosen.rounds), alone_empty)
    if urlsplit(url).scheme != "sqlite":
        if is_postgres(url):
            leave_dead_rows(url, chosen.updates)
        else:
            leave_marked_rows(url, chosen.updates)
        what = f"claim of {chosen.batch} after {chosen.updates:,} updates"
        show(report, what, claims(store, node, chosen.batch, chosen.rounds), alone)
        what = f"claim of {chosen.batch}, a transaction open for {chosen.hold_seconds:g} s"
        show(report, what, claims_beside_an_old_snapshot(store, node, url, chosen), alone)


def leave_dead_rows(url: str, count: int) -> None:
    """In the queue itself: each update moves an execution in the claim's index."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table hydra_execution set (autovacuum_enabled = off)")
        left = count
        while left > 0:
            moved = connection.execute(
                "update hydra_execution set run_at = run_at + 1 where ctid = any(array("
                "select ctid from hydra_execution where status = 'pending' and wake_at is null limit %s))",
                [left],
            ).rowcount
            if not moved:
                return
            left -= moved


def leave_marked_rows(url: str, count: int) -> None:
    """The same on MySQL, whose purge cannot be turned off: it is at it, or behind, when the next claims come."""
    with pymysql.connect(**read_address(url).arguments()) as connection, connection.cursor() as cursor:
        cursor.execute("set session transaction isolation level read committed")
        cursor.execute("select id from hydra_ready limit %s", (count,))
        ids = [id for (id,) in cursor.fetchall()]
        for start in range(0, len(ids), MOVED_AT_ONCE):
            cursor.execute(
                """
                update hydra_execution as e
                straight_join hydra_ready as q
                    on q.namespace = e.namespace
                    and q.workflow = e.workflow
                    and q.negated_priority = -e.priority
                    and q.run_at = e.run_at
                    and q.id = e.id
                set e.run_at = e.run_at + 1, q.run_at = q.run_at + 1
                where e.id in %s
                """,
                (ids[start : start + MOVED_AT_ONCE],),
            )
            connection.commit()


def claims_beside_an_old_snapshot(
    store: Store, node: NodeRef, url: str, chosen: argparse.Namespace
) -> tuple[float, float]:
    """Work goes on all the time; the figure is of the last rounds, when most is dead that nobody may forget."""
    with old_snapshot(url):
        until = time.monotonic() + chosen.hold_seconds
        taken = claims(store, node, chosen.batch, chosen.rounds)
        while time.monotonic() < until:
            taken = claims(store, node, chosen.batch, chosen.rounds)
        return taken


@contextmanager
def old_snapshot(url: str) -> Iterator[None]:
    """A transaction that stays open, and may still ask for what was there when it began."""
    if is_postgres(url):
        with psycopg.connect(url) as old:
            old.execute("set transaction isolation level repeatable read")
            old.execute("select 1 from hydra_schema")
            yield
    else:
        with pymysql.connect(**read_address(url).arguments()) as connection, connection.cursor() as cursor:
            cursor.execute("set session transaction isolation level repeatable read")
            cursor.execute("start transaction with consistent snapshot")
            yield


def is_postgres(url: str) -> bool:
    return urlsplit(url).scheme.startswith("postgres")


if __name__ == "__main__":
    main()
