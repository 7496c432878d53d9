"""The database of a benchmark: the one that was named, or a server of its own like those of the tests."""

from __future__ import annotations

import argparse
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from hydra.execution import NodeInfo, NodeRef
from hydra.stores import open_store
from hydra.stores.store import Store
from servers import mysql, postgres

# As an administrator of a machine with a few GB would set them; the same for whatever is measured side by side.
POSTGRES_SETTINGS = "shared_buffers = 2GB\nmax_wal_size = 4GB\nmax_connections = {connections}\n"
MYSQL_SETTINGS = ("--innodb-buffer-pool-size=2G", "--innodb-log-file-size=2G")


def add_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("--url", default="sqlite", help="or `sqlite`, `postgres`, `mysql`: a fresh one")
    options.add_argument("--json", help="a file for the rows")


@contextmanager
def database(choice: str, connections: int = 120, synchronous: str = "full") -> Iterator[str]:
    """A URL is used as it is; `sqlite`, `postgres` and `mysql` make a fresh durable database, for the block."""
    if choice == "sqlite":
        with tempfile.TemporaryDirectory(dir=".") as folder:
            yield f"sqlite:///{Path(folder).resolve()}/bench.db?synchronous={synchronous}"
    elif choice == "postgres":
        server = postgres.PostgresServer(settings=POSTGRES_SETTINGS.format(connections=connections)).start()
        try:
            yield postgres.create_database(server)
        finally:
            server.destroy()
    elif choice == "mysql":
        maria = mysql.MysqlServer(f"--max-connections={connections}", *MYSQL_SETTINGS).start()
        try:
            yield mysql.create_database(maria)
        finally:
            maria.destroy()
    else:
        yield choice


def durability(choice: str, synchronous: str = "full") -> str:
    """What is said above the figures of that choice."""
    if choice.startswith("sqlite"):
        return f"SQLite synchronous={synchronous}"
    if choice == "postgres":
        return "PostgreSQL, fsync=on, synchronous_commit=on, shared_buffers=2GB"
    if choice == "mysql":
        return "MariaDB, innodb_flush_log_at_trx_commit=1, innodb_buffer_pool_size=2G"
    return f"{choice.partition('://')[0]}, as the server is set"


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """The store itself, for what is measured without an engine or a node."""
    store = open_store(url, "default")
    store.open()
    try:
        yield store
    finally:
        store.close()


def register(store: Store) -> NodeRef:
    """Somebody who may claim."""
    return store.register_node(NodeInfo(str(uuid.uuid4()), "bench", "", 0, 0, "", 1), store.now())


def statements(url: str) -> int:
    """What the server has done so far: transactions on PostgreSQL, statements on MySQL. Asking counts as one."""
    if urlsplit(url).scheme == "mysql":
        with mysql.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("show global status like 'Questions'")
            return int(cursor.fetchone()[1])
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        (count,) = connection.execute(
            "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
        ).fetchone() or (0,)
        return int(count)
