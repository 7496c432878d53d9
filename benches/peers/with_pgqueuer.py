"""pgqueuer (PyPI): a job queue without steps, so of the drains it does the one that has none.

python benches/peers/with_pgqueuer.py URL [--seconds 3] [--executions 5000] [--samples 100] [--json FILE]
"""

from __future__ import annotations

import asyncio

import asyncpg
import jobs
import psycopg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

IN_BULK = 1_000
BATCH = 500
PROCESSES = 2


class Caller:
    """A thread's own event loop and connection, of the driver that its documentation uses."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.queries = Queries(AsyncpgDriver(self.loop.run_until_complete(asyncpg.connect(url))))

    def submit(self, count: int, queue: str = "nobody") -> int:
        payload = jobs.PAYLOAD.encode()
        if count == 1:
            self.loop.run_until_complete(self.queries.enqueue(queue, payload, 0))
        else:
            work = self.queries.enqueue([queue] * count, [payload] * count, [0] * count)
            self.loop.run_until_complete(work)
        return count


def main() -> None:
    chosen = jobs.options(__doc__)
    if chosen.work:
        asyncio.run(work(chosen.url, chosen.work))
        return
    report = jobs.Report("pgqueuer", jobs.POSTGRES)
    callers = [Caller(chosen.url) for _ in range(8)]
    callers[0].loop.run_until_complete(callers[0].queries.install())
    submit = callers[0].submit
    jobs.submit_rows(report, chosen.seconds, lambda caller: callers[caller].submit(1), lambda caller: submit(IN_BULK))
    watcher = psycopg.connect(chosen.url, autocommit=True)
    watcher.execute("truncate pgqueuer")

    with jobs.listening() as began_at, jobs.workers(PROCESSES, chosen.url, "pickup"):
        jobs.pickup_row(report, chosen.samples, lambda: submit(1, "pickup"), began_at)

    for start in range(0, chosen.executions, IN_BULK):
        submit(min(IN_BULK, chosen.executions - start), "no_step")
    with jobs.workers(PROCESSES, chosen.url, "no_step"):
        done = lambda: chosen.executions - left(watcher)  # noqa: E731
        jobs.drain_row(report, jobs.DRAIN_NONE, chosen.executions, chosen.seconds, done)
    report.save(chosen.json)


async def work(url: str, queue: str) -> None:
    worker = PgQueuer(AsyncpgDriver(await asyncpg.connect(url)))

    @worker.entrypoint("pickup")
    async def pickup(job: Job) -> None:
        jobs.tell()

    @worker.entrypoint("no_step")
    async def no_step(job: Job) -> None:
        len(job.payload or b"")

    await worker.run(batch_size=BATCH)


def left(watcher: psycopg.Connection) -> int:
    (found,) = watcher.execute("select count(*) from pgqueuer where entrypoint = 'no_step'").fetchone() or (0,)
    return int(found)


if __name__ == "__main__":
    main()
