"""A caller's own connection with its own open transaction: joins it, never commits it.

Takes psycopg's connections, and whatever wraps one: SQLAlchemy's (`connection.connection.driver_connection`) and
Django's (`connection.connection`). Asynchronous ones are awaited by the caller's own task (`hydra.stores.awaiting`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
from psycopg.pq import Format, PipelineStatus, TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from hydra.blocks import contextmanager
from hydra.errors import ConfigError
from hydra.interruptions import let_out_cause
from hydra.stores.awaiting import await_here
from hydra.stores.postgres.arrays import register
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.failures import RETRIED
from hydra.stores.postgres.session import Result, Step
from hydra.stores.postgres.statements import statements
from hydra.stores.postgres.transaction import UNDO, Transaction

WRAPPER_DEPTH = 4  # SQLAlchemy's Session, its Connection, its pool's proxy, then psycopg's
ENCODING = "UTF8"  # in which columns of a batch are packed

Run = Callable[..., list[Result]]
Own = psycopg.Connection[TupleRow] | psycopg.AsyncConnection[TupleRow]


@contextmanager
def joined(connection: object, database: Database) -> Iterator[Transaction]:
    """Statements are run in the caller's transaction, which stays usable when one fails: all or nothing of them."""
    own = unwrap(connection)
    with _answering(own) as answered:
        _check_transaction(own)
        with _joined(own, database, answered) as run:
            yield Transaction(database.namespace, run)


@contextmanager
def _joined(own: Own, database: Database, answered: Callable[[], None]) -> Iterator[Run]:
    encoding = own.info.parameter_status("client_encoding")
    is_foreign = encoding != ENCODING

    def run(*steps: Step) -> list[Result]:
        results: list[Result] = []
        for name, parameters in steps:
            results.append(execute(statements()[name], parameters))
        return results

    def execute(sql: bytes, parameters: Mapping[str, object]) -> Result:
        if isinstance(own, psycopg.AsyncConnection):
            return await_here(execute_async(own, sql, parameters))
        cursor = psycopg.Cursor(own, row_factory=tuple_row)  # not the caller's kind: Django's takes no binary
        cursor.format = Format.BINARY
        register(cursor.adapters)
        cursor.execute(sql, parameters)
        answered()
        return Result(cursor.fetchall() if cursor.description else [], cursor.rowcount)

    async def execute_async(
        own: psycopg.AsyncConnection[TupleRow], sql: bytes, parameters: Mapping[str, object]
    ) -> Result:
        cursor = psycopg.AsyncCursor(own, row_factory=tuple_row)
        cursor.format = Format.BINARY
        register(cursor.adapters)
        await cursor.execute(sql, parameters)
        return Result(await cursor.fetchall() if cursor.description else [], cursor.rowcount)

    outer = sys.exception()
    try:
        run(("join", {}))
        with _all_or_nothing(own, run):
            if is_foreign:
                run(("encode", {"encoding": ENCODING}))
            _check_database(run, database)
            yield run
            if is_foreign:
                run(("encode", {"encoding": encoding}))
        run(("leave", {}))
    except psycopg.Error as error:
        if error.sqlstate in RETRIED:  # the caller's framework knows what to do with it
            raise
        let_out_cause(error, outer)
        raise database.explained(error) from error


@contextmanager
def _all_or_nothing(own: Own, run: Run) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if not own.closed:
            run(UNDO, ("leave", {}))
        raise


def unwrap(connection: object) -> Own:
    """The psycopg connection inside."""
    inner: object = connection
    for _ in range(WRAPPER_DEPTH):
        if isinstance(inner, psycopg.Connection | psycopg.AsyncConnection):
            return inner
        if hasattr(inner, "sync_session"):  # SQLAlchemy's AsyncSession: its connection begins with it
            inner = await_here(inner.connection())  # type: ignore[attr-defined]
        if hasattr(inner, "get_raw_connection"):  # and its AsyncConnection
            inner = await_here(_raw_connection(inner)).driver_connection
            continue
        if hasattr(inner, "ensure_connection"):  # Django's opens lazily
            inner.ensure_connection()
        if callable(getattr(inner, "in_transaction", None)) and not inner.in_transaction():  # type: ignore[attr-defined]
            inner.begin()  # type: ignore[attr-defined]  # SQLAlchemy's commits nothing that it did not see begin
        following = getattr(inner, "driver_connection", None) or getattr(inner, "connection", None)
        inner = following() if callable(following) else following
    if isinstance(inner, psycopg.Connection | psycopg.AsyncConnection):
        return inner
    name = f"{type(connection).__module__}.{type(connection).__qualname__}"
    message = f"`connection` is a `{name}`; this store joins transactions of `psycopg.Connection`"
    raise ConfigError(f"{message} or `AsyncConnection` and of SQLAlchemy's and Django's around one")


async def _raw_connection(connection: Any) -> Any:
    if not connection.in_transaction():
        await connection.begin()
    return await connection.get_raw_connection()


@contextmanager
def _answering(own: Own) -> Iterator[Callable[[], None]]:
    """Where the caller is in a pipeline, nothing is answered before the call of what this gives."""
    if own.info.pipeline_status is PipelineStatus.OFF:
        yield lambda: None
        return
    if isinstance(own, psycopg.AsyncConnection):
        raise ConfigError("`connection` is in a pipeline; leave it first, or give a connection that is in none")
    with own.pipeline() as pipeline:
        pipeline.sync()
        yield pipeline.sync


def _check_transaction(own: Own) -> None:
    if own.closed:
        raise ConfigError("`connection` is closed; give one that is open")
    if own.info.transaction_status not in (TransactionStatus.INTRANS, TransactionStatus.IDLE):
        raise ConfigError("`connection` is in a failed or unfinished transaction; roll it back first")
    if own.autocommit and own.info.transaction_status is TransactionStatus.IDLE:
        raise ConfigError("`connection` has no open transaction to join; open one with `connection.transaction()`")


def _check_database(run: Run, database: Database) -> None:
    """The same database and tables: two servers may have databases of one name, but hardly tables of one number."""
    (theirs,) = run(("identity", {}))
    ((ours,),) = database.fetch(("identity", {}))
    if theirs.rows != [ours]:
        url = database.address.url
        raise ConfigError(f"`connection` does not lead to the store's tables in `{url}`; open one to that database")
