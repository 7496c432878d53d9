"""`submit(connection=…)` on the servers: the execution commits or vanishes with the caller's own transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import hydra
import psycopg
import pytest
import sqlalchemy
from django.conf import settings
from django.db.utils import ConnectionHandler

from tests.client import shop
from tests.servers import mysql


class Caller:
    """A connection as some library gives it, with a transaction open; `joined` is what the engine gets."""

    def __init__(self, joined: Any, begin: Callable[[], object], commit: Any, rollback: Any, close: Any) -> None:
        self.joined, self.begin, self.commit, self.rollback, self.close = joined, begin, commit, rollback, close


def of_psycopg(url: str) -> Caller:
    own = psycopg.connect(url)
    return Caller(own, lambda: own.execute("select 1"), own.commit, own.rollback, own.close)


def of_psycopg_in_latin1(url: str) -> Caller:
    own = psycopg.connect(url, client_encoding="latin1")
    return Caller(own, lambda: own.execute("select 1"), own.commit, own.rollback, own.close)


def of_psycopg_in_a_pipeline(url: str) -> Caller:
    own = psycopg.connect(url)
    pipeline = ExitStack()
    pipeline.enter_context(own.pipeline())
    return Caller(
        own, lambda: own.execute("select 1"), own.commit, own.rollback, lambda: (pipeline.close(), own.close())
    )


def of_sqlalchemy_not_begun(url: str) -> Caller:
    """As `with engine.connect() as connection` gives it: SQLAlchemy begins when it executes something itself."""
    caller = of_sqlalchemy(url)
    caller.begin = lambda: None
    return caller


def of_sqlalchemy(url: str) -> Caller:
    own = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url)).connect()
    return Caller(own, lambda: own.execute(sqlalchemy.text("select 1")), own.commit, own.rollback, own.close)


def of_django(url: str) -> Caller:
    if not settings.configured:
        settings.configure()
    parts = urlsplit(url)
    chosen = {"HOST": parse_qs(parts.query)["host"][0], "USER": parts.username, "NAME": parts.path.strip("/")}
    own = ConnectionHandler({"default": {"ENGINE": "django.db.backends.postgresql", **chosen}})["default"]
    return Caller(own, lambda: own.set_autocommit(False), own.commit, own.rollback, own.close)


def of_pymysql(url: str) -> Caller:
    own = mysql.connect(url)
    return Caller(own, own.begin, own.commit, own.rollback, own.close)


LIBRARIES: dict[str, tuple[str, Callable[[str], Caller]]] = {
    "psycopg": ("postgres_url", of_psycopg),
    "psycopg in latin1": ("postgres_url", of_psycopg_in_latin1),
    "psycopg in a pipeline": ("postgres_url", of_psycopg_in_a_pipeline),
    "sqlalchemy": ("postgres_url", of_sqlalchemy),
    "sqlalchemy, not begun": ("postgres_url", of_sqlalchemy_not_begun),
    "django": ("postgres_url", of_django),
    "pymysql": ("mysql_url", of_pymysql),
}


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> tuple[str, Callable[[str], Caller]]:
    fixture, make = LIBRARIES[request.param]
    return request.getfixturevalue(fixture), make


@pytest.fixture
def url(library: tuple[str, Callable[[str], Caller]]) -> str:
    return library[0]


@pytest.fixture
def caller(library: tuple[str, Callable[[str], Caller]], engine: hydra.Engine) -> Iterator[Caller]:
    engine.stats()  # makes the tables
    caller = library[1](library[0])
    yield caller
    caller.close()


def test_g1_an_execution_commits_or_vanishes_with_its_callers_transaction(engine: hydra.Engine, caller: Caller) -> None:
    caller.begin()
    gone = engine.submit(shop.echo.bind(1), key="é", connection=caller.joined)
    caller.rollback()
    with pytest.raises(hydra.NotFound):
        gone.status()
    caller.begin()
    kept = engine.submit(shop.echo.bind(1), key="é", connection=caller.joined)
    assert engine.executions() == [], "nobody sees it before the caller commits"
    caller.commit()
    assert kept.status() == "pending"
    assert engine.submit(shop.echo.bind(1), key="é").id == kept.id


def test_g1_submit_many_in_a_callers_transaction_is_all_or_nothing(engine: hydra.Engine, caller: Caller) -> None:
    engine.submit(shop.echo.bind("old"), key="b")
    caller.begin()
    bounds = [shop.echo.bind(number) for number in range(3)]
    with pytest.raises(hydra.IdempotencyConflict) as caught:
        engine.submit_many(bounds, keys=["a", "b", "c"], connection=caller.joined)
    assert caught.value.conflicts == ["b"]
    engine.submit_many(bounds[:1], keys=["d"], connection=caller.joined)
    caller.commit()
    assert len(engine.executions()) == 2, "the transaction goes on after a conflict"


def end_session(caller: Caller, url: str) -> None:
    """Behind its driver's back, as an administrator does."""
    if url.startswith("mysql"):
        with mysql.connect(url) as other, other.cursor() as cursor:
            cursor.execute(f"kill {caller.joined.thread_id()}")
        return
    with psycopg.connect(url, autocommit=True) as connection:
        ours = "datname = current_database() and pid <> pg_backend_pid() and state = 'idle in transaction'"
        connection.execute(f"select pg_terminate_backend(pid, 5000) from pg_stat_activity where {ours}".encode())


@pytest.mark.parametrize("name", ["psycopg", "pymysql"])
def test_a_connection_that_is_closed_or_lost_is_one_sentence(name: str, request: pytest.FixtureRequest) -> None:
    fixture, make = LIBRARIES[name]
    url = request.getfixturevalue(fixture)
    with hydra.Engine(url) as engine:
        engine.migrate()
        caller = make(url)
        caller.begin()
        end_session(caller, url)
        with pytest.raises(hydra.StoreUnavailable):
            engine.submit(shop.echo.bind(1), connection=caller.joined)
        closed = make(url)
        closed.close()
        with pytest.raises(hydra.ConfigError, match="`connection` is closed"):
            engine.submit(shop.echo.bind(1), connection=closed.joined)
        assert engine.executions() == []
