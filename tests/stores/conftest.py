"""The contract suite's databases: every test that asks for `store` runs on each. A new database is one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from hydra.stores import open_store
from hydra.stores.store import Store

from tests.stores.mysql_stage import MysqlStage
from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import Stage
from tests.stores.sqlite_stage import SqliteStage

DATABASES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}/hydra.db",
    "postgres": lambda request: request.getfixturevalue("postgres_url"),
    "mysql": lambda request: request.getfixturevalue("mysql_url"),
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    """A database of the test's own, still without tables."""
    return DATABASES[request.param](request)


@pytest.fixture
def open_another(url: str) -> Iterator[Callable[..., Store]]:
    """Opens one more store, with connections of its own, on the test's database."""
    opened: list[Store] = []

    def open_one(namespace: str = "default") -> Store:
        store = open_store(url, namespace)
        store.open()
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_another: Callable[..., Store]) -> Iterator[Store]:
    """Opened; when the test is over nothing in it may break a promise."""
    store = open_another()
    yield store
    assert store.audit() == []


@pytest.fixture
def stage(url: str, open_another: Callable[..., Store]) -> Iterator[Stage]:
    """Two nodes on one database."""
    with ExitStack() as open_ones:
        stage = open_stage(url, open_another(), open_another(), open_ones)
        yield stage
        stage.close()


def open_stage(url: str, a: Any, b: Any, open_ones: ExitStack) -> Stage:
    match url.partition("://")[0]:
        case "sqlite":
            return SqliteStage(a, b)
        case "postgresql":
            return PostgresStage(a, b, open_ones.enter_context(psycopg.connect(url, autocommit=True)))
        case _:
            return MysqlStage(a, b, url)
