"""The tables' version: migrations in order under a lock, so that concurrent first starts are safe (R27)."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

from hydra.errors import SchemaError, StoreUnavailable
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.statements import migrations, statements

LOCK = 0x68796472615F6D67  # any number, the same in every hydra
SETTINGS = {"lock_timeout": "60s", "jit": "off"}


def newest_version() -> int:
    return migrations()[-1][0]


def migrate(database: Database) -> tuple[int, int]:
    """(version before, version after). One transaction; the lock ends with it, so it works through a pooler."""
    connection = database.connect(SETTINGS)
    try:
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
            before = _read_version(connection)
            _refuse_newer(database, before)
            for version, script in migrations():
                if version > before:
                    connection.execute(script)
                    connection.execute(statements()["schema_applied"], {"version": version})
    except psycopg.Error as error:
        raise database.explained(error) from error
    finally:
        connection.close()
    return before, newest_version()


def is_current(database: Database) -> bool:
    """Whether the tables are this code's; a newer version is a SchemaError."""
    connection = database.connect(SETTINGS)
    try:
        version = _read_version(connection)
    except psycopg.Error as error:
        raise database.explained(error) from error
    finally:
        connection.close()
    _refuse_newer(database, version)
    return version == newest_version()


def check_locks(database: Database) -> None:
    """The fence rests on it: one connection's share lock must keep another's exclusive one out (R9)."""
    holder = database.connect(SETTINGS)
    other = database.connect(SETTINGS)
    try:
        with holder.transaction(force_rollback=True), other.transaction(force_rollback=True):
            holder.execute(statements()["probe_share"])
            try:
                other.execute(statements()["probe_exclusive"])
            except psycopg.errors.LockNotAvailable:
                return
    except psycopg.Error as error:
        raise database.explained(error) from error
    finally:
        holder.close()
        other.close()
    message = f"the database `{database.address.url}` does not keep `for share` and `for update` apart"
    raise StoreUnavailable(f"{message}, so a dead node could still write; use PostgreSQL itself")


def _read_version(connection: psycopg.Connection[TupleRow]) -> int:
    """0 for a database without hydra's tables."""
    exists = connection.execute(statements()["schema_exists"]).fetchone()
    if exists is None or exists[0] is None:
        return 0
    row = connection.execute(statements()["schema_version"]).fetchone()
    return (row[0] if row else None) or 0


def _refuse_newer(database: Database, version: int) -> None:
    if version > newest_version():
        known, url = newest_version(), database.address.url
        message = f"the database `{url}` has tables of version {version}, this hydra knows {known}"
        raise SchemaError(f"{message}; install the newer hydra")
