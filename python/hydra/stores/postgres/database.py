"""One PostgreSQL database: its writer connection and its readers. Knows transactions and forks, nothing of executions.

Outside `transaction()` a verb's statements leave in one flush with the end of their transaction (R20): a pipeline
without BEGIN is one transaction, committed by its Sync. So none ever stands idle, and PgBouncer may be in between.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import AdaptersMap
from psycopg.rows import TupleRow

from hydra.errors import SchemaError, StoreUnavailable
from hydra.stores.postgres.address import Address
from hydra.stores.postgres.arrays import register
from hydra.stores.postgres.failures import RETRIED, explain
from hydra.stores.postgres.statements import statements

IDLE_READER_COUNT = 4
TRY_COUNT = 10  # of a transaction that lost a deadlock or could not be serialized
WRITE_REPLY_SECONDS = 15.0  # a server that accepts but never answers
READ_REPLY_SECONDS = 65.0
WRITE_SETTINGS = {
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "2s",  # what a stopped node may hold: below half of the usual lease (R20)
    # The same plan whatever the statistics say: each statement has one index, named in its file.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
READ_SETTINGS = {"statement_timeout": "60s", "default_transaction_read_only": "on", "jit": "off"}

Step = tuple[str, Mapping[str, Any]]  # a statement's name and its parameters
Row = tuple[Any, ...]
Cursor = psycopg.Cursor[TupleRow]
T = TypeVar("T")

_adapters = AdaptersMap(psycopg.adapters)
register(_adapters)


class _Connection(psycopg.Connection[TupleRow]):
    """Gives up on a server that stops answering without closing the connection."""

    reply_seconds = WRITE_REPLY_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return super().wait(gen, interval, self.reply_seconds if timeout is None else timeout)


class _Context:
    """How psycopg is told of adapters at connect."""

    adapters = _adapters
    connection = None


class Database:
    """Writing is for one thread at a time and joins: a transaction inside a transaction is the same one."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._start()
        os.register_at_fork(after_in_child=_Forked(self))

    def _start(self) -> None:
        self._mutex = threading.RLock()
        self._depth = 0
        self._begun = False
        self._failed = False
        self._writer: _Connection | None = None
        self._readers: list[_Connection] = []
        self._committed: list[Callable[[], None]] = []

    def write(self, *steps: Step) -> list[Cursor]:
        """Run the statements as one transaction, or as part of the one that is open; all or nothing."""
        with self._mutex:
            if self._depth:
                return self._join(steps)
            return self._retry(lambda: self._send(steps))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Joins every `write` and `read` inside, and commits at the end."""
        with self._mutex:
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._commit()
            except BaseException:
                self._failed = True
                if self._depth == 1:
                    self._roll_back()
                raise
            finally:
                self._depth -= 1
                if not self._depth:
                    self._begun = self._failed = False
                    self._committed.clear()

    @contextmanager
    def part(self) -> Iterator[None]:
        """A verb: when it fails within an open transaction, that one cannot commit, whoever swallows the error."""
        with self._mutex:
            try:
                yield
            except BaseException:
                self._failed = self._depth > 0
                raise

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call it once what was written is committed: now, or at the end of the open transaction."""
        if self._depth:
            self._committed.append(call)
        else:
            call()

    def read(self, *steps: Step) -> list[list[TupleRow]]:
        """The rows of each statement; inside a transaction it sees that one's writes."""
        if self._depth and self._mutex.acquire(blocking=False):
            try:
                return [cursor.fetchall() for cursor in self._join(steps)]
            finally:
                self._mutex.release()
        with self.reading() as connection:
            return [cursor.fetchall() for cursor in _execute(connection, steps, self._prelude(READ_SETTINGS), None)]

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """A reader of one's own for a moment."""
        connection = self._take_reader()
        try:
            yield connection
        except psycopg.Error as error:
            raise self.explained(error) from error
        finally:
            if connection.closed or len(self._readers) >= IDLE_READER_COUNT:
                connection.close()
            else:
                self._readers.append(connection)

    def connect(self, settings: Mapping[str, str], reply_seconds: float) -> _Connection:
        """A connection of one's own, in autocommit mode."""
        try:
            connection = _Connection.connect(
                self._conninfo(settings), autocommit=True, context=_Context(), prepare_threshold=None
            )
        except psycopg.Error as error:
            raise self.explained(error) from error
        connection.reply_seconds = reply_seconds
        return connection

    def close(self) -> None:
        with self._mutex:
            readers, self._readers = self._readers, []
            for connection in readers:
                connection.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def explained(self, error: psycopg.Error, *, outcome: str | None = None) -> Exception:
        return explain(error, self.address.url, outcome=outcome) or error

    def _retry(self, attempt: Callable[[], T]) -> T:
        for remaining in reversed(range(TRY_COUNT)):
            try:
                return attempt()
            except psycopg.Error as error:
                if error.sqlstate not in RETRIED or not remaining:
                    raise self._lost(error, outcome="unknown") from error
            time.sleep(random.uniform(0.001, 0.02))
        raise AssertionError("the last try returns or raises")

    def _send(self, steps: Sequence[Step]) -> list[Cursor]:
        return _execute(self._writing(), steps, self._prelude(WRITE_SETTINGS), self._prepares())

    def _join(self, steps: Sequence[Step]) -> list[Cursor]:
        connection = self._writing()
        prelude: tuple[str, ...] = ()
        if not self._begun:
            prelude = ("begin", *self._prelude(WRITE_SETTINGS))
        self._begun = True
        try:
            return _execute(connection, steps, prelude, self._prepares())
        except psycopg.Error as error:
            raise self._lost(error) from error

    def _commit(self) -> None:
        if self._failed:
            message = f"a transaction on the database `{self.address.url}` was rolled back: a part of it had failed"
            raise StoreUnavailable(message)
        committed = self._committed[:]
        if self._begun:
            self._execute_commit()
        for call in committed:
            call()

    def _execute_commit(self) -> None:
        connection = self._writing()
        try:
            connection.execute("commit")
        except psycopg.Error as error:
            raise self._lost(error, outcome="unknown") from error
        self._begun = False

    def _roll_back(self) -> None:
        if self._begun and self._writer is not None:
            try:
                self._writer.execute("rollback")
            except psycopg.Error:
                self._writer.close()

    def _lost(self, error: psycopg.Error, *, outcome: str | None = None) -> Exception:
        """A connection that failed is not used again. `outcome` holds only then: what the server reports is certain."""
        failed = self._writer is None or self._writer.closed or isinstance(error, psycopg.errors._WaitTimeout)
        if failed and self._writer is not None:
            self._writer.close()
        return self.explained(error, outcome=outcome if failed else None)

    def _writing(self) -> _Connection:
        if self._writer is None or self._writer.closed:
            if self._begun:
                message = f"the connection to the database `{self.address.url}` was lost in a transaction"
                raise StoreUnavailable(f"{message}; nothing of it happened")
            self._writer = self.connect(WRITE_SETTINGS, WRITE_REPLY_SECONDS)
        return self._writer

    def _take_reader(self) -> _Connection:
        while self._readers:
            with suppress(IndexError):
                connection = self._readers.pop()
                if not _is_stale(connection):
                    return connection
                connection.close()
        return self.connect(READ_SETTINGS, READ_REPLY_SECONDS)

    def _prepares(self) -> bool:
        return not self.address.is_pooled

    def _prelude(self, settings: Mapping[str, str]) -> tuple[str, ...]:
        """Behind a pooler the next transaction may run on another connection, so each brings its settings."""
        if not self.address.is_pooled:
            return ()
        return ("select " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items()),)

    def _conninfo(self, settings: Mapping[str, str]) -> str:
        if self.address.is_pooled:
            return self.address.conninfo
        given = psycopg.conninfo.conninfo_to_dict(self.address.conninfo).get("options")
        own = " ".join(f"-c {name}={value}" for name, value in settings.items())
        return psycopg.conninfo.make_conninfo(self.address.conninfo, options=f"{own} {given or ''}".strip())


