"""A caller's own connection with its own open transaction: joins it, never commits it.

Takes psycopg's connections, and whatever wraps one: SQLAlchemy's (`connection.connection.driver_connection`) and
Django's (`connection.connection`).
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from hydra.errors import ConfigError
from hydra.stores.postgres.arrays import register
from hydra.stores.postgres.database import Cursor, Step
from hydra.stores.postgres.failures import explain
from hydra.stores.postgres.statements import statements

WRAPPER_DEPTH = 4  # SQLAlchemy's Session → Connection → pool's proxy → psycopg


def joined(connection: object, url: str) -> Callable[..., list[Cursor]]:
    """Runs statements in the caller's transaction."""
    own = unwrap(connection)
    if own.info.transaction_status not in (TransactionStatus.INTRANS, TransactionStatus.IDLE):
        raise ConfigError("`connection` is in a failed or unfinished transaction; roll it back first")
    if own.autocommit and own.info.transaction_status is TransactionStatus.IDLE:
        raise ConfigError("`connection` has no open transaction to join; open one with `connection.transaction()`")

    def run(*steps: Step) -> list[Cursor]:
        cursors: list[Cursor] = []
        try:
            for name, parameters in steps:
                cursor = own.cursor(binary=True, row_factory=tuple_row)
                register(cursor.adapters)
                cursors.append(cursor.execute(statements()[name], parameters))
        except psycopg.Error as error:
            raise explain(error, url) or error from error
        return cursors

    return run


def unwrap(connection: object) -> psycopg.Connection[object]:
    """The psycopg connection inside."""
    inner: object = connection
    for _ in range(WRAPPER_DEPTH):
        if isinstance(inner, psycopg.Connection):
            return inner
        if callable(getattr(inner, "ensure_connection", None)):  # Django opens lazily
            inner.ensure_connection()  # type: ignore[attr-defined]
        following = getattr(inner, "driver_connection", None) or getattr(inner, "connection", None)
        if following is None:
            break
        inner = following() if callable(following) else following
    name = f"{type(connection).__module__}.{type(connection).__qualname__}"
    message = f"`connection` is a `{name}`; this store joins transactions of `psycopg.Connection`"
    raise ConfigError(f"{message} and of SQLAlchemy's and Django's around one")
