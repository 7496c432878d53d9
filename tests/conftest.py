"""Database servers for every test that asks for one: one each per test process, a fresh database per test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from servers import mysql, postgres

# A shell has what it starts in the background ignore SIGINT, which programs under test would inherit: Ctrl-C is tried.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer | postgres.ExistingServer]:
    if url := os.environ.get("HYDRA_TEST_POSTGRES_URL"):
        yield postgres.ExistingServer(url)
        return
    server = postgres.PostgresServer().start()
    yield server
    server.destroy()


@pytest.fixture
def postgres_url(postgres_server: postgres.PostgresServer | postgres.ExistingServer) -> Iterator[str]:
    url = postgres.create_database(postgres_server)
    yield url
    postgres.drop_database(postgres_server, url)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[mysql.MysqlServer | mysql.ExistingServer]:
    if url := os.environ.get("HYDRA_TEST_MYSQL_URL"):
        yield mysql.ExistingServer(url)
        return
    server = mysql.MysqlServer().start()
    yield server
    server.destroy()


@pytest.fixture
def mysql_url(mysql_server: mysql.MysqlServer | mysql.ExistingServer) -> Iterator[str]:
    url = mysql.create_database(mysql_server)
    yield url
    mysql.drop_database(mysql_server, url)
