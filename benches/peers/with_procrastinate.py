"""procrastinate (PyPI): a job queue without steps, so of the drains it does the one that has none.

python benches/peers/with_procrastinate.py URL [--seconds 3] [--executions 5000] [--samples 100] [--json FILE]
"""

from __future__ import annotations

import jobs
import procrastinate
import psycopg

IN_BULK = 1_000
PROCESSES = 2
CONCURRENCY = 20
CONNECTIONS = 8  # of a process


def main() -> None:
    chosen = jobs.options(__doc__)
    connector = procrastinate.PsycopgConnector(conninfo=chosen.url, min_size=CONNECTIONS, max_size=CONNECTIONS)
    app = procrastinate.App(connector=connector)

    @app.task(name="pickup", queue="pickup")
    async def pickup() -> None:
        jobs.tell()

    @app.task(name="no_step", queue="no_step")
    async def no_step(payload: str) -> int:
        return len(payload)

    if chosen.work:
        app.run_worker(queues=[chosen.work], concurrency=CONCURRENCY)
        return
    report = jobs.Report("procrastinate", jobs.POSTGRES)
    app.open()
    app.schema_manager.apply_schema()

    def one(caller: int) -> int:
        no_step.defer(payload=jobs.PAYLOAD)
        return 1

    def many(count: int) -> int:
        no_step.batch_defer(*({"payload": jobs.PAYLOAD} for _ in range(count)))
        return count

    jobs.submit_rows(report, chosen.seconds, one, lambda caller: many(IN_BULK))
    watcher = psycopg.connect(chosen.url, autocommit=True)
    watcher.execute("truncate procrastinate_jobs cascade")

    with jobs.listening() as began_at, jobs.workers(PROCESSES, chosen.url, "pickup"):
        jobs.pickup_row(report, chosen.samples, lambda: pickup.defer(), began_at)

    for start in range(0, chosen.executions, IN_BULK):
        many(min(IN_BULK, chosen.executions - start))
    with jobs.workers(PROCESSES, chosen.url, "no_step"):
        jobs.drain_row(report, jobs.DRAIN_NONE, chosen.executions, chosen.seconds, lambda: count(watcher))
    app.close()
    report.save(chosen.json)


def count(watcher: psycopg.Connection) -> int:
    question = "select count(*) from procrastinate_jobs where queue_name = 'no_step' and status = 'succeeded'"
    (found,) = watcher.execute(question).fetchone() or (0,)
    return int(found)


if __name__ == "__main__":
    main()
