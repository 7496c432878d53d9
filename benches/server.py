"""The database of a benchmark: the one that was named, or a server of its own like those of the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from servers import mysql, postgres

DURABLE = "fsync=on, synchronous_commit=on"


@contextmanager
def database(choice: str, connections: int = 120) -> Iterator[str]:
    """A URL is used as it is; `postgres` and `mysql` start a durable server with a fresh database, for the block."""
    if choice == "postgres":
        server = postgres.PostgresServer(settings=f"max_connections = {connections}\n").start()
        try:
            yield postgres.create_database(server)
        finally:
            server.destroy()
    elif choice == "mysql":
        maria = mysql.MysqlServer(f"--max-connections={connections}").start()
        try:
            yield mysql.create_database(maria)
        finally:
            maria.destroy()
    else:
        yield choice


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
