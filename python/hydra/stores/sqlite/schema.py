"""The tables' version: migrations in order under the write lock, so that concurrent first starts are safe (R27)."""

from __future__ import annotations

from hydra.stores import upgrades
from hydra.stores.sqlite.database import Database
from hydra.stores.sqlite.statements import migrations
from hydra.stores.sqlite.transaction import Reading
from hydra.stores.upgrades import NO_TABLES, TablesVersion, refuse_newer, refuse_unasked


def newest_version() -> int:
    return migrations()[-1][0]


def migrate(database: Database, *, is_asked: bool = True) -> tuple[int, int]:
    """(version before, version after). Where nobody asked for it, only what older nodes can live with."""
    with database.transaction() as transaction:
        before = read_version(transaction)
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
        tables = read_version(reading)
    refuse_newer(tables, newest_version(), database.path)
    return upgrades.is_current(tables, newest_version())


def read_version(reading: Reading) -> TablesVersion:
    if not reading.select("schema_exists"):
        return NO_TABLES
    return TablesVersion(*reading.select("schema_version")[0])
