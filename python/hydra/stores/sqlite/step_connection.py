"""The connection of a `@hydra.transaction` step: the user's function first, the fence and its record last (R21).

The function holds the file's write lock, and hydra's turn in the queue for it, from its first line to its last.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress

from hydra.errors import ConfigError, NonRetryable, StoreUnavailable
from hydra.execution import CommitAnswer, ExecutionCommit, NodeRef
from hydra.stores import lent
from hydra.stores.sqlite import at_fork, committing
from hydra.stores.sqlite.failures import explain, is_busy, primary_code
from hydra.stores.sqlite.lent_connection import LentConnection
from hydra.stores.sqlite.lock import WriteQueue
from hydra.stores.sqlite.transaction import Transaction
from hydra.stores.step_connection import Passing

WAIT_SECONDS = 5.0  # in one go: whoever waits for the file hears no interrupt, so a cancel waits as long


class StepConnection:
    """See `hydra.stores.store.StepConnection`."""

    def __init__(self, path: str, namespace: str, synchronous: str) -> None:
        at_fork.refuse_carried(path)
        self._path = path
        self._namespace = namespace
        self._holds_turn = False
        try:
            self._queue = WriteQueue(path)
        except OSError as error:
            message = f"the lock files beside the database `{path}` cannot be written: {error.strerror}"
            raise ConfigError(message) from error
        self._synchronous = synchronous
        self.connection = self._connect()

    def _connect(self) -> LentConnection:
        own = LentConnection(self._path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        own.execute(f"pragma synchronous = {self._synchronous}")
        own.execute("pragma foreign_keys = on")
        return own

    def begin(self) -> None:
        self._queue.acquire(time.monotonic() + WAIT_SECONDS)
        self._holds_turn = True
        self.connection.execute("begin immediate")
        self.connection.execute(f"savepoint {lent.SAVEPOINT}")
        self.connection.is_lent = True

    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> CommitAnswer:
        own = self.connection
        own.is_lent = False
        try:
            own.take_back()
            # guard G6: the function's writes and the record are one transaction
            own.execute(f"release savepoint {lent.SAVEPOINT}")
        except sqlite3.OperationalError as error:
            self.roll_back()
            if str(error).startswith("no such savepoint"):
                raise NonRetryable(lent.SENTENCE) from error
            raise
        (written,) = committing.commit(Transaction(own, self._namespace), node, [item], now)
        if not written:  # guard R21: what is not written is rolled back
            self.roll_back()
            return CommitAnswer.REFUSED
        try:
            own.execute("commit")
        except sqlite3.Error as error:
            if primary_code(error) == sqlite3.SQLITE_IOERR:
                message = f"the disk reported an error while the database `{self._path}` committed"
                raise StoreUnavailable(f"{message}; it may or may not have happened", outcome="unknown") from error
            raise
        self._forget_changes()
        self._let_go()
        self._queue.ring()
        return written

    def roll_back(self) -> None:
        self.connection.is_lent = False
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("rollback")
            self.connection.take_back()
        self._forget_changes()
        self._let_go()

    def passing(self, error: BaseException) -> Passing | None:
        """While the function has the write lock, nothing of this file is busy: that is another file's, or the
        function's own. What SQLite itself rolled back for (a full disk) is the file's."""
        if not isinstance(error, sqlite3.Error):
            return None
        if not self.connection.is_lent and is_busy(error):
            return Passing.CONTENDED
        if self.connection.is_lent and self.connection.in_transaction:
            return None
        return Passing.CLOSED if isinstance(explain(error, self._path), StoreUnavailable) else None

    def interrupt(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.interrupt()

    @property
    def is_usable(self) -> bool:
        try:
            return not self.connection.in_transaction
        except sqlite3.Error:
            return False  # it is closed

    def close(self) -> None:
        self.connection.is_lent = False
        self.connection.close()
        self._queue.close()

    def _forget_changes(self) -> None:
        """What the function has set ends with it, a lock that it keeps on the file, too: with another connection."""
        if self.connection.is_changed:
            with suppress(sqlite3.Error):  # then it is closed, and replaced by whoever wants it next
                self.connection.close()
                self.connection = self._connect()

    def _let_go(self) -> None:
        if self._holds_turn:
            self._holds_turn = False
            self._queue.release()
