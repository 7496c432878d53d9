from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from hydra.stores.postgres import PostgresStore

from tests.stores.postgres_stage import PostgresStage


@pytest.fixture
def open_store(postgres_url: str) -> Iterator[Callable[..., PostgresStore]]:
    """Stores on one database; each has connections of its own."""
    stores: list[PostgresStore] = []

    def open_one(url: str = postgres_url, namespace: str = "default") -> PostgresStore:
        store = PostgresStore(url, namespace)
        store.open()
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def stage(open_store: Callable[..., PostgresStore], postgres_url: str) -> Iterator[PostgresStage]:
    """Two nodes on one database, and a connection to look behind them."""
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        stage = PostgresStage(open_store(), open_store(), raw)
        yield stage
        stage.close()
