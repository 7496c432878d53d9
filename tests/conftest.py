"""Database servers for every test that asks for one: one each per test process, an empty database per test.

It has hydra's tables already, as a new SQLite file has; with `pytest.mark.fresh_database` it has none.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator

import hypothesis
import pytest

from tests.servers import kept_sessions, mysql, postgres, sqlite_files
from tests.servers.pool import Pool, mysql_pool, postgres_pool

# A shell has what it starts in the background ignore SIGINT, which programs under test would inherit: Ctrl-C is tried.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Containers often forbid Python to keep what it compiled: then each of the thousands of processes that tests start
# compiles hydra again, two seconds of a processor each where the sources are used in place, and each of pytest's
# processes rewrites every test.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

hypothesis.settings.register_profile("hydra", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("hydra")

gc.disable()  # until all tests are collected: nothing of them is garbage, and each look at them takes long

sqlite_files.install()
kept_sessions.install()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several processes each begins with some of what is slow, so that none is left with it when all others end."""
    process_count = getattr(config, "workerinput", {}).get("workercount", 1)
    if process_count == 1:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    others = [item for item in items if not item.get_closest_marker("slow")]
    items.clear()
    for number in range(process_count):  # xdist's `worksteal` begins with as many tests for each, in order
        share = slice(len(others) * number // process_count, len(others) * (number + 1) // process_count)
        items += slow[number::process_count] + others[share]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    sqlite_files.new_files.have_tables = item.get_closest_marker("fresh_database") is None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer | postgres.ExistingServer]:
    if url := os.environ.get("HYDRA_TEST_POSTGRES_URL"):
        yield postgres.ExistingServer(url)
        return
    server = postgres.PostgresServer().start()
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: postgres.PostgresServer | postgres.ExistingServer) -> Iterator[Pool]:
    pool = postgres_pool(postgres_server)
    yield pool
    pool.close()


@pytest.fixture
def postgres_url(
    request: pytest.FixtureRequest,
    postgres_server: postgres.PostgresServer | postgres.ExistingServer,
    postgres_databases: Pool,
) -> Iterator[str]:
    if request.node.get_closest_marker("fresh_database"):
        url = postgres.create_database(postgres_server)
        yield url
        postgres.drop_database(postgres_server, url)
        return
    url = postgres_databases.take()
    yield url
    postgres_databases.give_back(url)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[mysql.MysqlServer | mysql.ExistingServer]:
    if url := os.environ.get("HYDRA_TEST_MYSQL_URL"):
        yield mysql.ExistingServer(url)
        return
    server = mysql.MysqlServer().start()
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def mysql_databases(mysql_server: mysql.MysqlServer | mysql.ExistingServer) -> Iterator[Pool]:
    pool = mysql_pool(mysql_server)
    yield pool
    pool.close()


@pytest.fixture
def mysql_url(
    request: pytest.FixtureRequest, mysql_server: mysql.MysqlServer | mysql.ExistingServer, mysql_databases: Pool
) -> Iterator[str]:
    if request.node.get_closest_marker("fresh_database"):
        url = mysql.create_database(mysql_server)
        yield url
        mysql.drop_database(mysql_server, url)
        return
    url = mysql_databases.take()
    yield url
    mysql_databases.give_back(url)
