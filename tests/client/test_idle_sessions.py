"""The server ends sessions that stand idle: nothing was sent, so every verb connects again and goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import hydra
import psycopg
import pymysql
import pytest

from tests.client import shop
from tests.servers import mysql

WAIT_SECONDS = 60


@pytest.fixture(params=["postgres_url", "mysql_url"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


def end_sessions(url: str) -> None:
    """All of them, behind their drivers' backs."""
    if url.startswith("mysql"):
        with mysql.connect(url) as other, other.cursor() as cursor:
            cursor.execute(
                "select id from information_schema.processlist where db = database() and id <> connection_id()"
            )
            for (id,) in cursor.fetchall():
                with suppress(pymysql.OperationalError):  # it went by itself
                    cursor.execute(f"kill {id}")
        return
    with psycopg.connect(url, autocommit=True) as connection:
        ours = b"datname = current_database() and pid <> pg_backend_pid()"
        connection.execute(b"select pg_terminate_backend(pid, 5000) from pg_stat_activity where " + ours)


@hydra.workflow
def takes_a_token() -> Any:
    token = hydra.callback_token()
    tell(token)
    return hydra.wait_callback(token)


@hydra.step
def tell(token: str) -> None:
    tokens.append(token)


tokens: list[str] = []

VERBS: dict[str, Callable[[hydra.Engine, dict[str, Any]], object]] = {
    "submit": lambda engine, made: engine.submit(shop.echo.bind(1)),
    "submit_many": lambda engine, made: engine.submit_many([shop.echo.bind(1)] * 3),
    "signal": lambda engine, made: made["sleeping"].signal("go", 1),
    "retry": lambda engine, made: made["failed"].retry(),
    "cancel": lambda engine, made: made["sleeping"].cancel(),
    "complete": lambda engine, made: engine.complete(tokens[-1], 1),
    "fail": lambda engine, made: engine.fail(tokens[-1], "no"),
    "purge": lambda engine, made: engine.purge(timedelta(days=1)),
    "status": lambda engine, made: made["failed"].status(),
    "result": lambda engine, made: made["done"].result(timeout=WAIT_SECONDS),
    "steps": lambda engine, made: made["failed"].steps(),
    "executions": lambda engine, made: engine.executions(),
    "fork": lambda engine, made: engine.fork(made["failed"].id, "decline"),
    "stats": lambda engine, made: engine.stats(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_r17_a_session_the_server_ended_while_it_stood_idle_is_no_unknown_outcome(verb: str, url: str) -> None:
    with hydra.Engine(url) as engine:
        handles: dict[str, hydra.Handle[Any]] = {
            "failed": engine.submit(shop.pay_by_card.bind("4242")),
            "sleeping": engine.submit(shop.sleep_long.bind()),
            "done": engine.submit(shop.echo.bind(1)),
            "token": engine.submit(takes_a_token.bind()),
        }
        with engine.worker():
            with pytest.raises(hydra.WorkflowFailed):
                handles["failed"].result(timeout=WAIT_SECONDS)
            handles["done"].result(timeout=WAIT_SECONDS)
            while handles["token"].status() != "waiting":
                pass
        for _ in range(1 if verb == "retry" else 2):  # what was retried is no longer failed
            end_sessions(url)
            VERBS[verb](engine, handles)
