"""pgqueuer (PyPI): a job queue without steps, so of the drains it does the one that has none.

python benches/peers/with_pgqueuer.py URL [--seconds 3] [--executions 5000] [--json FILE]
"""

from __future__ import annotations

import asyncio
import threading

import jobs
import psycopg
from pgqueuer import PgQueuer
from pgqueuer.models import Job
from pgqueuer.types import QueueExecutionMode

IN_BULK = 1_000
BATCH = 500


class Caller:
    """A thread's own event loop and connection."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.connection = self.loop.run_until_complete(psycopg.AsyncConnection.connect(url, autocommit=True))
        self.queries = PgQueuer.from_psycopg_connection(self.connection).qm.queries

    def submit(self, count: int) -> int:
        payload = jobs.PAYLOAD.encode()
        if count == 1:
            self.loop.run_until_complete(self.queries.enqueue("bench", payload, 0))
        else:
            work = self.queries.enqueue(["bench"] * count, [payload] * count, [0] * count)
            self.loop.run_until_complete(work)
        return count


def main() -> None:
    chosen = jobs.options(__doc__)
    report = jobs.report("pgqueuer")
    callers = [Caller(chosen.url) for _ in range(8)]
    callers[0].loop.run_until_complete(callers[0].queries.install())
    jobs.submit_row(report, jobs.SUBMIT_ONE, chosen.seconds, 1, lambda caller: callers[caller].submit(1))
    jobs.submit_row(report, jobs.SUBMIT_EIGHT, chosen.seconds, 8, lambda caller: callers[caller].submit(1))
    jobs.submit_row(report, jobs.SUBMIT_BULK, chosen.seconds, 1, lambda caller: callers[caller].submit(IN_BULK))

    with psycopg.connect(chosen.url, autocommit=True) as connection:
        connection.execute("truncate pgqueuer")
    for start in range(0, chosen.executions, IN_BULK):
        callers[0].submit(min(IN_BULK, chosen.executions - start))
    done = [0]

    async def drain() -> None:
        own = await psycopg.AsyncConnection.connect(chosen.url, autocommit=True)
        queue = PgQueuer.from_psycopg_connection(own)

        @queue.entrypoint("bench")
        async def handle(job: Job) -> None:
            done[0] += 1

        await queue.run(mode=QueueExecutionMode.drain, batch_size=BATCH)

    before = jobs.cpu_seconds()
    thread = threading.Thread(target=lambda: asyncio.run(drain()))
    thread.start()
    jobs.drain_row(report, jobs.DRAIN_NONE, chosen.executions, lambda: done[0], before)
    thread.join()
    report.save(chosen.json)


if __name__ == "__main__":
    main()
