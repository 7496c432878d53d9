"""The database of a benchmark: the one that was named, or a server of its own like those of the tests."""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).parents[1]))

from hydra.execution import NodeInfo, NodeRef
from hydra.stores import open_store
from hydra.stores.store import Store

from tests.servers import mysql, postgres

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


def writer_seconds(store: Any) -> float:
    """CPU so far of what serves the store's writes in a server of this host: a process of PostgreSQL, a thread of
    MariaDB. Always 0 for a file, and where there is no such thing to be seen."""
    writer = None if store.path else store._database._writer
    if writer is None:
        return 0.0
    is_mysql = urlsplit(store.url).scheme in ("mysql", "mariadb")
    number = writer._connection.thread_id() if is_mysql else writer.connection.info.backend_pid
    try:
        return int(_account(store.url if is_mysql else "", number).read_text().split()[0]) / 1e9
    except (OSError, IndexError):
        return 0.0


@functools.lru_cache
def _account(url: str, number: int) -> Path:
    """Where the kernel counts a backend's time, or that of the thread of a connection."""
    if not url:
        return Path(f"/proc/{number}/schedstat")
    with mysql.connect(url) as connection, connection.cursor() as cursor:
        is_mariadb = "mariadb" in connection.get_server_info().lower()
        cursor.execute(
            f"select tid from information_schema.processlist where id = {number}"
            if is_mariadb
            else f"select thread_os_id from performance_schema.threads where processlist_id = {number}"
        )
        (thread,) = cursor.fetchone()
    return next(Path("/proc").glob(f"[0-9]*/task/{thread}/schedstat"), Path(f"/proc/task/{thread}"))
