"""What do a million sleeping executions cost, and how late does one wake that is due?

    python benches/sleepers.py [--sleepers 1000000] [--rate 200] [--seconds 60] [--burst 10000]
        [--url sqlite|postgres|mysql|URL]

Each has begun, recorded its sleep and left its node, by the store's own verbs. They are due in one to 24 months. A
stream of others comes due at an even rate while a supervisor runs, then a burst in one instant. Lag = the instant at
which the body went on minus the one at which it was due (one host, one clock). Beside an empty database and beside
the sleepers: the supervisor's own memory, a claim at store level, and a drain of fresh one-step executions.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import hydra
import psycopg
import sleepers_app
from claim import claims, show
from hydra import _core, codec
from hydra.codec import encode_call
from hydra.execution import End, Ending, ExecutionCommit, Record, RecordKind, Submission
from hydra.stores.store import Store
from machine import Report, percentile, tree_cpu_seconds, tree_memory_mb
from node import supervisor, wait_until
from server import add_options, database, durability, opened, register

PART = 5_000  # executions put to sleep in one transaction
SLEEP_RATE = 2_000  # a second, at which they are put to sleep at the least
MONTH_US = 30 * 86_400 * 1_000_000
MONTHS = 24
LEAD_SECONDS = 15.0  # for the supervisor to start, before the first is due
BURST_PAUSE_SECONDS = 2.0  # between the stream's last and the burst
CLAIM_BATCH, CLAIM_ROUNDS = 64, 100
LOOK_BATCH = 1_000  # outcomes read together
LOOK_SECONDS = 0.2  # between two looks whether all have woken
SETTLE_SECONDS = 300.0  # for what is due to have woken
CHECKED_COUNT = 2_000  # executions whose claims are read

Slept = tuple[str, int]  # an execution and when it is due


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sleepers", type=int, default=1_000_000, help="that are not due for a month or more")
    options.add_argument("--rate", type=int, default=200, help="of the stream, a second")
    options.add_argument("--seconds", type=float, default=60.0, help="that the stream takes")
    options.add_argument("--burst", type=int, default=10_000, help="due in one instant")
    options.add_argument("--fresh", type=int, default=5_000, help="one-step executions drained before and after")
    options.add_argument("--concurrency", type=int, default=512)
    add_options(options)
    chosen = options.parse_args()
    report = Report("what do sleeping executions cost, and how late do they wake?", durability(chosen.url))
    with database(chosen.url) as url, opened(url) as store:
        measure(report, store, url, chosen)
    report.save(chosen.json)


def measure(report: Report, store: Store, url: str, chosen: argparse.Namespace) -> None:
    options = ("--workers", "1", "--concurrency", str(chosen.concurrency))
    alone = claims(store, register(store), CLAIM_BATCH, CLAIM_ROUNDS)
    show(report, f"claim of {CLAIM_BATCH}, empty database", alone, alone)
    with supervisor(url, *options, module="sleepers_app") as process, hydra.Engine(url) as engine:
        few_seconds = drain(engine, chosen.fresh)
        few_mb = tree_memory_mb(process.pid)[process.pid]
    report.row(f"drain of {chosen.fresh:,}, empty database", chosen.fresh / few_seconds, "/s")
    report.row("supervisor, empty database", few_mb, "MB")

    began = time.perf_counter()
    put_to_sleep(store, [store.now() + random.randint(1, MONTHS) * MONTH_US for _ in range(chosen.sleepers)])
    report.row(f"{chosen.sleepers:,} put to sleep", time.perf_counter() - began, "s")
    settle(url)
    beside = claims(store, register(store), CLAIM_BATCH, CLAIM_ROUNDS)
    show(report, f"claim of {CLAIM_BATCH} beside the sleepers", beside, alone)
    with supervisor(url, *options, module="sleepers_app") as process, hydra.Engine(url) as engine:
        many_seconds = drain(engine, chosen.fresh)
        many_mb = tree_memory_mb(process.pid)[process.pid]
    ratio = round(many_seconds / few_seconds, 2)
    report.row(f"drain of {chosen.fresh:,} beside the sleepers", chosen.fresh / many_seconds, "/s", time_ratio=ratio)
    report.row("supervisor beside the sleepers", many_mb, "MB", more=round(many_mb - few_mb, 1))

    streamed = int(chosen.rate * chosen.seconds)
    start = store.now() + int(1e6 * (LEAD_SECONDS + (streamed + chosen.burst) / SLEEP_RATE))
    end = start + int(1e6 * chosen.seconds)
    stream = [start + n * 1_000_000 // chosen.rate for n in range(streamed)]
    due = put_to_sleep(store, [*stream, *[end + int(1e6 * BURST_PAUSE_SECONDS)] * chosen.burst])
    with supervisor(url, *options, module="sleepers_app") as process:
        spare = (start - store.now()) / 1e6
        if spare < 0:
            raise SystemExit(f"the supervisor stood ready {-spare:.1f} s after the first was due")
        time.sleep(spare)
        cpu = tree_cpu_seconds(process.pid)
        time.sleep(max(0.0, (end - store.now()) / 1e6))
        cpu = tree_cpu_seconds(process.pid) - cpu
        for start_of_part in range(0, len(due), LOOK_BATCH):
            part = [id for id, _ in due[start_of_part : start_of_part + LOOK_BATCH]]
            wait_until(lambda part=part: all(store.outcomes(part)), SETTLE_SECONDS, pause=LOOK_SECONDS)
        after_mb = tree_memory_mb(process.pid)[process.pid]
    lags = [1000 * went_on - due_at / 1000 for went_on, (_, due_at) in zip(results(store, due), due, strict=True)]
    cpu_percent = round(100 * cpu / chosen.seconds, 1)
    show_lags(report, f"lag, {chosen.rate}/s for {chosen.seconds:g} s", lags[:streamed], cpu_percent=cpu_percent)
    show_lags(report, f"lag, {chosen.burst:,} in one instant", lags[streamed:])
    report.row("supervisor after the burst", after_mb, "MB", more=round(after_mb - few_mb, 1))
    check(report, store, url, due, chosen.sleepers, min(lags))


def drain(engine: hydra.Engine, fresh: int) -> float:
    """Seconds from the submission of so many one-step executions to the last result; `stats` would count sleepers."""
    began = time.perf_counter()
    for handle in engine.submit_many([sleepers_app.one_step.bind("x" * 200) for _ in range(fresh)]):
        handle.result(timeout=SETTLE_SECONDS)
    return time.perf_counter() - began


def put_to_sleep(store: Store, due: Sequence[int]) -> list[Slept]:
    """An execution for each instant, as its first claim would leave it. Before any supervisor could take it."""
    node = register(store)
    input, digest = encode_call((1.0,), {})
    slept: list[Slept] = []
    for start in range(0, len(due), PART):
        ids = _core.uuid7_many(len(due[start : start + PART]))
        instants = dict(zip(ids, due[start : start + PART], strict=True))
        now = store.now()
        store.submit([Submission(id, "sleeper", input, digest) for id in ids], now)
        commits = [
            ExecutionCommit(one.id, one.epoch, [sleep_until(wake_at, now)], End(Ending.SLEEPING, wake_at=wake_at))
            for one in store.claim(node, ["sleeper"], len(ids), now)
            for wake_at in [instants[one.id]]
        ]
        assert len(commits) == len(ids) and all(store.commit(node, commits, now))
        slept += instants.items()
    return slept


def settle(url: str) -> None:
    """The server's own work after so many writes is none of the sleepers'. Without a vacuum: what they left stays."""
    if urlsplit(url).scheme.startswith("postgres"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("checkpoint")


def sleep_until(due_at: int, now: int) -> Record:
    return Record(1, RecordKind.SLEEP, "", "hydra.sleep", 0, 1, b"", None, now, now, due_at)


def results(store: Store, slept: Sequence[Slept]) -> list[float]:
    found: list[float] = []
    for start in range(0, len(slept), LOOK_BATCH):
        for outcome in store.outcomes([id for id, _ in slept[start : start + LOOK_BATCH]]):
            assert outcome is not None and outcome[1] is not None
            found.append(codec.decode(outcome[1], float))
    return found


def show_lags(report: Report, what: str, lags: list[float], **more: object) -> None:
    spread = {"p99": round(percentile(lags, 0.99), 1), "worst": round(max(lags), 1)}
    report.row(what, percentile(lags, 0.5), "ms p50", **spread, **more)


def check(report: Report, store: Store, url: str, due: Sequence[Slept], sleepers: int, least_lag_ms: float) -> None:
    """Each that was due woke once and not early, the others not at all."""
    assert least_lag_ms >= 0, f"one woke {-least_lag_ms:.3f} ms early"
    sample = random.sample(due, min(CHECKED_COUNT, len(due)))
    assert all([claim.ending for claim in store.claims(id)] == ["sleeping", "completed"] for id, _ in sample)
    with hydra.Engine(url) as engine:
        counts = engine.stats().counts["sleeper"]
        assert counts.get("completed", 0) == len(due) and counts.get("sleeping", 0) == sleepers, counts
        began = time.perf_counter()
        violations = engine.audit()
    assert violations == [], violations[:3]
    report.row(f"audit; {len(due):,} woke once each, {sleepers:,} sleep on", time.perf_counter() - began, "s")


if __name__ == "__main__":
    main()
