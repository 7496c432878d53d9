"""The connection of a `@hydra.transaction` step: the user's function first, the fence and its record last (R21)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from hydra.errors import NonRetryable, StoreUnavailable
from hydra.execution import ExecutionCommit, NodeRef
from hydra.stores.postgres import committing
from hydra.stores.postgres.arrays import register
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.failures import READ_ONLY, RETRIED
from hydra.stores.postgres.session import Result, Step
from hydra.stores.postgres.statements import statements

LAST_STATEMENTS_SECONDS = 2  # a stopped process holds its node's row no longer than that (R20)
SETTINGS = {"idle_in_transaction_session_timeout": "60s", "default_transaction_isolation": "read committed"}
_ENDED_BY_USER = ("3B001", "25P01")  # our savepoint is gone, or no transaction is open
_DUPLICATE = "23505"
_IS_CLOSED = "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean"
INTERRUPT_SECONDS = 5


class StepConnection:
    """See `hydra.stores.store.StepConnection`."""

    def __init__(self, database: Database, namespace: str) -> None:
        self._database = database
        self._namespace = namespace
        self._began_closed = False
        self.connection: psycopg.Connection[Any] = database.connect(SETTINGS)

    def begin(self) -> None:
        self.connection.execute("begin")
        told = self.connection.info.parameter_status  # without a round trip, by PostgreSQL 14 and later
        self._began_closed = "on" in (told("in_hot_standby"), told("default_transaction_read_only"))
        self.connection.execute("savepoint hydra_step")

    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> bool:
        try:
            self.connection.execute("release savepoint hydra_step")
            limit = f"set local idle_in_transaction_session_timeout = '{LAST_STATEMENTS_SECONDS}s'"
            self.connection.execute(limit)
            (written,) = committing.commit(self._run, self._namespace, node, [item], now)
        except psycopg.Error as error:
            self.roll_back()
            if error.sqlstate == _DUPLICATE:
                return False
            if error.sqlstate in _ENDED_BY_USER:
                raise NonRetryable(
                    "a transaction must not end its transaction itself; leave the commit to hydra"
                ) from error
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
        try:
            if self.connection.info.transaction_status is not TransactionStatus.IDLE:
                self.connection.execute("rollback")
        except psycopg.Error:
            self.connection.close()

    def is_passing(self, error: BaseException) -> bool:
        if isinstance(error, psycopg.Error) and error.sqlstate == READ_ONLY and self._takes_no_writes():
            self.connection.close()
        return self.connection.closed or (isinstance(error, psycopg.Error) and error.sqlstate in RETRIED)

    def interrupt(self) -> None:
        with suppress(psycopg.Error):
            self.connection.cancel_safe(timeout=INTERRUPT_SECONDS)

    def _takes_no_writes(self) -> bool:
        """Whether it is the server that is read-only, not what the function did to its transaction."""
        self.roll_back()
        if self._began_closed or self.connection.closed:
            return True
        try:
            row = self.connection.execute(_IS_CLOSED).fetchone()
        except psycopg.Error:
            return True
        return row is not None and bool(row[0])

    @property
    def is_usable(self) -> bool:
        return not self.connection.closed and self.connection.info.transaction_status is TransactionStatus.IDLE

    def close(self) -> None:
        self.connection.close()

    def _run(self, *steps: Step) -> list[Result]:
        results: list[Result] = []
        for name, parameters in steps:
            cursor = self.connection.cursor(binary=True, row_factory=tuple_row)
            register(cursor.adapters)
            cursor.execute(statements()[name], parameters)
            results.append(Result(cursor.fetchall() if cursor.description else [], cursor.rowcount))
        return results
