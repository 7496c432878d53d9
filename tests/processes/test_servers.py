"""Supervisors and their workers while the server ends their sessions, or a pooler stands in between."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psycopg
import pymysql
import pytest

from tests.processes import ledger_app
from tests.processes.scene import Scene, until
from tests.processes.test_transactions import connect, once, rows
from tests.servers import mysql, pgbouncer, postgres

EXECUTIONS = 60
ROUNDS = 8
ACCOUNTS = [f"a{number}" for number in range(EXECUTIONS)]


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_g6_g9_every_session_is_ended_by_the_server_again_and_again(scene: Scene, url: str) -> None:
    """Commits, claims, beats, transactions: whatever is under way is cut off, and repeated or found done."""
    scene.engine.stats()  # makes the tables
    operator = connect(url)
    operator.cursor().execute(ledger_app.TABLE)
    operator.close()
    scene.start("ledger_app", concurrency=4, lease_ttl_seconds=6.0)
    handles = [scene.engine.submit(ledger_app.book.bind(account)) for account in ACCOUNTS]
    for number in range(ROUNDS):
        until(lambda number=number: sum(rows(url).values()) > number * EXECUTIONS * 4 // (ROUNDS + 1))
        end_sessions(url)
    assert [handle.result(timeout=60) for handle in handles] == [[1, 5, 2, 7]] * EXECUTIONS
    assert rows(url) == once(*ACCOUNTS, *(f"{account}/2" for account in ACCOUNTS))


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_g6_supervisors_and_transactions_work_behind_a_pooler_in_transaction_mode(
    tmp_path: Path, url: str, postgres_server: postgres.PostgresServer
) -> None:
    pooler = pgbouncer.Pooler(postgres_server).start()
    try:
        scene = Scene(tmp_path, f"{pooler.url(url)}&pooler=transaction")
        try:
            scene.engine.stats()  # makes the tables
            operator = connect(url)
            operator.execute(ledger_app.TABLE)
            scene.start("ledger_app")
            scene.start("ledger_app")
            handles = [scene.engine.submit(ledger_app.book.bind(account)) for account in ACCOUNTS]
            assert [handle.result(timeout=60) for handle in handles] == [[1, 5, 2, 7]] * EXECUTIONS
            assert rows(url) == once(*ACCOUNTS, *(f"{account}/2" for account in ACCOUNTS))
            assert [node.stop() for node in scene.nodes] == [0, 0]
            assert scene.engine.audit() == []
            operator.close()
        finally:
            scene.close()
    finally:
        pooler.destroy()


def end_sessions(url: str) -> None:
    """All but the one that asks, which ends by itself."""
    if not url.startswith("mysql"):
        with psycopg.connect(url, autocommit=True) as own:
            own.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        return
    with mysql.connect(url) as asking, asking.cursor() as cursor:
        cursor.execute("select id from information_schema.processlist where db = database() and id <> connection_id()")
        for (session,) in cursor.fetchall():
            with suppress(pymysql.OperationalError):  # it went by itself
                cursor.execute(f"kill {session}")
