"""Absurd (PyPI: `absurd-sdk`, and `absurdctl`, which has its tables and functions): processes that claim in batches.

python benches/peers/with_absurd.py URL [--seconds 3] [--executions 5000] [--samples 100] [--json FILE]
"""

from __future__ import annotations

from typing import Any

import absurdctl
import jobs
import psycopg
from absurd_sdk import Absurd, TaskContext

IN_BULK = 1_000  # in one transaction
PROCESSES = 4  # "the recommended way to scale workers is to spawn multiple processes"
BATCH = 32
WORKFLOWS = {jobs.DRAIN_NONE: "no_step", jobs.DRAIN_ONE: "one_step", jobs.DRAIN_TEN: "ten_steps"}


def main() -> None:
    chosen = jobs.options(__doc__)
    if chosen.work:
        work(chosen.url, chosen.work)
        return
    report = jobs.Report("Absurd", jobs.POSTGRES)
    watcher = psycopg.connect(chosen.url, autocommit=True)
    watcher.execute(absurdctl.BUNDLED_SCHEMA_SQL.encode())
    callers = [Absurd(chosen.url) for _ in range(8)]
    for queue in ("nobody", "pickup", *WORKFLOWS.values()):  # each has tables of its own
        callers[0].create_queue(queue)
    in_bulk = psycopg.connect(chosen.url)

    def one(caller: int) -> int:
        callers[caller].spawn("no_step", jobs.PAYLOAD, queue="nobody")
        return 1

    def many(count: int, queue: str = "nobody") -> int:
        client = Absurd(in_bulk)
        with in_bulk.transaction():
            for _ in range(count):
                client.spawn(queue, jobs.PAYLOAD, queue=queue)
        return count

    jobs.submit_rows(report, chosen.seconds, one, lambda caller: many(IN_BULK))

    with jobs.listening() as began_at, jobs.workers(PROCESSES, chosen.url, "pickup"):
        submit = lambda: callers[0].spawn("pickup", None, queue="pickup")  # noqa: E731
        jobs.pickup_row(report, chosen.samples, submit, began_at)

    for name, queue in WORKFLOWS.items():
        for start in range(0, chosen.executions, IN_BULK):
            many(min(IN_BULK, chosen.executions - start), queue)
        with jobs.workers(PROCESSES, chosen.url, queue):
            done = lambda queue=queue: count(watcher, queue)  # noqa: E731
            jobs.drain_row(report, name, chosen.executions, chosen.seconds, done)
    report.save(chosen.json)


def work(url: str, queue: str) -> None:
    app = Absurd(url, queue_name=queue)

    @app.register_task("pickup")
    def pickup(params: Any, context: TaskContext) -> None:
        jobs.tell()

    @app.register_task("no_step")
    def no_step(params: Any, context: TaskContext) -> int:
        return len(params)

    @app.register_task("one_step")
    def one_step(params: Any, context: TaskContext) -> int:
        return context.step("add", lambda: len(params) + 1)

    @app.register_task("ten_steps")
    def ten_steps(params: Any, context: TaskContext) -> int:
        total = 0
        for number in range(10):
            total = context.step("add", lambda total=total, number=number: total + number)
        return total

    app.start_worker(batch_size=BATCH, poll_interval=jobs.POLL_SECONDS)


def count(watcher: psycopg.Connection, queue: str) -> int:
    (found,) = watcher.execute(f"select count(*) from absurd.t_{queue} where state = 'completed'").fetchone() or (0,)
    return int(found)


if __name__ == "__main__":
    main()
