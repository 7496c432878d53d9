"""One SQLite file: its writer connection and its readers. Knows transactions, forks, locks; no executions."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Concatenate, ParamSpec, TypeVar

from hydra.blocks import contextmanager
from hydra.condition import Condition
from hydra.errors import ConfigError, SchemaError, StoreUnavailable
from hydra.interruptions import let_out
from hydra.locks import RLock
from hydra.stores.sqlite import at_fork
from hydra.stores.sqlite.failures import explain, explained, is_busy, primary_code
from hydra.stores.sqlite.lock import WriteQueue
from hydra.stores.sqlite.transaction import Reading, Transaction

CACHE_KIB = 65_536
CHECKPOINT_PAGES = 4_000
BUSY_SECONDS = 0.25  # one try for SQLite's lock; the tries go on until `write_wait_seconds`
IDLE_READER_COUNT = 4
CACHED_STATEMENT_COUNT = 256

P = ParamSpec("P")
Answer = TypeVar("Answer")


class Database:
    """Writing is for one thread at a time and joins: a transaction inside a transaction is the same one."""

    def __init__(self, path: str, namespace: str, synchronous: str) -> None:
        self.path = path
        self.namespace = namespace
        self.write_wait_seconds = 20.0
        self.synchronous = synchronous
        self._file: tuple[int, int] | None = None  # device and inode, since it was first opened
        self.start_anew()
        at_fork.register(self)

    def start_anew(self) -> None:
        self._mutex = RLock()
        self._depth = 0
        self._owner = 0  # the thread that has the mutex for a transaction
        self._failed = False
        self._writer: sqlite3.Connection | None = None
        self._queue: WriteQueue | None = None
        self._readers_changed = Condition()
        self._readers_mutex = self._readers_changed.lock
        self._idle_readers: list[sqlite3.Connection] = []
        self._loans: set[_Loan] = set()
        self._is_forking = False
        self._holds_turn_for_fork = False
        self._is_watched = False
        self._others_version = 0
        self._others_count = 0

    def check(self) -> None:
        """Raise a ConfigError for a path that cannot be a database here."""
        if os.path.isdir(self.path):
            raise ConfigError(f"the database `{self.path}` is a directory; give the path of a file")
        directory = self.directory()
        writable = self.path if os.path.exists(self.path) else directory
        if not os.access(writable, os.W_OK):
            raise ConfigError(f"the database `{self.path}` cannot be written; check the permissions of `{writable}`")

    def directory(self) -> str:
        """The one its file is in, or is to be made in."""
        directory = os.path.dirname(self.path) or "."
        if not os.path.isdir(directory):
            raise ConfigError(f"the directory `{directory}` of the database does not exist; create it first")
        return directory

    def write(
        self, verb: Callable[Concatenate[Transaction, P], Answer], /, *args: P.args, **options: P.kwargs
    ) -> Answer:
        """A verb as one transaction, or as part of the one that is open."""
        turn = self.transaction()
        try:
            with turn as transaction:
                return verb(transaction, *args, **options)
        except BaseException:
            turn.make_sure()
            raise

    def read(self, verb: Callable[Concatenate[Reading, P], Answer], /, *args: P.args, **options: P.kwargs) -> Answer:
        """A verb that only reads; inside a transaction it sees that one's writes."""
        with self.reading() as reading:
            return verb(reading, *args, **options)

    def transaction(self) -> _Turn:
        """BEGIN IMMEDIATE … COMMIT on the writer connection; all or nothing."""
        return _Turn(self)

    def depth(self) -> int:
        """How many transactions this thread has open, one in the other."""
        return self._depth if self._owner == threading.get_ident() else 0

    def enter(self) -> Transaction:
        """Begin a transaction, or a part of the one that this thread has open. `transaction` calls it."""
        if not self.depth():
            self._take_mutex()
            self._owner = threading.get_ident()
            self._begin()
            self._failed = False
        self._depth += 1
        assert self._writer is not None
        return Transaction(self._writer, self.namespace)

    def leave(self, error: BaseException | None) -> None:
        """End what `enter` has begun: the last to leave commits, unless it or a part has failed."""
        if self._depth > 1:
            self._failed = self._failed or error is not None
            self._depth -= 1
            return
        assert self._writer is not None and self._queue is not None
        bell = self._queue  # a fork may close it as soon as it is let go
        if error is not None:
            self._give_up(self._writer, error)
            self._let_go()
        else:
            self._commit(self._writer)
            self._let_go()
            bell.ring()

    def fall_back(self, depth: int) -> None:
        """What this thread has open past that depth is over, and rolled back where it is not committed. Safe to repeat,
        where a signal's handler has raised behind any call of `enter` and `leave`, or here."""
        if depth:
            if self.depth() > depth:
                self._failed, self._depth = True, depth
            return
        self._let_go()
        try:
            while True:
                self._mutex.release()
        except RuntimeError as error:  # the mutex is not this thread's, or not any more
            let_out(error)

    def _let_go(self) -> None:
        if self._owner == threading.get_ident():
            if self._writer is not None:
                _roll_back(self._writer)
            if self._queue is not None:
                self._queue.release()
            self._depth, self._owner = 0, 0
            self._mutex.release()

    def others_changes(self) -> int:
        """How often commits of others were noticed.

        SQLite's `data_version` on a connection does not move with its own commits. While a transaction is under way
        there is nothing to look at: it looked when it began, and nobody has committed since. A transaction looks once
        somebody has asked, so that a program which only submits does not pay for it.
        """
        self._is_watched = True
        if self._mutex.acquire(blocking=False):
            try:
                if not self._depth:
                    with explained(self.path):
                        self._look_for_others(self._writing())
            finally:
                self._mutex.release()
        return self._others_count

    def _look_for_others(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("pragma data_version").fetchone()[0]
        if version != self._others_version:
            self._others_version = version
            self._others_count += 1

    def _take_mutex(self) -> None:
        if not self._mutex.acquire(timeout=self.write_wait_seconds):
            message = f"another thread of this program was writing to `{self.path}` for {self.write_wait_seconds:g} s"
            raise StoreUnavailable(f"{message}; try again")

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A connection for reading; within this thread's own transaction the writer, so that it sees its writes."""
        if self._depth and self._mutex.acquire(blocking=False):
            with explained(self.path):
                try:
                    if self._depth:
                        assert self._writer is not None
                        yield Reading(self._writer, self.namespace)
                        return
                finally:
                    self._mutex.release()
        loan = _Loan()
        try:
            connection = self._lend(loan)
            with explained(self.path):
                yield Reading(connection, self.namespace)
        finally:
            try:
                self._take_back(loan)
            except BaseException:
                self._take_back(loan)
                raise

    def enter_wal(self) -> None:
        """Make the file a WAL database, which it then stays. Needs the file for itself, so it queues like a writer."""
        self._take_mutex()
        try:
            queue, deadline = self._queued(), time.monotonic() + self.write_wait_seconds
            try:
                queue.acquire(deadline)
                with explained(self.path):
                    self._retry_busy(deadline, "pragma journal_mode = wal", self._writing())
            finally:
                queue.release()
        finally:
            self._mutex.release()

    @property
    def connection_count(self) -> int:
        return (self._writer is not None) + len(self._idle_readers) + len(self._loans)

    def close(self) -> None:
        """It opens again when it is used again."""
        with self._mutex, self._readers_mutex:
            for connection in self._idle_readers:
                connection.close()
            self._idle_readers.clear()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            if self._queue is not None:
                self._queue.close()
                self._queue = None

    def let_go(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        self._holds_turn_for_fork = self._mutex.acquire(timeout=timeout_seconds)
        with self._readers_mutex:
            self._is_forking = True
        patience = max(0.0, deadline - time.monotonic())
        is_unused = self._readers_changed.wait_for(lambda: not self._loans, patience)
        if not self._holds_turn_for_fork or self._depth or not is_unused:
            return False
        self.close()
        return True

    def take_up(self) -> None:
        with self._readers_mutex:
            self._is_forking = False
            self._readers_changed.notify_all()
        if self._holds_turn_for_fork:
            self._holds_turn_for_fork = False
            self._mutex.release()

    def _lend(self, loan: _Loan) -> sqlite3.Connection:
        self._require_in_place()
        if self._file is None and not os.path.exists(self.path):  # reading makes no file
            raise SchemaError(f"there is no database `{self.path}`; run `hydra migrate` to make it")
        with self._readers_mutex:
            is_lent = self._begin_loan(loan)
        if not is_lent:
            self._readers_changed.wait_for(lambda: self._begin_loan(loan))
        if loan.connection is None:
            loan.connection = self._connect()
        return loan.connection

    def _begin_loan(self, loan: _Loan) -> bool:
        if self._is_forking:
            return False
        self._loans.add(loan)
        if self._idle_readers:
            loan.connection = self._idle_readers.pop()
        return True

    def _take_back(self, loan: _Loan) -> None:
        """Safe to repeat, where a signal's handler has raised behind any call here; one that was not lent is none."""
        connection, loan.connection = loan.connection, None
        if connection is not None:
            if len(self._idle_readers) < IDLE_READER_COUNT:
                self._idle_readers.append(connection)
            else:
                connection.close()
        with self._readers_mutex:
            self._loans.discard(loan)
            self._readers_changed.notify_all()

    def _begin(self) -> None:
        connection, queue = self._writing(), self._queued()
        deadline = time.monotonic() + self.write_wait_seconds
        try:
            queue.acquire(deadline)
            with explained(self.path):
                # guard R7: a write transaction has the write lock from its first statement
                self._retry_busy(deadline, "begin immediate", connection)
                self._require_in_place()
                if self._is_watched:
                    self._look_for_others(connection)
        except BaseException:
            _roll_back(connection)
            queue.release()
            raise

    def _require_in_place(self) -> None:
        """A file that was deleted or replaced takes with it what is still written to it (G1)."""
        if self._file is not None and _identity(self.path) != self._file:
            message = f"the database `{self.path}` was deleted or replaced while it was open"
            raise ConfigError(f"{message}; end every program that uses it, and start them again")

    def _retry_busy(self, deadline: float, statement: str, connection: sqlite3.Connection) -> None:
        while True:
            try:
                connection.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                if time.monotonic() >= deadline:
                    message = (
                        f"the database `{self.path}` was locked by another program for {self.write_wait_seconds:g} s"
                    )
                    raise StoreUnavailable(f"{message}; end that program's transaction and try again") from error

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            if self._failed:
                raise StoreUnavailable(f"a transaction on `{self.path}` was rolled back: a part of it had failed")
            connection.execute("commit")
        except BaseException as error:
            self._give_up(connection, error, is_commit=True)
            raise

    def _give_up(self, connection: sqlite3.Connection, error: BaseException, *, is_commit: bool = False) -> None:
        """Roll back; what SQLite says becomes a sentence."""
        _roll_back(connection)
        if not isinstance(error, sqlite3.Error):
            return
        if is_commit and primary_code(error) == sqlite3.SQLITE_IOERR:
            message = f"the disk reported an error while the database `{self.path}` committed"
            raise StoreUnavailable(f"{message}; it may or may not have happened", outcome="unknown") from error
        if (clear := explain(error, self.path)) is not None:
            raise clear from error

    def _connect(self) -> sqlite3.Connection:
        """A connection for reading."""
        at_fork.refuse_carried(self.path)
        with explained(self.path):
            connection = sqlite3.connect(
                self.path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=CACHED_STATEMENT_COUNT,
            )
            connection.execute(f"pragma cache_size = -{CACHE_KIB}")
            connection.execute("pragma query_only = on")
            self._file = self._file or _identity(self.path)
            return connection

    def _writing(self) -> sqlite3.Connection:
        if self._writer is None:
            connection = self._connect()
            with explained(self.path):
                connection.execute("pragma query_only = off")
                connection.execute(f"pragma synchronous = {self.synchronous}")
                connection.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
            self._writer = connection
        return self._writer

    def _queued(self) -> WriteQueue:
        if self._queue is None:
            try:
                self._queue = WriteQueue(self.path)
            except OSError as error:
                let_out(error)
                message = f"the lock files beside the database `{self.path}` cannot be written: {error.strerror}"
                raise ConfigError(message) from error
        return self._queue


class _Loan:
    """A connection for reading that somebody uses, or is about to."""

    __slots__ = ("connection",)

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None


class _Turn:
    """A transaction as a `with` block; not a generator, which costs each submission several times as much. A signal's
    handler may raise behind any call: it is over then, too."""

    __slots__ = ("_database", "_depth")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._depth = -1  # how many were open before it; -1 while it is not

    def __enter__(self) -> Transaction:
        self._depth = self._database.depth()
        try:
            return self._database.enter()
        except BaseException:
            self.make_sure()
            raise

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            self._database.leave(error)
        except BaseException:
            self.make_sure()
            raise
        self._depth = -1

    def make_sure(self) -> None:
        """That it is over."""
        if self._depth < 0:
            return
        try:
            self._database.fall_back(self._depth)
        except BaseException:
            self._database.fall_back(self._depth)
            raise
        self._depth = -1


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("rollback")
