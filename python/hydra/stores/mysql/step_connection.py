"""The connection of a `@hydra.transaction` step: the user's function first, the fence and its record last (R21)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pymysql

from hydra.errors import NonRetryable, StoreUnavailable
from hydra.execution import ExecutionCommit, NodeRef
from hydra.stores.mysql import committing
from hydra.stores.mysql.address import Address
from hydra.stores.mysql.callers import CallerSession
from hydra.stores.mysql.failures import DEADLOCK, DUPLICATE, error_code, explain, is_session_lost, too_large
from hydra.stores.mysql.session import SETTINGS
from hydra.stores.mysql.transaction import Transaction

CONNECT_SECONDS = 5
REPLY_SECONDS = 60
INTERRUPT_SECONDS = 5
STATEMENT_BYTES = 1 << 16  # of a record beside its payload
_SAVEPOINT_GONE = 1305
_OPTION_FORBIDS, _READ_ONLY_TRANSACTION = 1290, 1792
_CLOSED = """show global variables where variable_name in
('read_only', 'super_read_only', 'innodb_read_only', 'tx_read_only', 'transaction_read_only')"""


class StepConnection:
    """See `hydra.stores.store.StepConnection`."""

    def __init__(self, address: Address, namespace: str, share_locks_block: bool) -> None:
        self._place = address.place
        self._namespace = namespace
        self._share_locks_block = share_locks_block
        self._address = address
        self._is_lost = False
        self._is_open = False
        try:
            self.connection: Any = self._connect(REPLY_SECONDS)
            with self.connection.cursor() as cursor:
                cursor.execute("select @@max_allowed_packet")
                self._max_packet_bytes = int(cursor.fetchone()[0])
        except (pymysql.MySQLError, OSError) as error:
            raise explain(error, self._place) or error from error

    def begin(self) -> None:
        self._is_open = True
        self.connection.cursorclass = pymysql.cursors.Cursor
        self.connection.select_db(self._address.database)
        for statement in SETTINGS:  # each time: another function may have set something else
            self._execute(statement)
        self._execute("begin")
        self._execute("savepoint hydra_step")

    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> bool:
        if self._is_closed_by_function():
            raise NonRetryable("a transaction must not close its connection; leave that to hydra")
        if 2 * sum(len(each.payload or b"") for each in item.records) + STATEMENT_BYTES > self._max_packet_bytes:
            raise too_large(self._place)  # the server would only hang up, and be taken for lost
        try:
            self._execute("release savepoint hydra_step")
            transaction = Transaction(CallerSession(self.connection), self._namespace, self._share_locks_block)
            transaction.begun = True
            (written,) = committing.commit(transaction, node, [item], now)
            transaction.flush()
        except pymysql.MySQLError as error:
            self._note(error)
            self.roll_back()
            if error_code(error) == DUPLICATE:
                return False
            if error_code(error) == _SAVEPOINT_GONE:
                raise NonRetryable(
                    "a transaction must not end its transaction itself, and MySQL ends it at `create`, `alter` and "
                    "`drop`; leave the commit to hydra"
                ) from error
            raise
        if not written:
            self.roll_back()
            return False
        try:
            self._execute("commit")
        except (pymysql.MySQLError, OSError) as error:
            self._note(error)
            if self._is_lost:
                message = f"the database `{self._place}` did not confirm a commit; it may or may not have happened"
                raise StoreUnavailable(message, outcome="unknown") from error
            self.roll_back()
            raise
        self._is_open = False
        return True

    def roll_back(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._execute("rollback")
        except (pymysql.MySQLError, OSError):
            self._is_lost = True

    def is_passing(self, error: BaseException) -> bool:
        if self._is_closed_by_function():
            return False
        if isinstance(error, Exception):
            self._note(error)
            if isinstance(error, pymysql.MySQLError) and not self._is_of_server(error):
                return False
        return self._is_lost or (isinstance(error, pymysql.MySQLError) and error_code(error) in DEADLOCK)

    def interrupt(self) -> None:
        """The statement is ended, and the transaction stays open: its owner rolls it back."""
        with suppress(pymysql.MySQLError, OSError):
            killer = self._connect(INTERRUPT_SECONDS)
            try:
                killer.cursor().execute(f"kill query {int(self.connection.thread_id())}")
            finally:
                killer.close()

    def _is_closed_by_function(self) -> bool:
        """Not lost: that would be no fault of the function."""
        return bool(self.connection._closed)

    def _is_of_server(self, error: pymysql.MySQLError) -> bool:
        """False for a write that was refused because of what the function did: its own read-only transaction, or a
        statement that another option of the server forbids."""
        code = error_code(error)
        if code == _OPTION_FORBIDS:
            return "read-only" in str(error).replace("_", "-")
        if code != _READ_ONLY_TRANSACTION:
            return True
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(_CLOSED)
                return any(value in ("ON", "1") for _, value in cursor.fetchall())
        except (pymysql.MySQLError, OSError):
            return True

    @property
    def is_usable(self) -> bool:
        return not self._is_lost and bool(self.connection.open)

    def close(self) -> None:
        with suppress(pymysql.MySQLError, OSError):
            self.connection.close()

    def _connect(self, reply_seconds: int) -> Any:
        return pymysql.connect(
            **self._address.arguments(),
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=reply_seconds,
            write_timeout=reply_seconds,
        )

    def _note(self, error: Exception) -> None:
        if isinstance(error, pymysql.MySQLError | OSError) and is_session_lost(error):
            self._is_lost = True

    def _execute(self, statement: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
