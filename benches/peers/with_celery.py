"""Celery (PyPI: `celery`, `redis`) on Redis, one worker with a process a core.

Where the server keeps a log of its writes, Celery is set as those set it who may lose nothing: a task is acknowledged
when it has ended (`acks_late`, `reject_on_worker_lost`), and its result is kept. Then a chain of ten tasks is what its
users write for ten steps. Else it is all as it comes: acknowledged when it begins, no results.

python benches/peers/with_celery.py URL [--seconds 3] [--executions 5000] [--samples 100] [--json FILE]
"""

from __future__ import annotations

from urllib.parse import urlsplit

import jobs
import redis
from celery import Celery, chain, group

IN_BULK = 1_000
PREFETCH = 64  # its documentation: between 50 and 150 where tasks are short


def main() -> None:
    chosen = jobs.options(__doc__)
    path = urlsplit(chosen.url).path
    broker, results = (redis.Redis(unix_socket_path=path, db=number) for number in (0, 1))
    is_durable = broker.config_get("appendonly")["appendonly"] == "yes"
    app = Celery("bench", broker=chosen.url, backend=f"{chosen.url}?virtual_host=1" if is_durable else None)
    app.conf.update(
        worker_prefetch_multiplier=PREFETCH,
        task_acks_late=is_durable,
        task_reject_on_worker_lost=is_durable,
        broker_connection_retry_on_startup=True,
    )

    @app.task(name="pickup", ignore_result=True)
    def pickup() -> None:
        jobs.tell()

    @app.task(name="no_step")
    def no_step(payload: str) -> int:
        return len(payload)

    @app.task(name="add")
    def add(total: int, number: int) -> int:
        return total + number

    if chosen.work:
        app.worker_main(["--quiet", "worker", "--queues", chosen.work, "--loglevel", "ERROR", "--without-mingle"])
        return
    durable = "Redis, appendonly yes, appendfsync always" if is_durable else "Redis as Debian ships it: snapshots only"
    report = jobs.Report("Celery", durable)

    def one(caller: int) -> int:
        no_step.apply_async((jobs.PAYLOAD,), queue="nobody")
        return 1

    def many(count: int, queue: str = "nobody") -> int:
        group(no_step.s(jobs.PAYLOAD) for _ in range(count)).apply_async(queue=queue)
        return count

    jobs.submit_rows(report, chosen.seconds, one, lambda caller: many(IN_BULK))

    with jobs.listening() as began_at, jobs.workers(1, chosen.url, "pickup"):
        jobs.pickup_row(report, chosen.samples, lambda: pickup.apply_async(queue="pickup"), began_at)

    def done() -> int:
        """What neither waits nor has been fetched without having begun; where results are kept, those."""
        if is_durable:
            return int(results.dbsize())
        return chosen.executions - int(broker.llen("no_step")) - int(broker.hlen("unacked"))

    broker.flushdb()
    for start in range(0, chosen.executions, IN_BULK):
        many(min(IN_BULK, chosen.executions - start), "no_step")
    with jobs.workers(1, chosen.url, "no_step"):
        jobs.drain_row(report, jobs.DRAIN_NONE, chosen.executions, chosen.seconds, done)
    if is_durable:
        broker.flushdb()
        results.flushdb()
        for _ in range(chosen.executions):
            tasks = [add.s(len(jobs.PAYLOAD), 0), *(add.s(number) for number in range(1, 10))]
            chain(*(task.set(queue="chain") for task in tasks)).apply_async()
        with jobs.workers(1, chosen.url, "chain"):
            ten = lambda: done() // 10  # noqa: E731
            jobs.drain_row(report, jobs.DRAIN_TEN, chosen.executions, chosen.seconds, ten)
    report.save(chosen.json)


if __name__ == "__main__":
    main()