class _Forked:
    """Holds its database weakly enough for a closed one to go: fork handlers are never unregistered."""

    def __init__(self, database: Database) -> None:
        import weakref

        self._database = weakref.ref(database)

    def __call__(self) -> None:
        database = self._database()
        if database is not None:
            database._start()  # psycopg closes no connection that another process opened


def _execute(
    connection: psycopg.Connection[TupleRow], steps: Sequence[Step], prelude: Sequence[str], prepare: bool | None
) -> list[Cursor]:
    cursors: list[Cursor] = []
    if len(steps) == 1 and not prelude:
        name, parameters = steps[0]
        return [connection.cursor(binary=True).execute(_statement(name), parameters, prepare=prepare)]
    with connection.pipeline():
        for sql in prelude:
            connection.execute(sql)
        for name, parameters in steps:
            cursors.append(connection.cursor(binary=True).execute(_statement(name), parameters, prepare=prepare))
    return cursors


def _statement(name: str) -> bytes:
    try:
        return statements()[name]
    except KeyError:
        raise SchemaError(f"hydra was installed without its statement `{name}`; install it again") from None


def _is_stale(connection: psycopg.Connection[TupleRow]) -> bool:
    """Whether the server has closed it meanwhile: an idle connection with something to read has nothing good to say."""
    import select

    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
