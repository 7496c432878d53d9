"""A share of a supervisor's database operations fails, by HYDRA_TEST_FAULT_RATE; each leaves a line in a file.

PostgreSQL and MySQL: an operation is a flush. Its connection is cut before it (really, the driver finds out), or after
it, so that its reply is lost; or the server refuses it as a deadlock's victim, or the like. SQLite: an operation is a
transaction or a read. The file is busy, or the disk reports an error: somewhere within, at COMMIT, or after it.
"""

from __future__ import annotations

import functools
import os
import random
import socket
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

RATE, SEED, LOG = "HYDRA_TEST_FAULT_RATE", "HYDRA_TEST_FAULT_SEED", "HYDRA_TEST_FAULT_LOG"
CUT, LOST, DEADLOCK, CONTENTION = "cut before", "reply lost", "deadlock", "lock or serialization failure"
BUSY, WITHIN, BEFORE_COMMIT, AFTER_COMMIT, READING = (
    "busy at begin",
    "i/o error within",
    "i/o error before commit",
    "i/o error after commit",
    "i/o error in a read",
)
KINDS = {
    "sqlite": (BUSY, WITHIN, BEFORE_COMMIT, AFTER_COMMIT, READING),
    "postgres": (CUT, LOST, DEADLOCK, CONTENTION),
    "mysql": (CUT, LOST, DEADLOCK, CONTENTION),
}
ENDS = ("commit", "rollback")


class Chance:
    def __init__(self) -> None:
        self.rate = float(os.environ[RATE])
        self.random = random.Random(os.environ.get(SEED, "1"))

    def pick(self, kinds: tuple[str, ...]) -> str | None:
        """A kind of fault for this operation; None for most. All operations are counted."""
        note("operation")
        return self.random.choice(kinds) if self.random.random() < self.rate else None


def note(kind: str) -> None:
    descriptor = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{kind}\n".encode())
    os.close(descriptor)


def install() -> None:
    """In a supervisor, before it opens its store."""
    if RATE not in os.environ:
        return
    chance = Chance()
    sqlite3.connect = functools.partial(sqlite3.connect, factory=faulty_connection(chance))  # type: ignore[assignment]
    with suppress(ImportError):
        install_in_postgres(chance)
    with suppress(ImportError):
        install_in_mysql(chance)


def install_in_postgres(chance: Chance) -> None:
    from hydra.stores.postgres.session import PostgresSession
    from psycopg import OperationalError, errors

    run = PostgresSession.run

    def faulty(self: Any, steps: Any, prelude: Any = (), end: Any = ()) -> Any:
        if b"rollback" in prelude:
            return run(self, steps, prelude, end)
        kind = chance.pick((CUT, LOST) if b"commit" in prelude else KINDS["postgres"])
        return broken(
            kind,
            lambda: run(self, steps, prelude, end),
            lambda: None if self.connection.closed else shut(self.connection.fileno()),
            self.close,
            {
                LOST: OperationalError("the reply was lost"),
                DEADLOCK: errors.DeadlockDetected("deadlock detected"),
                CONTENTION: errors.SerializationFailure("could not serialize access"),
            },
        )

    PostgresSession.run = faulty  # type: ignore[method-assign]


def install_in_mysql(chance: Chance) -> None:
    from hydra.stores.mysql.session import MySQLSession
    from pymysql import OperationalError

    send = MySQLSession.send

    def faulty(self: Any, statements: Any) -> Any:
        if list(statements) == ["rollback"]:
            return send(self, statements)
        return broken(
            chance.pick(KINDS["mysql"]),
            lambda: send(self, statements),
            lambda: shut(self._connection._sock.fileno()),
            self.discard,
            {
                LOST: OperationalError(2013, "Lost connection to server during query"),
                DEADLOCK: OperationalError(1213, "Deadlock found when trying to get lock"),
                CONTENTION: OperationalError(1205, "Lock wait timeout exceeded"),
            },
        )

    MySQLSession.send = faulty  # type: ignore[method-assign]


def broken(
    kind: str | None,
    operate: Callable[[], Any],
    cut: Callable[[], None],
    close: Callable[[], None],
    errors: dict[str, Exception],
) -> Any:
    if kind is None:
        return operate()
    note(kind)
    if kind == CUT:
        cut()
        return operate()
    if kind == LOST:
        operate()
        close()
    raise errors[kind]


def shut(descriptor: int) -> None:
    """The connection ends under its driver's hands."""
    with socket.socket(fileno=os.dup(descriptor)) as end, suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def faulty_connection(chance: Chance) -> type[sqlite3.Connection]:
    class FaultyConnection(sqlite3.Connection):
        fault: str | None = None  # of the transaction under way
        statements_left = 0

        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            word = sql.split(None, 1)[0].lower() if sql.strip() else ""
            if word == "begin":
                self.fault = chance.pick((BUSY, WITHIN, BEFORE_COMMIT, AFTER_COMMIT))
                self.statements_left = chance.random.randrange(4)
                self.strike(BUSY, sqlite3.SQLITE_BUSY)
            elif word == "rollback":
                self.fault = None
            elif word == "commit":
                return self.commit_or_not(sql)
            elif self.in_transaction:
                self.strike_within()
            elif word != "pragma" and chance.pick((READING,)):
                self.fault = READING
                self.strike(READING, sqlite3.SQLITE_IOERR_READ)
            return super().execute(sql, *rest)

        def executemany(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            self.strike_within()
            return super().executemany(sql, *rest)

        def strike_within(self) -> None:
            self.statements_left -= 1
            if self.statements_left < 0:
                self.strike(WITHIN, sqlite3.SQLITE_IOERR_WRITE)

        def commit_or_not(self, sql: str) -> sqlite3.Cursor:
            self.strike(WITHIN, sqlite3.SQLITE_IOERR_WRITE)  # there were few statements
            self.strike(BEFORE_COMMIT, sqlite3.SQLITE_IOERR_WRITE)
            done = super().execute(sql)
            self.strike(AFTER_COMMIT, sqlite3.SQLITE_IOERR_FSYNC)
            return done

        def strike(self, kind: str, code: int) -> None:
            if self.fault == kind:
                self.fault = None
                note(kind)
                error = sqlite3.OperationalError(f"{kind} (a test's)")
                error.sqlite_errorcode = code
                raise error

    return FaultyConnection
