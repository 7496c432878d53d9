"""The connection of a `@hydra.transaction` step: the user's function first, the fence and its record last (R21)."""

from __future__ import annotations

from contextlib import suppress

import psycopg
from psycopg.pq import Format, TransactionStatus
from psycopg.rows import tuple_row

from hydra.errors import ConfigError, ConnectionsUsedUp, HydraError, NonRetryable, StoreUnavailable
from hydra.execution import CommitAnswer, ExecutionCommit, NodeRef
from hydra.stores import lent
from hydra.stores.postgres import committing
from hydra.stores.postgres.arrays import register
from hydra.stores.postgres.database import DURABLE, Database
from hydra.stores.postgres.failures import READ_ONLY, RETRIED
from hydra.stores.postgres.lent_connection import FAILED, LentConnection
from hydra.stores.postgres.session import PostgresSession, Result, Step
from hydra.stores.postgres.statements import statements
from hydra.stores.postgres.transaction import Transaction
from hydra.stores.step_connection import Passing

LAST_STATEMENTS_SECONDS = 2  # a stopped process holds its node's row no longer than that (R20)
SETTINGS = {**DURABLE, "idle_in_transaction_session_timeout": "60s"}
ORPHANS = "set client_connection_check_interval = '1s'"  # the statement of a worker that was killed ends, too
_ENDED_BY_USER = ("3B001", "25P01")  # our savepoint is gone, or no transaction is open
_STOOD_IDLE = "25P03"  # the function kept the transaction open for too long without a statement
_DUPLICATE = "23505"
_IS_CLOSED = "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean"
# What `discard all` does, which the server refuses in a transaction.
_TAKE_BACK = """reset session authorization; reset all; close all; unlisten *; discard temp; discard sequences;
deallocate all"""
_UNLOCK = "select pg_advisory_unlock_all()"
INTERRUPT_SECONDS = 5
PROBE_SECONDS = 5.0


