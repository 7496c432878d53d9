"""The connection of a `@hydra.transaction` step: the user's function first, the fence and its record last (R21).

The function holds the file's write lock, and hydra's turn in the queue for it, from its first line to its last.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress

from hydra.errors import ConfigError, NonRetryable, StoreUnavailable
from hydra.execution import ExecutionCommit, NodeRef
from hydra.stores.sqlite import committing, forks
from hydra.stores.sqlite.failures import is_busy, primary_code
from hydra.stores.sqlite.lock import WriteQueue

WAIT_SECONDS = 20.0


class StepConnection:
    """See `hydra.stores.store.StepConnection`."""

    def __init__(self, path: str, namespace: str, synchronous: str) -> None:
        forks.refuse_carried(path)
        self._path = path
        self._namespace = namespace
        self._holds_turn = False
        try:
            self._queue = WriteQueue(path)
        except OSError as error:
            message = f"the lock files beside the database `{path}` cannot be written: {error.strerror}"
            raise ConfigError(message) from error
        self.connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        self.connection.execute(f"pragma synchronous = {synchronous}")
        self.connection.execute("pragma foreign_keys = on")

    def begin(self) -> None:
        self._queue.acquire(time.monotonic() + WAIT_SECONDS)
        self._holds_turn = True
        # Another function may have left these otherwise.
        self.connection.row_factory, self.connection.text_factory, self.connection.isolation_level = None, str, None
        self.connection.execute("pragma query_only = off")
        self.connection.execute("begin immediate")
        self.connection.execute("savepoint hydra_step")

    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> bool:
        own = self.connection
        if self._is_closed():
            raise NonRetryable("a transaction must not close its connection; leave that to hydra")
        own.row_factory, own.text_factory = None, str
        try:
            own.execute("release savepoint hydra_step")
        except sqlite3.OperationalError as error:
            self.roll_back()
            if str(error).startswith("no such savepoint"):
                sentence = "a transaction must not end its transaction itself; leave the commit to hydra"
                raise NonRetryable(sentence) from error
            raise
        (written,) = committing.commit(own, self._namespace, node, [item], now)
        if not written:
            self.roll_back()
            return False
        try:
            own.execute("commit")
        except sqlite3.Error as error:
            if primary_code(error) == sqlite3.SQLITE_IOERR:
                message = f"the disk reported an error while the database `{self._path}` committed"
                raise StoreUnavailable(f"{message}; it may or may not have happened", outcome="unknown") from error
            raise
        self._let_go()
        self._queue.ring()
        return True

    def roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("rollback")
        self._let_go()

    def is_passing(self, error: BaseException) -> bool:
        return isinstance(error, sqlite3.Error) and is_busy(error)

    def interrupt(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.interrupt()

    @property
    def is_usable(self) -> bool:
        return not self._is_closed() and not self.connection.in_transaction

    def close(self) -> None:
        self.connection.close()
        self._queue.close()

    def _is_closed(self) -> bool:
        try:
            return self.connection.total_changes < 0
        except sqlite3.ProgrammingError:
            return True

    def _let_go(self) -> None:
        if self._holds_turn:
            self._holds_turn = False
            self._queue.release()
