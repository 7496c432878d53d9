from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hydra.stores.mysql import MysqlStore

from tests.servers import mysql
from tests.stores.mysql_stage import MysqlStage


@pytest.fixture
def open_store(mysql_url: str) -> Iterator[Callable[..., MysqlStore]]:
    """Stores on one database; each has connections of its own."""
    stores: list[MysqlStore] = []

    def open_one(url: str = mysql_url, namespace: str = "default") -> MysqlStore:
        store = MysqlStore(url, namespace)
        store.open()
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def stage(open_store: Callable[..., MysqlStore], mysql_url: str) -> Iterator[MysqlStage]:
    """Two nodes on one database, and connections to look behind them."""
    stage = MysqlStage(open_store(), open_store(), mysql_url)
    yield stage
    stage.close()


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[mysql.MysqlServer]:
    """A server of the test's own, to be harmed."""
    server = mysql.MysqlServer().start()
    yield server
    server.destroy()
