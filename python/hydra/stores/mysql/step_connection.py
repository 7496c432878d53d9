"""The connection of a `@hydra.transaction` step: the user's function first, the fence and its record last (R21)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from hydra.errors import NonRetryable, StoreUnavailable
from hydra.execution import CommitAnswer, ExecutionCommit, NodeRef
from hydra.stores import lent
from hydra.stores.connecting import freed_where_refused
from hydra.stores.mysql import committing
from hydra.stores.mysql.address import Address
from hydra.stores.mysql.callers import CallerSession
from hydra.stores.mysql.failures import (
    DEADLOCK,
    DUPLICATE,
    READ_ONLY,
    error_code,
    explain,
    is_session_lost,
    too_large,
)
from hydra.stores.mysql.lent_connection import LentConnection
from hydra.stores.mysql.session import SETTINGS
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.step_connection import Passing

CONNECT_SECONDS = 5
REPLY_SECONDS = 60
INTERRUPT_SECONDS = 5
STATEMENT_BYTES = 1 << 16  # of a record beside its payload
_SAVEPOINT_GONE = 1305
_NO_SUCH_THREAD = 1094
_ENDED = f"{lent.SENTENCE} (MySQL ends it at `create`, `alter` and `drop`, too)"
_OPTION_FORBIDS, _READ_ONLY_TRANSACTION = 1290, 1792
_OWN_SETTINGS = (  # for hydra's own statements, whatever the function has set; its session is another's afterwards
    *SETTINGS,
    "set session autocommit = 0, foreign_key_checks = 1, unique_checks = 1, character_set_client = utf8mb4, "
    "character_set_results = utf8mb4, character_set_connection = utf8mb4",
)
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
            with freed_where_refused():
                self.connection: Any = LentConnection(**self._options(REPLY_SECONDS), autocommit=False)
            with Cursor(self.connection) as cursor:
                cursor.execute("select @@max_allowed_packet")
                self._max_packet_bytes = int(cursor.fetchone()[0])
            self.connection.remember()
        except (pymysql.MySQLError, OSError) as error:
            raise explain(error, self._place) or error from error

    def begin(self) -> None:
        self.connection.failure = None
        self._is_open = True
        self._settle()
        self._execute("begin")
        self._execute(f"savepoint {lent.SAVEPOINT}")  # guard R21: the fence is taken after the function
        self.connection.is_lent = True

    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> CommitAnswer:
        self.connection.is_lent = False
        failure = self.connection.failure
        if 2 * sum(len(each.payload or b"") for each in item.records) + STATEMENT_BYTES > self._max_packet_bytes:
            raise too_large(self._place)  # the server would only hang up, and be taken for lost
        try:
            # guard G6: the function's writes and the record are one transaction
            self._execute(f"release savepoint {lent.SAVEPOINT}")
            self._settle()
            transaction = Transaction(CallerSession(self.connection), self._namespace, self._share_locks_block)
            transaction.begun = True
            (written,) = committing.commit(transaction, node, [item], now)
            transaction.flush()
        except pymysql.MySQLError as error:
            self._note(error)
            self.roll_back()
            if error_code(error) == DUPLICATE:
                return CommitAnswer.REFUSED
            if error_code(error) == _SAVEPOINT_GONE:
                if failure is not None and error_code(failure) in DEADLOCK:  # the function swallowed it
                    self.connection.failure = failure
                    raise failure from None
                raise NonRetryable(_ENDED) from error
            raise
        if not written:  # guard R21: a record that is there already rolls the function back
            self.roll_back()
            return CommitAnswer.REFUSED
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
        self._forget_session()
        return written

    def roll_back(self) -> None:
        self.connection.is_lent = False
        if self._is_open:
            self._is_open = False
            self._forget_session()

    def _settle(self) -> None:
        self.connection.restore()
        self.connection.select_db(self._address.database)
        for statement in _OWN_SETTINGS:
            self._execute(statement)

    def _forget_session(self) -> None:
        """What the function has set ends with it: variables, locks, temporary tables; an open transaction, too."""
        self.connection.restore()
        try:
            self.connection.reset()
        except (pymysql.MySQLError, OSError):
            self._is_lost = True

    def passing(self, error: BaseException) -> Passing | None:
        self.connection.is_lent = False
        if not self.connection.open:
            self._is_lost = True
            return None if self._ended_late() else Passing.LOST
        if not isinstance(error, pymysql.MySQLError) or error is not self.connection.failure:
            return None  # of another connection, or the function's own
        if not self._is_of_server(error):
            self._is_lost = error_code(error) == _READ_ONLY_TRANSACTION  # its next transaction would be so, too
            return None
        self._note(error)
        if self._is_lost:
            return Passing.CLOSED if error_code(error) in READ_ONLY else Passing.LOST
        return Passing.CONTENDED if error_code(error) in DEADLOCK else None

    def interrupt(self) -> None:
        """The statement is ended, and the transaction stays open: its owner rolls it back."""
        with suppress(pymysql.MySQLError, OSError):
            self._kill("query")

    def _is_of_server(self, error: pymysql.MySQLError) -> bool:
        """False for a write that was refused because of what the function did: its own read-only transaction, or a
        statement that another option of the server forbids."""
        code = error_code(error)
        if code == _OPTION_FORBIDS:
            return "read-only" in str(error).replace("_", "-")
        if code != _READ_ONLY_TRANSACTION:
            return True
        try:
            with Cursor(self.connection) as cursor:
                cursor.execute(_CLOSED)
                return any(value in ("ON", "1") for _, value in cursor.fetchall())
        except (pymysql.MySQLError, OSError):
            return True

    @property
    def is_usable(self) -> bool:
        return not self._is_lost and bool(self.connection.open)

    def close(self) -> None:
        self.connection.is_lent = False
        with suppress(pymysql.MySQLError, OSError):
            self.connection.close()

    def _ended_late(self) -> bool:
        """Whether a statement took longer than hydra waits for a reply; it is ended on the server, too, which lets go
        its locks. False where the server does not answer others either."""
        if not self.connection.was_silent:
            return False
        try:
            self._kill("connection")
        except (pymysql.MySQLError, OSError) as error:
            return error_code(error) == _NO_SUCH_THREAD
        return True

    def _kill(self, what: str) -> None:
        with freed_where_refused():
            killer = pymysql.connect(**self._options(INTERRUPT_SECONDS), autocommit=True)
        try:
            killer.cursor().execute(f"kill {what} {int(self.connection.thread_id())}")
        finally:
            killer.close()

    def _options(self, reply_seconds: int) -> dict[str, Any]:
        return {
            **self._address.arguments(),
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": reply_seconds,
            "write_timeout": reply_seconds,
        }

    def _note(self, error: Exception) -> None:
        if isinstance(error, pymysql.MySQLError | OSError) and is_session_lost(error):
            self._is_lost = True

    def _execute(self, statement: str) -> None:
        with Cursor(self.connection) as cursor:
            cursor.execute(statement)
