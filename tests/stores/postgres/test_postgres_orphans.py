"""A worker that is killed inside a transaction's statement: the server ends that, too, and its locks go (R21)."""

from __future__ import annotations

import subprocess
import sys
import threading

import psycopg
from hydra.stores import open_store

HANGS = """
import sys
from hydra.stores import open_store
own = open_store(sys.argv[1]).step_connection()
own.begin()
print(own.connection.info.backend_pid, flush=True)
own.connection.execute("select pg_sleep(600)")
"""


def test_r21_the_statement_of_a_worker_that_was_killed_ends_on_its_server(postgres_url: str) -> None:
    store = open_store(postgres_url)
    store.open()
    worker = subprocess.Popen([sys.executable, "-c", HANGS, postgres_url], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    look = f"select state from pg_stat_activity where pid = {pid} and query like '%%pg_sleep(600)%%'"
    pause = threading.Event()
    with psycopg.connect(postgres_url, autocommit=True) as beside:
        while beside.execute(look).fetchone() != ("active",):
            pause.wait(0.01)
        worker.kill()
        worker.wait()
        while beside.execute(look).fetchone() is not None:
            pause.wait(0.05)
    store.close()


def test_r21_a_server_is_asked_whether_it_still_works_on_a_statement(postgres_url: str) -> None:
    """It answers others, but a proxy between may keep a connection that leads nowhere any more."""
    store = open_store(postgres_url)
    store.open()
    connection = store.step_connection().connection
    assert connection.is_under_way()
    with psycopg.connect(postgres_url, autocommit=True) as beside:
        beside.execute("select pg_terminate_backend(%s, 10000)", [connection.info.backend_pid])
    assert not connection.is_under_way()
    connection.close()
    store.close()
