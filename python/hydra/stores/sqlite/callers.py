"""A caller's own sqlite3 connection with its own open transaction: joins it, never commits it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator

from hydra.blocks import contextmanager
from hydra.errors import ConfigError
from hydra.stores.sqlite.database import Database
from hydra.stores.sqlite.failures import explained
from hydra.stores.sqlite.transaction import Transaction


@contextmanager
def joined(connection: object, database: Database) -> Iterator[Transaction]:
    """The connection's transaction, on the store's file."""
    if not isinstance(connection, sqlite3.Connection):
        name = type(connection).__name__
        raise ConfigError(f"`connection` is a `{name}`; this store joins transactions of `sqlite3.Connection`")
    with explained(database.path):
        row_factory, text_factory = connection.row_factory, connection.text_factory
        connection.row_factory, connection.text_factory = None, str
        try:
            try:
                _check_file(connection, database.path)
            except sqlite3.ProgrammingError as error:  # it is closed, or another thread's
                raise ConfigError(f"`connection` cannot be used: {error}") from error
            if not connection.in_transaction:
                if connection.isolation_level is None:
                    message = "`connection` has no open transaction to join; execute `begin immediate` on it first"
                    raise ConfigError(message)
                connection.execute("begin immediate")
            yield Transaction(connection, database.namespace)
        finally:
            connection.row_factory, connection.text_factory = row_factory, text_factory


@contextmanager
def all_or_nothing(connection: object, database: Database) -> Iterator[Transaction]:
    """The same; it stays usable when what is done in it fails."""
    with joined(connection, database) as transaction:
        own = transaction.connection
        own.execute("savepoint hydra_joined")
        try:
            yield transaction
        except BaseException:
            if own.in_transaction:
                own.execute("rollback to hydra_joined")
                own.execute("release hydra_joined")
            raise
        own.execute("release hydra_joined")


def _check_file(connection: sqlite3.Connection, path: str) -> None:
    for _, schema, file in connection.execute("pragma database_list").fetchall():
        if schema == "main" and file and os.path.exists(file) and os.path.samefile(file, path):
            return
    raise ConfigError(f"`connection` is not a connection to the store's database `{path}`; open one to that file")
