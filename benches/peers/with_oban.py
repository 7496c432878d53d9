"""Oban for Python (PyPI: `oban`, CPython 3.12 or later): a job queue, whose free edition has no workflows.

python benches/peers/with_oban.py URL [--seconds 3] [--executions 5000] [--samples 100] [--json FILE]
"""

from __future__ import annotations

import asyncio

import jobs
import orjson
import psycopg
import uvloop
from oban import Oban, job
from oban.schema import install
from psycopg.types.json import set_json_dumps, set_json_loads

IN_BULK = 1_000
PROCESSES = 2
LIMIT = 100  # jobs at a time in a process


@job(queue="pickup")
def pickup() -> None:
    jobs.tell()


@job(queue="no_step")
def no_step(payload: str) -> int:
    return len(payload)


class Caller:
    """A thread's own event loop and connection."""

    def __init__(self, url: str) -> None:
        self.loop = uvloop.new_event_loop()
        self.pool = self.run(Oban.create_pool(url, min_size=1, max_size=1))
        self.oban = Oban(pool=self.pool)

    def run(self, work):  # type: ignore[no-untyped-def]
        return self.loop.run_until_complete(work)

    def submit(self, count: int) -> int:
        self.run(self.oban.enqueue_many([no_step.new(jobs.PAYLOAD) for _ in range(count)]))
        return count


def main() -> None:
    set_json_dumps(orjson.dumps)  # as `oban start` does, and its event loop
    set_json_loads(orjson.loads)
    chosen = jobs.options(__doc__)
    if chosen.work:
        uvloop.run(work(chosen.url, chosen.work))
        return
    report = jobs.Report("Oban for Python", jobs.POSTGRES)
    callers = [Caller(chosen.url) for _ in range(8)]
    first = callers[0]
    first.run(install(first.pool))
    jobs.submit_rows(
        report, chosen.seconds, lambda caller: callers[caller].submit(1), lambda caller: first.submit(IN_BULK)
    )
    watcher = psycopg.connect(chosen.url, autocommit=True)
    watcher.execute("truncate oban_jobs")

    with jobs.listening() as began_at, jobs.workers(PROCESSES, chosen.url, "pickup"):
        jobs.pickup_row(report, chosen.samples, lambda: first.run(first.oban.enqueue(pickup.new())), began_at)

    for start in range(0, chosen.executions, IN_BULK):
        first.submit(min(IN_BULK, chosen.executions - start))
    with jobs.workers(PROCESSES, chosen.url, "no_step"):
        jobs.drain_row(report, jobs.DRAIN_NONE, chosen.executions, chosen.seconds, lambda: count(watcher))
    for caller in callers:
        caller.run(caller.pool.close())
    report.save(chosen.json)


async def work(url: str, queue: str) -> None:
    async with Oban(pool=await Oban.create_pool(url), queues={queue: LIMIT}):
        await asyncio.Event().wait()


def count(watcher: psycopg.Connection) -> int:
    question = "select count(*) from oban_jobs where queue = 'no_step' and state = 'completed'"
    (found,) = watcher.execute(question).fetchone() or (0,)
    return int(found)


if __name__ == "__main__":
    main()
