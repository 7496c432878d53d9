"""The tables' version: migrations in order under the write lock, so that concurrent first starts are safe (R27)."""

from __future__ import annotations

import sqlite3

from hydra.stores import upgrades
from hydra.stores.sqlite.database import Database
from hydra.stores.sqlite.statements import migrations
from hydra.stores.sqlite.transaction import Reading
from hydra.stores.upgrades import NO_TABLES, TablesVersion, not_ours, refuse_newer, refuse_unasked


def newest_version() -> int:
    return migrations()[-1][0]


def migrate(database: Database, *, is_asked: bool = True) -> tuple[int, int]:
    """(version before, version after). Where nobody asked for it, only what older nodes can live with."""
    with database.transaction() as transaction:
        before = read_version(transaction, database.path)
        refuse_newer(before, newest_version(), database.path)
        pending = [(version, statements) for version, statements in migrations() if version > before.newest]
        if not is_asked:
            refuse_unasked(before, [statements[0] for _, statements in pending], database.path)
        for version, statements in pending:
            for statement in statements:
                transaction.connection.execute(statement)
            is_additive = upgrades.is_additive(statements[0])
            transaction.execute("schema_applied", version=version, is_additive=is_additive)
    return before.newest, max(before.newest, newest_version())


def is_current(database: Database) -> bool:
    """Whether this code can work with the tables; those of a newer version that it must know are a SchemaError."""
    with database.reading() as reading:
        tables = read_version(reading, database.path)
    refuse_newer(tables, newest_version(), database.path)
    return upgrades.is_current(tables, newest_version())


def read_version(reading: Reading, place: str) -> TablesVersion:
    if not reading.select("schema_exists"):
        return NO_TABLES
    try:
        return TablesVersion(*reading.select("schema_version")[0])
    except sqlite3.OperationalError as error:
        if str(error).startswith("no such column"):
            raise not_ours(place, error) from error
        raise
