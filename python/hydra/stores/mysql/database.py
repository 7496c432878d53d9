"""One database: its one writer session and its readers. Knows transactions and forks, no executions.

write(verb) ──► begin; verb; tallies; commit ──► the doorbells ring
        ▲                      │ deadlock, lock time-out, session lost before COMMIT: all again
        └──────────────────────┘
"""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import pymysql

from hydra.blocks import contextmanager
from hydra.errors import StoreUnavailable
from hydra.interruptions import let_out
from hydra.locks import RLock
from hydra.stores.connecting import undisturbed
from hydra.stores.mysql.address import Address
from hydra.stores.mysql.failures import LockLost, SessionLost, explain
from hydra.stores.mysql.session import READ_WAIT_SECONDS, MySQLSession
from hydra.stores.mysql.tallies import own_slot, tally_rows
from hydra.stores.mysql.transaction import Reader, Reading, Rows, Transaction
from hydra.stores.mysql.watch import Bells

IDLE_READER_COUNT = 4
MAX_TRIES = 8  # of a transaction that lost a deadlock
WRITE_WAIT_SECONDS = 10 / 3  # unless the node says otherwise: a third of the default lease (R20)
RETRY_PAUSE_SECONDS = 0.01  # doubled each time, with jitter

P = ParamSpec("P")
Answer = TypeVar("Answer")

_databases: weakref.WeakSet[Database] = weakref.WeakSet()


