"""The contract suite's databases: every test that asks for `store` runs on each. A new database is one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hydra.stores import open_store
from hydra.stores.store import Store

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
