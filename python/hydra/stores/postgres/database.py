"""One PostgreSQL database: its writer connection and its readers. Knows transactions and forks, nothing of executions.

Outside `transaction()` a verb's statements leave in one flush with the end of their transaction (R20): a pipeline
without BEGIN is one transaction, committed by its Sync. So none ever stands idle, and PgBouncer may be in between.
"""

from __future__ import annotations

import os
import random
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from hydra.blocks import contextmanager
from hydra.errors import StoreUnavailable
from hydra.interruptions import let_out
from hydra.locks import RLock
from hydra.stores.connecting import freed_where_refused, undisturbed
from hydra.stores.postgres.address import CONNECT_SECONDS, Address
from hydra.stores.postgres.failures import READ_ONLY, RETRIED, explain, pooler_between
from hydra.stores.postgres.session import PostgresSession, Result, Step
from hydra.stores.postgres.transaction import Announce, Reader, Reading, Rows, Transaction, announce_nothing

IDLE_READER_COUNT = 4
TRY_COUNT = 10  # of a transaction that lost a deadlock or could not be serialized
CONNECT_SECONDS_MIN = 2  # libpq waits for no less
WRITE_WAIT_SECONDS = 15.0  # for a server that accepts but never answers; a node waits a part of its lease
READ_WAIT_SECONDS = 65.0
ISOLATION = {"default_transaction_isolation": "read committed"}  # R28; behind a pooler nothing short of BEGIN says so
WRITE_SETTINGS = {
    **ISOLATION,  # guard R28: a session is READ COMMITTED whatever the database defaults to
    # The same plan whatever the statistics say: each statement has one index, named in its file. Where a table that
    # grows is joined, the files write `x = any(array[y])`: only a look-up in x's index serves that, never a walk
    # through all of it.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
DURABLE = {"synchronous_commit": "on"}  # whatever the server and the role say; the URL's `options` have the last word
MODE = "default_transaction_read_only"
READ_SETTINGS = {**ISOLATION, MODE: "on", "jit": "off"}

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=psycopg.Connection[Any])


