"""The tables' version: migrations in order under a lock, so that concurrent first starts are safe (R27)."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

from hydra.errors import ConfigError, StoreUnavailable
from hydra.stores import upgrades
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.statements import migrations, statements
from hydra.stores.upgrades import NO_TABLES, TablesVersion, not_ours, refuse_newer, refuse_unasked

LOCK = 0x68796472615F6D67  # any number, the same in every hydra
SETTINGS = {"lock_timeout": "60s", "statement_timeout": "0", "jit": "off"}


def newest_version() -> int:
    return migrations()[-1][0]


def migrate(database: Database, *, is_asked: bool = True) -> tuple[int, int]:
    """(version before, version after). Where nobody asked for it, only what older nodes can live with.

    One transaction; the lock ends with it, so it works through a pooler.
    """
    connection = database.connect(SETTINGS)
    try:
        _require_encoding(connection, database.address.url)
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", [LOCK])
            before = _read_version(connection, database.address.url)
            refuse_newer(before, newest_version(), database.address.url)
            pending = [(version, script) for version, script in migrations() if version > before.newest]
            if not is_asked:
                refuse_unasked(before, [script.decode() for _, script in pending], database.address.url)
            for version, script in pending:
                connection.execute(script)
                applied = {"version": version, "is_additive": upgrades.is_additive(script.decode())}
                connection.execute(statements()["schema_applied"], applied)
    except psycopg.Error as error:
        raise database.explained(error) from error
    finally:
        connection.close()
    return before.newest, max(before.newest, newest_version())


def is_current(database: Database) -> bool:
    """Whether this code can work with the tables; those of a newer version that it must know are a SchemaError."""
    connection = database.connect(SETTINGS)
    try:
        _require_encoding(connection, database.address.url)
        tables = _read_version(connection, database.address.url)
    except psycopg.Error as error:
        raise database.explained(error) from error
    finally:
        connection.close()
    refuse_newer(tables, newest_version(), database.address.url)
    return upgrades.is_current(tables, newest_version())


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


def _require_encoding(connection: psycopg.Connection[TupleRow], url: str) -> None:
    """In another one a node could not write what its code says, such as a workflow's name, and would try for ever."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        message = f"the database `{url}` has the encoding {encoding}, in which not every text can be kept"
        raise ConfigError(f"{message}; create it with `encoding 'UTF8' template template0`")


def _read_version(connection: psycopg.Connection[TupleRow], url: str) -> TablesVersion:
    exists = connection.execute(statements()["schema_exists"]).fetchone()
    if exists is None or exists[0] is None:
        return NO_TABLES
    try:
        return TablesVersion(*(connection.execute(statements()["schema_version"]).fetchone() or NO_TABLES))
    except psycopg.errors.UndefinedColumn as error:
        raise not_ours(url, error) from error
