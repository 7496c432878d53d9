"""The contract suite's databases: every test that asks for `store` runs on each. A new database is one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hydra.stores import open_store
from hydra.stores.store import Store

DATABASES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}/hydra.db",
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own, still without tables."""
    return DATABASES[request.param](tmp_path)


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
