"""The connection of a `@hydra.transaction` step: the user's function first, the fence and its record last (R21)."""

from __future__ import annotations

from contextlib import suppress

import psycopg
from psycopg.pq import Format, TransactionStatus
from psycopg.rows import tuple_row

from hydra.errors import ConfigError, ConnectionsUsedUp, HydraError, NonRetryable, StoreUnavailable
from hydra.execution import ExecutionCommit, NodeRef
from hydra.stores import lent
from hydra.stores.postgres import committing
from hydra.stores.postgres.arrays import register
from hydra.stores.postgres.database import DURABLE, Database
from hydra.stores.postgres.failures import READ_ONLY, RETRIED
from hydra.stores.postgres.lent_connection import FAILED, LentConnection, LentCursor
from hydra.stores.postgres.session import Result, Session, Step
from hydra.stores.postgres.statements import statements
from hydra.stores.store import Passing

LAST_STATEMENTS_SECONDS = 2  # a stopped process holds its node's row no longer than that (R20)
SETTINGS = {**DURABLE, "idle_in_transaction_session_timeout": "60s"}
ORPHANS = "set client_connection_check_interval = '1s'"  # the statement of a worker that was killed ends, too
_ENDED_BY_USER = ("3B001", "25P01")  # our savepoint is gone, or no transaction is open
_STOOD_IDLE = "25P03"  # the function kept the transaction open for too long without a statement
_DUPLICATE = "23505"
_IS_CLOSED = "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean"
_AS_AT_FIRST = "reset session authorization; reset all"  # whatever another function has set
INTERRUPT_SECONDS = 5
PROBE_SECONDS = 5.0


class StepConnection:
    """See `hydra.stores.store.StepConnection`."""

    def __init__(self, database: Database, namespace: str) -> None:
        self._database = database
        self._namespace = namespace
        self._began_closed = False
        self.connection = database.connect_as(LentConnection, SETTINGS)
        self.connection.is_under_way = self._is_under_way
        self._begin = "begin"  # behind a pooler a session is nobody's, and has nothing to be taken back
        if not database.address.is_pooled:
            self._begin = f"{_AS_AT_FIRST}; begin"
            with suppress(psycopg.Error):  # where the server's system cannot
                self.connection.execute(ORPHANS)
                self._begin = f"{_AS_AT_FIRST}; {ORPHANS}; begin"

    def begin(self) -> None:
        self.connection.failure = None
        self.connection.row_factory, self.connection.cursor_factory = tuple_row, LentCursor
        self.connection.execute(self._begin)
        told = self.connection.info.parameter_status  # without a round trip, by PostgreSQL 14 and later
        self._began_closed = "on" in (told("in_hot_standby"), told("default_transaction_read_only"))
        self.connection.execute(f"savepoint {lent.SAVEPOINT}")
        self.connection.is_lent = True

    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> bool:
        self.connection.is_lent = False
        try:
            self.connection.execute(f"release savepoint {lent.SAVEPOINT}")
            self.connection.execute(self._last_settings())
            (written,) = committing.commit(self._run, self._namespace, node, [item], now)
        except psycopg.Error as error:
            failure = self.connection.failure
            self.roll_back()
            if error.sqlstate == _DUPLICATE:
                return False
            if error.sqlstate in _ENDED_BY_USER:
                raise NonRetryable(lent.SENTENCE) from error
            if error.sqlstate == FAILED:
                if failure is not None and failure.sqlstate in RETRIED:
                    raise failure from None
                raise HydraError(
                    "a statement of the transaction failed, so nothing of it can be written; let its error leave the "
                    "function, or try the statement within `with connection.transaction():`"
                ) from failure
            raise
        if not written:
            self.roll_back()
            return False
        try:
            self.connection.execute("commit")
        except psycopg.Error as error:
            if self.connection.closed:
                message = f"the database `{self._database.address.url}` did not confirm a commit"
                raise StoreUnavailable(f"{message}; it may or may not have happened", outcome="unknown") from error
            self.roll_back()
            raise
        return True

    def roll_back(self) -> None:
        self.connection.is_lent = False
        try:
            if self.connection.info.transaction_status is not TransactionStatus.IDLE:
                self.connection.execute("rollback")
        except psycopg.Error:
            self.connection.close()

    def passing(self, error: BaseException) -> Passing | None:
        own, self.connection.is_lent = self.connection.failure, False
        if own is not None and own.sqlstate == _STOOD_IDLE:
            return None
        if self.connection.closed:
            return Passing.LOST
        if own is None or (error is not own and not self._failed_before(error)):
            return None  # of another connection, or the function's own
        if own.sqlstate == READ_ONLY and self._takes_no_writes():
            self.connection.close()
            return Passing.CLOSED
        return Passing.CONTENDED if own.sqlstate in RETRIED else None

    def interrupt(self) -> None:
        with suppress(psycopg.Error):
            self.connection.cancel_safe(timeout=INTERRUPT_SECONDS)

    def _failed_before(self, error: BaseException) -> bool:
        """Whether the function swallowed its connection's failure, and met it again in this."""
        has_failed = self.connection.info.transaction_status is TransactionStatus.INERROR
        return has_failed and isinstance(error, psycopg.errors.InFailedSqlTransaction)

    def _takes_no_writes(self) -> bool:
        """Whether it is the server that is read-only, not what the function did to its transaction."""
        self.roll_back()
        if self._began_closed or self.connection.closed:
            return True
        try:
            row = psycopg.Cursor(self.connection, row_factory=tuple_row).execute(_IS_CLOSED).fetchone()
        except psycopg.Error:
            return True
        return row is not None and bool(row[0])

    @property
    def is_usable(self) -> bool:
        return not self.connection.closed and self.connection.info.transaction_status is TransactionStatus.IDLE

    def close(self) -> None:
        self.connection.is_lent = False
        self.connection.close()

    def _is_under_way(self) -> bool:
        """Whether the server answers others, and still knows of this connection (a pooler has names of its own)."""
        pid = 0 if self._database.address.is_pooled else self.connection.info.backend_pid
        try:
            session = Session(self._database.connect({}), PROBE_SECONDS, prepares=False)
        except (ConnectionsUsedUp, ConfigError):
            return True
        except StoreUnavailable:
            return False
        try:
            (found,) = session.run([("backend", {"pid": pid})])
        except psycopg.Error:
            return False
        finally:
            session.close()
        return pid == 0 or found.rows == [(True,)]

    def _last_settings(self) -> bytes:
        """What the record needs, whatever the function has set. Behind a pooler the session brought nothing along."""
        settings = {"idle_in_transaction_session_timeout": f"{LAST_STATEMENTS_SECONDS}s", "client_encoding": "UTF8"}
        if self._database.address.is_pooled:
            settings |= DURABLE
        return "; ".join(f"set local {name} = '{value}'" for name, value in settings.items()).encode()

    def _run(self, *steps: Step) -> list[Result]:
        results: list[Result] = []
        for name, parameters in steps:
            cursor = psycopg.Cursor(self.connection, row_factory=tuple_row)
            cursor.format = Format.BINARY
            register(cursor.adapters)
            cursor.execute(statements()[name], parameters)
            results.append(Result(cursor.fetchall() if cursor.description else [], cursor.rowcount))
        return results
