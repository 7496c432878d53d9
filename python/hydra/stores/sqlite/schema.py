"""The tables' version: migrations in order under the write lock, so that concurrent first starts are safe (R27)."""

from __future__ import annotations

import sqlite3

from hydra.errors import SchemaError
from hydra.stores.sqlite.database import Database
from hydra.stores.sqlite.statements import execute, migrations, select


def newest_version() -> int:
    return migrations()[-1][0]


def migrate(database: Database) -> tuple[int, int]:
    """(version before, version after)."""
    with database.transaction() as connection:
        before = read_version(connection)
        _refuse_newer(database.path, before)
        for version, statements in migrations():
            if version > before:
                for statement in statements:
                    connection.execute(statement)
                execute(connection, "schema_applied", version=version)
    return before, newest_version()


def is_current(database: Database) -> bool:
    """Whether the tables are this code's; a newer version is a SchemaError."""
    with database.reading() as connection:
        version = read_version(connection)
    _refuse_newer(database.path, version)
    return version == newest_version()


def read_version(connection: sqlite3.Connection) -> int:
    """0 for a database without hydra's tables."""
    if not select(connection, "schema_exists"):
        return 0
    version: int | None = select(connection, "schema_version")[0][0]
    return version or 0


def _refuse_newer(path: str, version: int) -> None:
    if version > newest_version():
        message = f"the database `{path}` has tables of version {version}, this hydra knows {newest_version()}"
        raise SchemaError(f"{message}; install the newer hydra")