class Database:
    """Writing is for one thread at a time and joins: a transaction inside a transaction is the same one."""

    def __init__(self, address: Address, namespace: str, bells: Bells) -> None:
        self.address = address
        self.namespace = namespace
        self._bells = bells
        self._slot = own_slot()
        self._write_wait_seconds = WRITE_WAIT_SECONDS
        self._read_wait_seconds = READ_WAIT_SECONDS
        self.share_locks_block = True
        self._start()
        _databases.add(self)

    def _start(self) -> None:
        """Also in the child of a fork, which must not use what its parent had open."""
        self._mutex = RLock()
        self._writer: MySQLSession | None = None
        self._writer_number = 0
        self._written_at = 0.0
        self._current: Transaction | None = None
        self._owner = 0  # the thread that has the mutex for a transaction
        self._readers: list[MySQLSession] = []
        self._sessions: weakref.WeakSet[MySQLSession] = weakref.WeakSet()

    @property
    def connection_count(self) -> int:
        return sum(session.is_usable() for session in list(self._sessions))

    @property
    def writer_number(self) -> int:
        """Of the connection the open transaction goes over."""
        with self.transaction():
            return self._writer_number

    @property
    def write_wait_seconds(self) -> float:
        return self._write_wait_seconds

    @write_wait_seconds.setter
    def write_wait_seconds(self, seconds: float) -> None:
        with self._mutex:
            self._write_wait_seconds = seconds
            self._written_at = 0.0  # a new writer obeys

    @property
    def read_wait_seconds(self) -> float:
        return self._read_wait_seconds

    @read_wait_seconds.setter
    def read_wait_seconds(self, seconds: float) -> None:
        self._read_wait_seconds = seconds
        self._forget_readers()  # each keeps the limit that it was opened with

    def write(
        self, verb: Callable[Concatenate[Transaction, P], Answer], /, *args: P.args, **options: P.kwargs
    ) -> Answer:
        """A verb as one transaction, again when the server rolled it back; or as part of the one that is open."""
        started = time.monotonic()
        is_part = self._is_inside()
        reconnected = False
        for attempt in range(1, MAX_TRIES + 1):
            try:
                with self.transaction() as transaction:
                    return verb(transaction, *args, **options)
            except SessionLost:
                if is_part or reconnected:
                    raise
                reconnected = True
            except LockLost:
                waited = time.monotonic() - started > self._write_wait_seconds
                if is_part or attempt == MAX_TRIES or waited:
                    raise
                time.sleep(RETRY_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")

    def finish(self, reads: Sequence[str]) -> list[Any]:
        """COMMIT of the open transaction, what its last verb reads in the same flush; the answers of that flush.

        A fence that was not taken yet stands in that flush, too, so nothing but a heartbeat, which repeats it, may.
        """
        assert self._current is not None
        return self._commit(self._current, reads)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        if self._current is not None and self._is_inside():
            with self._joined(self._current):
                yield self._current
            return
        with self._own_turn():
            session = self._writing()
            transaction = Transaction(session, self.namespace, self.share_locks_block)
            self._current = transaction
            try:
                with self.explained():
                    yield transaction
                    if transaction.failed:
                        raise StoreUnavailable(
                            f"a transaction on `{self.address.place}` was rolled back: a part had failed"
                        )
                    if not transaction.is_finished:
                        transaction.flush_fence()
                        self._commit(transaction)
            except BaseException:
                self._roll_back(session)
                raise
            finally:
                self._current = None
                self._written_at = time.monotonic()
            if transaction.has_changed:
                self._bells.ring(transaction.due_count)

    def read(self, verb: Callable[Concatenate[Reading, P], Answer], /, *args: P.args, **options: P.kwargs) -> Answer:
        """A verb that only reads; inside a transaction it sees that one's writes."""
        return verb(Reader(self.namespace, self.rows_of), *args, **options)

    def rows_of(self, statement: str) -> Rows:
        """One reading statement: inside this thread's own transaction it sees what that wrote."""
        if self._current is not None and self._mutex.acquire(blocking=False):
            try:
                if self._current is not None:
                    return self._current.rows_of(statement)
            finally:
                self._mutex.release()
        session = self._take_reader()
        try:
            return self._answer(session, statement)
        except StoreUnavailable:
            if session.is_usable():
                raise
        self._forget_readers()
        # The server had closed an idle connection; reading again is safe.
        return self._answer(self.connect(), statement)

    def connect(self, *, writing: bool = False) -> MySQLSession:
        """A session of one's own. One that was refused is none that was lost: there is nothing to do once more."""
        wait_seconds = self._write_wait_seconds if writing else None
        try:
            with self.explained():
                session = undisturbed(
                    lambda: MySQLSession(self.address, wait_seconds, self.read_wait_seconds), MySQLSession.discard
                )
        except SessionLost as error:
            raise StoreUnavailable(str(error)) from error.__cause__
        self._sessions.add(session)
        return session

    def close(self) -> None:
        with self._mutex:
            readers, self._readers = self._readers, []
            for session in [*readers, *([self._writer] if self._writer else [])]:
                session.discard()
            self._writer = None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Lets no driver's error out that has a sentence."""
        try:
            yield
        except (pymysql.MySQLError, OSError) as error:
            let_out(error)
            clear = explain(error, self.address.place)
            if clear is None:
                raise
            try:
                raise clear from error
            finally:
                del clear  # its traceback has this frame: together they would be a cycle

    def _answer(self, session: MySQLSession, statement: str) -> Rows:
        try:
            with self.explained():
                rows: Rows = session.send([statement])[0]
                return rows
        finally:
            if session.is_usable() and len(self._readers) < IDLE_READER_COUNT:
                self._readers.append(session)
            else:
                session.discard()

    def _take_reader(self) -> MySQLSession:
        while self._readers:
            try:
                return self._readers.pop()
            except IndexError as error:  # another thread took the last
                let_out(error)
        return self.connect()

    def _forget_readers(self) -> None:
        """Where one was lost the others lead to the same server, and waiting for each would add up."""
        readers, self._readers = self._readers, []
        for session in readers:
            session.discard()

    def _is_inside(self) -> bool:
        """Whether this thread has a transaction open."""
        return self._owner == threading.get_ident() and self._current is not None

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        """For the outermost transaction. A signal's handler may raise behind any call: then it is over, too."""
        try:
            if not self._mutex.acquire(timeout=self._write_wait_seconds):
                message = f"another thread of this program was writing for {self._write_wait_seconds:g} s"
                sentence = f"the database `{self.address.place}` could not be written: {message}; try again"
                raise StoreUnavailable(sentence)
            self._owner = threading.get_ident()
            yield
        finally:
            try:
                self._let_go()
            except BaseException:
                self._let_go()
                raise

    def _let_go(self) -> None:
        if self._owner == threading.get_ident():
            self._owner = 0
        try:
            while True:
                self._mutex.release()
        except RuntimeError as error:  # the mutex is not this thread's, or not any more
            let_out(error)

    @contextmanager
    def _joined(self, transaction: Transaction) -> Iterator[None]:
        try:
            yield
        except BaseException:
            transaction.failed = True
            raise

    def _writing(self) -> MySQLSession:
        """The writer; the server ends idle writers, so one that rested is replaced before it fails half-way."""
        session = self._writer
        rested = time.monotonic() - self._written_at > self._write_wait_seconds
        if session is not None and (rested or session.was_ended()):
            session.discard()
        if session is None or not session.is_usable():
            self._writer = session = self.connect(writing=True)
            self._writer_number += 1
        return session

    def _commit(self, transaction: Transaction, reads: Sequence[str] = ()) -> list[Any]:
        """COMMIT, in one flush with the tallies and what is to be read."""
        if transaction.is_empty:
            return []
        rows = tally_rows(transaction.namespace, transaction.changes, self._slot, made_due=transaction.due_count > 0)
        try:
            answers = transaction.finish(rows, reads)
        except (pymysql.MySQLError, OSError) as error:
            let_out(error)
            clear = explain(error, self.address.place)
            if isinstance(clear, LockLost):
                raise
            message = f"the database `{self.address.place}` did not confirm a commit; it may or may not have happened"
            raise StoreUnavailable(message, outcome="unknown") from error
        transaction.has_changed = bool(rows)
        return answers

    def _roll_back(self, session: MySQLSession) -> None:
        if session.is_usable():
            try:
                session.send(["rollback"])
            except (pymysql.MySQLError, OSError) as error:
                let_out(error)


def _after_fork() -> None:
    for database in list(_databases):
        database._start()


os.register_at_fork(after_in_child=_after_fork)
