"""DBOS (PyPI: `dbos`) on PostgreSQL or SQLite: a client that enqueues, processes that each drain a queue.

python benches/peers/with_dbos.py URL [--seconds 3] [--executions 5000] [--samples 100] [--json FILE]
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import uuid

import jobs
import sqlalchemy
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions

IN_BULK = 1_000  # in one transaction
PLACES = 50  # workflows at a time in a process
WORKFLOWS = {jobs.DRAIN_NONE: "no_step", jobs.DRAIN_ONE: "one_step", jobs.DRAIN_TEN: "ten_steps"}


@DBOS.step()
def add(total: int, number: int) -> int:
    return total + number


@DBOS.workflow()
def pickup() -> None:
    jobs.tell()


@DBOS.workflow()
def no_step(payload: str) -> int:
    return len(payload)


@DBOS.workflow()
def one_step(payload: str) -> int:
    return add(len(payload), 1)


@DBOS.workflow()
def ten_steps(payload: str) -> int:
    total = 0
    for number in range(10):
        total = add(total, number)
    return total


def main() -> None:
    chosen = jobs.options(__doc__)
    on_file = chosen.url.startswith("sqlite")
    url = chosen.url.partition("?")[0] if on_file else chosen.url.replace("postgresql://", "postgresql+psycopg://", 1)
    if sqlite3.sqlite_version_info < (3, 42):  # DBOS asks it for `unixepoch('subsec')`
        import pysqlite3

        sys.modules["sqlite3"] = pysqlite3
        sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2
    if chosen.work:
        work(url, chosen.work)
        return
    durable = "SQLite as DBOS opens it: a rollback journal, synchronous=full" if on_file else jobs.POSTGRES
    report = jobs.Report("DBOS", durable)
    launch(url)  # makes its tables
    DBOS.destroy()
    client = DBOSClient(system_database_url=url)
    engine = sqlalchemy.create_engine(url)
    table = "workflow_status" if on_file else "dbos.workflow_status"
    processes = 1 if on_file else 2  # two of them wait for each other's locks on one file

    def submit(queue: str, workflow: str, *arguments: object) -> int:
        client.enqueue(asked(queue, workflow), *arguments)
        return 1

    def many(count: int, queue: str = "nobody") -> int:
        with engine.begin() as connection:
            for _ in range(count):
                client.enqueue_in_transaction(connection, asked(queue, queue), jobs.PAYLOAD)
        return count

    def count(queue: str) -> int:
        question = sqlalchemy.text(f"select count(*) from {table} where queue_name = :queue and status = 'SUCCESS'")
        with engine.connect() as connection:
            return int(connection.execute(question, {"queue": queue}).scalar_one())

    jobs.submit_rows(
        report, chosen.seconds, lambda caller: submit("nobody", "one_step", jobs.PAYLOAD), lambda caller: many(IN_BULK)
    )
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"delete from {table}"))

    with jobs.listening() as began_at, jobs.workers(processes, chosen.url, "pickup"):
        jobs.pickup_row(report, chosen.samples, lambda: submit("pickup", "pickup"), began_at)

    for name, workflow in WORKFLOWS.items():
        for start in range(0, chosen.executions, IN_BULK):
            many(min(IN_BULK, chosen.executions - start), workflow)
        with jobs.workers(processes, chosen.url, workflow):
            done = lambda workflow=workflow: count(workflow)  # noqa: E731
            jobs.drain_row(report, name, chosen.executions, chosen.seconds, done)
    report.save(chosen.json)


def asked(queue: str, workflow: str) -> EnqueueOptions:
    return {"queue_name": queue, "workflow_name": workflow, "app_version": "1"}


def launch(url: str, *queues: str) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "log_level": "ERROR",
        "application_version": "1",
        "executor_id": str(uuid.uuid4()),
    }
    DBOS(config=config)
    DBOS.listen_queues(list(queues))
    DBOS.launch()


def work(url: str, queue: str) -> None:
    launch(url, queue)
    DBOS.register_queue(queue, worker_concurrency=PLACES, polling_interval_sec=jobs.POLL_SECONDS)
    threading.Event().wait()


if __name__ == "__main__":
    main()
