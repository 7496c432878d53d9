"""DBOS (PyPI: `dbos`): a client that enqueues, one executor in this process that drains a queue.

python benches/peers/with_dbos.py URL [--seconds 3] [--executions 5000] [--json FILE]
"""

from __future__ import annotations

import jobs
import psycopg
import sqlalchemy
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions

IN_BULK = 1_000  # in one transaction
POLLING_SECONDS = 0.02  # tuned: its default is a second
WORKFLOWS = {jobs.DRAIN_NONE: "no_step", jobs.DRAIN_ONE: "one_step", jobs.DRAIN_TEN: "ten_steps"}


@DBOS.step()
def add(total: int, number: int) -> int:
    return total + number


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
    report = jobs.report("DBOS")
    url = chosen.url.replace("postgresql://", "postgresql+psycopg://", 1)
    config: DBOSConfig = {"name": "bench", "system_database_url": url, "log_level": "ERROR", "application_version": "1"}
    DBOS(config=config)
    DBOS.launch()  # makes its tables
    client = DBOSClient(system_database_url=url)
    engine = sqlalchemy.create_engine(url)

    def asked(queue: str, workflow: str) -> EnqueueOptions:
        return {"queue_name": queue, "workflow_name": workflow, "app_version": "1"}

    def one(caller: int) -> int:
        client.enqueue(asked("nobody", "one_step"), jobs.PAYLOAD)
        return 1

    def bulk(caller: int) -> int:
        with engine.begin() as connection:
            for _ in range(IN_BULK):
                client.enqueue_in_transaction(connection, asked("nobody", "one_step"), jobs.PAYLOAD)
        return IN_BULK

    jobs.submit_row(report, jobs.SUBMIT_ONE, chosen.seconds, 1, one)
    jobs.submit_row(report, jobs.SUBMIT_EIGHT, chosen.seconds, 8, one)
    jobs.submit_row(report, jobs.SUBMIT_BULK, chosen.seconds, 1, bulk)

    watcher = psycopg.connect(chosen.url, autocommit=True)
    for name, workflow in WORKFLOWS.items():
        for start in range(0, chosen.executions, IN_BULK):
            with engine.begin() as connection:
                for _ in range(min(IN_BULK, chosen.executions - start)):
                    client.enqueue_in_transaction(connection, asked(workflow, workflow), jobs.PAYLOAD)
        before = jobs.cpu_seconds()
        DBOS.register_queue(workflow, polling_interval_sec=POLLING_SECONDS)
        jobs.drain_row(report, name, chosen.executions, lambda queue=workflow: count(watcher, queue), before)
    DBOS.destroy()
    report.save(chosen.json)


def count(watcher: psycopg.Connection, queue: str) -> int:
    question = "select count(*) from dbos.workflow_status where queue_name = %s and status = 'SUCCESS'"
    (found,) = watcher.execute(question, [queue]).fetchone() or (0,)
    return int(found)


if __name__ == "__main__":
    main()