class StepConnection:
    """See `hydra.stores.store.StepConnection`."""

    def __init__(self, database: Database, namespace: str) -> None:
        self._database = database
        self._namespace = namespace
        self._began_closed = False
        self._own = database.connect_as(LentConnection, SETTINGS)  # for hydra's statements alone
        self._own.is_under_way = self._is_under_way
        self.connection = self._own  # in its place the function gets an object of the same session
        self._is_unfinished = False
        self._is_pooled = database.address.is_pooled
        self._take_back = _TAKE_BACK  # whatever the function has set ends with it
        if not self._is_pooled:
            with suppress(psycopg.Error):  # where the server's system cannot
                self._own.execute(ORPHANS)
                self._take_back = f"{_TAKE_BACK}; {ORPHANS}"

    def begin(self) -> None:
        self._own.failure = None
        self.connection = self._own.lend()
        self._own.execute(f"begin; savepoint {lent.SAVEPOINT}")  # guard R21: the fence is taken after the function
        told = self._own.info.parameter_status  # without a round trip, by PostgreSQL 14 and later
        self._began_closed = "on" in (told("in_hot_standby"), told("default_transaction_read_only"))

    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> CommitAnswer:
        self.connection.is_lent = False
        self._end_function()
        try:
            self._own.execute(self._last_settings())
            (written,) = committing.commit(Transaction(self._namespace, self._run), node, [item], now)
        except psycopg.Error as error:
            self.roll_back()
            if error.sqlstate == _DUPLICATE:
                return CommitAnswer.REFUSED
            raise
        if not written:  # guard R21: a record that is there already rolls the function back
            self.roll_back()
            return CommitAnswer.REFUSED
        try:
            self._own.execute("commit")
        except psycopg.Error as error:
            if self._own.closed:
                message = f"the database `{self._database.address.url}` did not confirm a commit"
                raise StoreUnavailable(f"{message}; it may or may not have happened", outcome="unknown") from error
            self.roll_back()
            raise
        if not self._is_pooled:
            self._or_close(_UNLOCK)  # only now, so that whoever waits for the lock sees what was written under it
        return written

    def _end_function(self) -> None:
        """What is deferred to the end of the transaction happens here, as the function has set things."""
        if self._own.is_unfinished:
            self._is_unfinished = True
            self._own.close()
            raise HydraError(
                "a query of the transaction is still under way (`stream`, `copy`, a pipeline); read it to its end or "
                "close it before the function returns"
            )
        try:
            # guard G6: the function's writes and the record are one transaction
            self._own.execute(f"release savepoint {lent.SAVEPOINT}; set constraints all immediate")
        except psycopg.Error as error:
            failure = self.connection.failure
            self.roll_back()
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

    def roll_back(self) -> None:
        self.connection.is_lent = False
        if self._own.is_unfinished:
            self._own.close()
        elif self._own.info.transaction_status is not TransactionStatus.IDLE:
            self._or_close(f"rollback; {self._take_back}; {_UNLOCK}")

    def _or_close(self, statements: str) -> None:
        try:
            self._own.execute(statements)
        except psycopg.Error:
            self._own.close()

    def passing(self, error: BaseException) -> Passing | None:
        own = self._own.failure if error is self._own.failure else self.connection.failure
        self.connection.is_lent = False
        if self._is_unfinished:
            return None
        if own is not None and own.sqlstate == _STOOD_IDLE:
            return None
        if self._own.closed:
            return Passing.LOST
        if own is None or (error is not own and not self._failed_before(error)):
            return None  # of another connection, or the function's own
        if own.sqlstate == READ_ONLY and self._takes_no_writes():
            self._own.close()
            return Passing.CLOSED
        return Passing.CONTENDED if own.sqlstate in RETRIED else None

    def interrupt(self) -> None:
        with suppress(psycopg.Error):
            self._own.cancel_safe(timeout=INTERRUPT_SECONDS)

    def _failed_before(self, error: BaseException) -> bool:
        """Whether the function swallowed its connection's failure, and met it again in this."""
        has_failed = self._own.info.transaction_status is TransactionStatus.INERROR
        return has_failed and isinstance(error, psycopg.errors.InFailedSqlTransaction)

    def _takes_no_writes(self) -> bool:
        """Whether it is the server that is read-only, not what the function did to its transaction."""
        self.roll_back()
        if self._began_closed or self._own.closed:
            return True
        try:
            row = psycopg.Cursor(self._own, row_factory=tuple_row).execute(_IS_CLOSED).fetchone()
        except psycopg.Error:
            return True
        return row is not None and bool(row[0])

    @property
    def is_usable(self) -> bool:
        return not self._own.closed and self._own.info.transaction_status is TransactionStatus.IDLE

    def close(self) -> None:
        self.connection.is_lent = False
        self._own.close()

    def _is_under_way(self) -> bool:
        """Whether the server answers others, and still knows of this connection (a pooler has names of its own)."""
        pid = 0 if self._database.address.is_pooled else self._own.info.backend_pid
        try:
            session = PostgresSession(self._database.connect({}), PROBE_SECONDS, prepares=False)
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

    def _last_settings(self) -> str:
        """What the record needs, in place of what the function has set. A pooler's session is another's afterwards."""
        settings = {"idle_in_transaction_session_timeout": f"{LAST_STATEMENTS_SECONDS}s", "client_encoding": "UTF8"}
        if self._is_pooled:
            settings |= DURABLE
        local = [f"set local {name} = '{value}'" for name, value in settings.items()]
        return "; ".join([self._take_back, *local, *([_UNLOCK] if self._is_pooled else [])])

    def _run(self, *steps: Step) -> list[Result]:
        results: list[Result] = []
        for name, parameters in steps:
            cursor = psycopg.Cursor(self._own, row_factory=tuple_row)
            cursor.format = Format.BINARY
            register(cursor.adapters)
            cursor.execute(statements()[name], parameters)
            results.append(Result(cursor.fetchall() if cursor.description else [], cursor.rowcount))
        return results
