"""A caller's own connection with its own open transaction: joins it, never commits it. Any driver will do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.blocks import contextmanager
from hydra.errors import ConfigError, HydraError
from hydra.interruptions import let_out
from hydra.stores.mysql.database import Database
from hydra.stores.mysql.failures import error_code, explain
from hydra.stores.mysql.statements import STATEMENTS
from hydra.stores.mysql.tallies import delta_rows
from hydra.stores.mysql.transaction import Transaction

MAX_FLUSH_BYTES = 1024 * 1024  # the driver's own limit is not known
_NO_SAVEPOINT = 1305


class CallerSession:
    """Sends one statement at a time, in whatever mode the connection is."""

    max_flush_bytes = MAX_FLUSH_BYTES

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def send(self, statements: Sequence[str]) -> list[Any]:
        cursor = self._connection.cursor()
        try:
            return [self._run(cursor, statement) for statement in statements]
        finally:
            cursor.close()

    def _run(self, cursor: Any, statement: str) -> Any:
        cursor.execute(statement)
        if not cursor.description:
            return cursor.rowcount
        rows = cursor.fetchall()
        return [tuple(row.values()) if isinstance(row, dict) else row for row in rows]


@contextmanager
def joined(connection: object, database: Database) -> Iterator[Transaction]:
    """The caller's transaction; what is queued is sent before it is handed back."""
    if not callable(getattr(connection, "cursor", None)) or not callable(getattr(connection, "commit", None)):
        name = type(connection).__name__
        raise ConfigError(f"`connection` is a `{name}`; this store joins transactions of a MySQL driver's connection")
    if getattr(connection, "open", True) is False:
        raise ConfigError("`connection` is closed; give one that is open")
    session = CallerSession(connection)
    try:
        _check(session, database)
        transaction = Transaction(session, database.namespace, share_locks_block=True)
        transaction.begun = True
        yield transaction
        transaction.queue_rows("add_deltas", delta_rows(transaction.namespace, transaction.changes))
        transaction.flush()
    except HydraError:
        raise
    except Exception as error:
        let_out(error)
        clear = explain(error, database.address.place)
        if clear is None:
            raise
        raise clear from error


def _check(session: CallerSession, database: Database) -> None:
    (((name, *server),),) = session.send([STATEMENTS["identity"]])
    ((our_name, *our_server),) = database.rows_of(STATEMENTS["identity"])
    # Members of one cluster are several servers with the same tables: there the database's name must do.
    if name != our_name or (database.share_locks_block and server != our_server):
        place = database.address.place
        raise ConfigError(f"`connection` is not in the store's database `{place}`; open one to that database")
    try:
        # Outside a transaction a savepoint is gone as soon as it was made.
        session.send(["savepoint hydra_check", "release savepoint hydra_check"])
    except Exception as error:
        let_out(error)
        if error_code(error) != _NO_SAVEPOINT:
            raise
        message = "`connection` has no open transaction to join; execute `begin` on it first"
        raise ConfigError(message) from error