class Database:
    """Writing is for one thread at a time and joins: a transaction inside a transaction is the same one."""

    def __init__(self, address: Address, namespace: str) -> None:
        self.address = address
        self.namespace = namespace
        self.announce: Announce = announce_nothing  # tells others of news, when it is committed
        self._write_wait_seconds = WRITE_WAIT_SECONDS
        self._read_wait_seconds = READ_WAIT_SECONDS
        self._start()
        os.register_at_fork(after_in_child=_Forked(self))

    def _start(self) -> None:
        self._mutex = RLock()
        self._depth = 0
        self._begun = False
        self._failed = False
        self._writer: PostgresSession | None = None
        self._writer_number = 0
        self._readers: list[PostgresSession] = []
        self._connections: weakref.WeakSet[psycopg.Connection[Any]] = weakref.WeakSet()
        self._committed: list[Callable[[], None]] = []

    @property
    def connection_count(self) -> int:
        return sum(not connection.closed for connection in list(self._connections))

    @property
    def writer_number(self) -> int:
        """Of the connection the next write goes over."""
        with self._mutex:
            self._writing()
            return self._writer_number

    @property
    def write_wait_seconds(self) -> float:
        """How long a write waits for its reply."""
        return self._write_wait_seconds

    @write_wait_seconds.setter
    def write_wait_seconds(self, seconds: float) -> None:
        with self._mutex:
            self._write_wait_seconds = seconds
            if self._writer is not None:
                self._writer.close()

    @property
    def read_wait_seconds(self) -> float:
        return self._read_wait_seconds

    @read_wait_seconds.setter
    def read_wait_seconds(self, seconds: float) -> None:
        self._read_wait_seconds = seconds
        self._forget_readers()  # each keeps the limit that it was opened with

    def part(self, verb: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **options: P.kwargs) -> T:
        """A verb of one flush, which is a transaction of its own or a part of the one that is open. When it fails
        within an open transaction, that one cannot commit, whoever swallows the error."""
        return self._part(self.send, verb, *args, **options)

    def last_part(self, verb: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **options: P.kwargs) -> T:
        """`part`, and nothing follows in the open transaction: its COMMIT leaves in the same flush (R20)."""
        return self._part(self.send_last, verb, *args, **options)

    def write(self, verb: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **options: P.kwargs) -> T:
        """A verb of several flushes, as one transaction, begun again when it lost a deadlock; or as part of the one
        that is open, whose owner begins again."""
        with self._mutex:
            is_part = self._depth > 0
        for remaining in reversed(range(TRY_COUNT)):
            try:
                with self.transaction():
                    return verb(Transaction(self.namespace, self.send, self._tell), *args, **options)
            except StoreUnavailable as error:
                lost = isinstance(error.__cause__, psycopg.Error) and error.__cause__.sqlstate in RETRIED
                if is_part or not lost or not remaining:
                    raise
            time.sleep(_pause_seconds())
        raise AssertionError("the last try returns or raises")

    def read(self, verb: Callable[Concatenate[Reading, P], T], /, *args: P.args, **options: P.kwargs) -> T:
        """A verb that only reads; inside a transaction it sees that one's writes."""
        return verb(self.reader(), *args, **options)

    def reader(self) -> Reading:
        """What `read` hands to its verb."""
        return Reader(self.namespace, self.fetch)

    def send(self, *steps: Step) -> list[Result]:
        """Run the statements as one transaction, or as part of the one that is open; all or nothing."""
        with self._mutex:
            if self._depth:
                return self._join(steps)
            return self._retry(lambda: self._send(steps))

    def send_last(self, *steps: Step) -> list[Result]:
        """`send`, and nothing follows in the open transaction: its COMMIT leaves in the same flush (R20)."""
        with self._mutex:
            if self._depth != 1:
                return self.send(*steps)
            self._check_whole()
            results = self._join(steps, is_last=True)
            self._begun = False
            return results

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Joins every `send` and `fetch` inside, and commits at the end."""
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

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call it once what was written is committed: now, or at the end of the open transaction."""
        if self._depth:
            self._committed.append(call)
        else:
            call()

    def fetch(self, *steps: Step) -> list[Rows]:
        """The rows of each statement; inside a transaction it sees that one's writes."""
        if self._depth and self._mutex.acquire(blocking=False):
            try:
                return [result.rows for result in self._join(steps)]
            finally:
                self._mutex.release()
        with self.reading() as session:
            return [result.rows for result in session.run(steps, self._prelude(self._read_settings()))]

    @contextmanager
    def reading(self) -> Iterator[PostgresSession]:
        """A reader of one's own for a moment."""
        session = self._take_reader()
        try:
            yield session
        except psycopg.Error as error:
            if not session.is_usable:
                self._forget_readers()
            raise self.explained(error) from error
        finally:
            if session.is_usable and len(self._readers) < IDLE_READER_COUNT:
                self._readers.append(session)
            else:
                session.close()

    def connect(self, settings: Mapping[str, str]) -> psycopg.Connection[TupleRow]:
        """A connection of one's own, in autocommit mode."""
        return self.connect_as(psycopg.Connection[TupleRow], settings)

    def connect_as(self, kind: type[C], settings: Mapping[str, str]) -> C:
        """The same, of a class of one's own.

        `target_session_attrs=read-write` would take any server for a replica if the session asked to be read-only
        from the start, so it becomes so afterwards.
        """
        return undisturbed(lambda: self._connect_as(kind, settings), kind.close)

    def _connect_as(self, kind: type[C], settings: Mapping[str, str]) -> C:
        first = {name: value for name, value in settings.items() if name != MODE}
        try:
            conninfo = make_conninfo(self._conninfo(first), connect_timeout=self._connect_seconds())
            with freed_where_refused():
                connection = kind.connect(conninfo, autocommit=True, prepare_threshold=None)
            self._connections.add(connection)
            if MODE in settings and not self.address.is_pooled:
                connection.execute(f"set {MODE} = {settings[MODE]}")
            return connection
        except psycopg.Error as error:
            raise self.explained(error) from error

    def check_sessions(self) -> None:
        """A session has the settings that it asked for, unless a pooler that the URL does not name swallowed them."""
        if not self.address.is_pooled:
            with self.reading() as session:
                [[(has_settings,)]] = [result.rows for result in session.run([("has_settings", {})])]
            if not has_settings:
                raise pooler_between(self.address.url)

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

    def _part(
        self,
        send: Callable[..., list[Result]],
        verb: Callable[Concatenate[Transaction, P], T],
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        with self._mutex:
            try:
                return verb(Transaction(self.namespace, send, self._tell), *args, **options)
            except BaseException:
                self._failed = self._depth > 0
                raise

    def _tell(self, kind: str, count: int) -> None:
        self.after_commit(lambda: self.announce(kind, count))

    def _retry(self, attempt: Callable[[], T]) -> T:
        for remaining in reversed(range(TRY_COUNT)):
            try:
                return attempt()
            except psycopg.Error as error:
                if error.sqlstate not in RETRIED or not remaining:
                    raise self._lost(error, outcome="unknown") from error
            time.sleep(_pause_seconds())
        raise AssertionError("the last try returns or raises")

    def _send(self, steps: Sequence[Step]) -> list[Result]:
        return self._writing().run(steps, self._prelude(self._write_settings()))

    def _join(self, steps: Sequence[Step], *, is_last: bool = False) -> list[Result]:
        session = self._writing()
        prelude = () if self._begun else (b"begin", *self._prelude(self._write_settings()))
        self._begun = True
        try:
            return session.run(steps, prelude, (b"commit",) if is_last else ())
        except psycopg.Error as error:
            raise self._lost(error, outcome="unknown" if is_last else None) from error

    def _check_whole(self) -> None:
        if self._failed:
            message = f"a transaction on the database `{self.address.url}` was rolled back: a part of it had failed"
            raise StoreUnavailable(message)

    def _commit(self) -> None:
        self._check_whole()
        committed = self._committed[:]
        if self._begun:
            self._execute_commit()
        for call in committed:
            call()

    def _execute_commit(self) -> None:
        session = self._writing()
        try:
            session.run((), (b"commit",))
        except psycopg.Error as error:
            raise self._lost(error, outcome="unknown") from error
        self._begun = False

    def _roll_back(self) -> None:
        if self._begun and self._writer is not None:
            try:
                self._writer.run((), (b"rollback",))
            except psycopg.Error:
                self._writer.close()

    def _lost(self, error: psycopg.Error, *, outcome: str | None = None) -> Exception:
        """A connection that failed is not used again. `outcome` holds only then: what the server reports is certain."""
        failed = self._writer is None or not self._writer.is_usable
        if error.sqlstate == READ_ONLY and self._writer is not None:
            self._writer.close()
        return self.explained(error, outcome=outcome if failed else None)

    def _writing(self) -> PostgresSession:
        # What the server ended while it stood idle is replaced before anything is sent, so nothing is in doubt.
        if self._writer is not None and not self._begun and self._writer.is_usable and self._writer.is_stale():
            self._writer.close()
        if self._writer is None or not self._writer.is_usable:
            if self._begun:
                message = f"the connection to the database `{self.address.url}` was lost in a transaction"
                raise StoreUnavailable(f"{message}; nothing of it happened")
            connection = self.connect(self._write_settings())
            self._writer = PostgresSession(connection, self._write_wait_seconds, prepares=not self.address.is_pooled)
            self._writer_number += 1
        return self._writer

    def _write_settings(self) -> dict[str, str]:
        """The server gives up before the client does, so a long wait is an answer; what a stopped node holds is let go
        before its lease ends (R20)."""
        milliseconds = 1000 * self._write_wait_seconds
        return {
            **WRITE_SETTINGS,
            **DURABLE,
            "lock_timeout": f"{max(1, milliseconds * 0.7):.0f}ms",
            "statement_timeout": f"{max(1, milliseconds * 0.9):.0f}ms",
            # guard R20: the server ends a session that stands still in a transaction
            "idle_in_transaction_session_timeout": f"{max(1, milliseconds * 1.3):.0f}ms",
        }

    def _take_reader(self) -> PostgresSession:
        while self._readers:
            try:
                session = self._readers.pop()
            except IndexError as error:  # another thread took the last
                let_out(error)
                continue
            if not session.is_stale():
                return session
            session.close()
        return PostgresSession(self.connect(self._read_settings()), self.read_wait_seconds, prepares=False)

    def _forget_readers(self) -> None:
        """Where one was lost the others lead to the same server, and waiting for each would add up."""
        readers, self._readers = self._readers, []
        for session in readers:
            session.close()

    def _read_settings(self) -> dict[str, str]:
        return {**READ_SETTINGS, "statement_timeout": f"{max(1, 920 * self.read_wait_seconds):.0f}ms"}

    def _prelude(self, settings: Mapping[str, str]) -> tuple[bytes, ...]:
        """Behind a pooler the next transaction may run on another connection, so each brings its settings."""
        if not self.address.is_pooled:
            return ()
        values = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        return (b"set transaction isolation level read committed", f"select {values}".encode())

    def _connect_seconds(self) -> int:
        """As the URL says or by default; a server that is stopped takes a node no more of its lease than a write."""
        given = int(conninfo_to_dict(self.address.conninfo).get("connect_timeout") or CONNECT_SECONDS)
        longest = max(CONNECT_SECONDS_MIN, int(self._write_wait_seconds))
        return min(given, longest) if given > 0 else longest

    def _conninfo(self, settings: Mapping[str, str]) -> str:
        if self.address.is_pooled:
            return self.address.conninfo
        given = conninfo_to_dict(self.address.conninfo).get("options")
        escaped = {name: value.replace(" ", r"\ ") for name, value in settings.items()}
        own = " ".join(f"-c {name}={value}" for name, value in escaped.items())
        return make_conninfo(self.address.conninfo, options=f"{own} {given or ''}".strip())


class _Forked:
    """Holds its database weakly enough for a closed one to go: fork handlers are never unregistered."""

    def __init__(self, database: Database) -> None:
        import weakref

        self._database = weakref.ref(database)

    def __call__(self) -> None:
        database = self._database()
        if database is not None:
            database._start()  # psycopg closes no connection that another process opened


def _pause_seconds() -> float:
    """Before a transaction that lost a deadlock is tried again."""
    return random.uniform(0.001, 0.02)
