"""The bound: nothing but psycopg and two tables, every commit durable; batches where the others work in batches.

python benches/peers/with_raw_psycopg.py URL [--seconds 3] [--executions 5000] [--json FILE]
"""

from __future__ import annotations

import threading

import jobs
import psycopg

BATCH = 500
ROWS_IN_BULK = 20_000
TAKE = """
    with taken as (
        delete from job
        where id in (select id from job order by id limit %s for update skip locked)
        returning id, payload
    )
    insert into done select id, length(payload) from taken
"""


def main() -> None:
    chosen = jobs.options(__doc__)
    report = jobs.Report("raw psycopg", jobs.POSTGRES)
    connections = [psycopg.connect(chosen.url, autocommit=True) for _ in range(8)]
    connections[0].execute("create table job (id bigint generated always as identity primary key, payload text)")
    connections[0].execute("create table done (id bigint primary key, result int)")

    def one(caller: int) -> int:
        connections[caller].execute("insert into job (payload) values (%s)", [jobs.PAYLOAD])
        return 1

    def many(count: int) -> int:
        with connections[0].cursor().copy("copy job (payload) from stdin") as copy:
            for _ in range(count):
                copy.write_row([jobs.PAYLOAD])
        return count

    jobs.submit_rows(report, chosen.seconds, one, lambda caller: many(ROWS_IN_BULK))

    connections[0].execute("truncate job")
    many(chosen.executions)

    def drain() -> None:
        while connections[1].execute(TAKE, [BATCH]).rowcount:
            pass

    thread = threading.Thread(target=drain)
    thread.start()
    done = lambda: count(connections[0])  # noqa: E731
    jobs.drain_row(report, jobs.DRAIN_NONE, chosen.executions, chosen.seconds, done, settle_seconds=0)
    thread.join()
    report.save(chosen.json)


def count(connection: psycopg.Connection) -> int:
    (found,) = connection.execute("select count(*) from done").fetchone() or (0,)
    return int(found)


if __name__ == "__main__":
    main()
