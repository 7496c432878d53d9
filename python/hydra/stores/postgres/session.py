"""One libpq connection that runs named statements, as many as wanted in one flush with one Sync at its end.

    send, send, send, Sync ──► results … ReadyForQuery       without BEGIN the Sync commits all of them, or none

psycopg's own pipeline ends with a Flush behind its Sync, which switches the server's idle-in-transaction time-out off
(R20); this one does not, never waits past its deadline, and hands prepared arrays over as they are.
"""

from __future__ import annotations

import functools
import re
import select
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer
from psycopg.pq import DiagnosticField, ExecStatus, Format
from psycopg.rows import TupleRow

from hydra.stores.postgres.arrays import OIDS
from hydra.stores.postgres.statements import statements

Step = tuple[str, Mapping[str, Any]]  # a statement's name and its parameters
_Prepared = tuple[bytes, tuple[int, ...]]  # the SQL and the types of its parameters

_PLACEHOLDER = re.compile(rb"%\((\w+)\)s|%%")
_INT8 = 20


class Result(NamedTuple):
    """What a statement answered."""

    rows: list[tuple[Any, ...]]
    row_count: int  # written or read


class PostgresSession:
    """For one thread at a time."""

    def __init__(self, connection: psycopg.Connection[TupleRow], reply_seconds: float, prepares: bool) -> None:
        self.connection = connection
        self._pgconn = connection.pgconn
        self._reply_seconds = reply_seconds
        self._prepares = prepares
        self._prepared: set[_Prepared] = set()

    @property
    def is_usable(self) -> bool:
        """False once it has failed: nothing more is heard of what was under way."""
        return not self.connection.closed

    def is_stale(self) -> bool:
        """Whether the server has closed it meanwhile: an idle connection has nothing good to say."""
        poll = select.poll()
        poll.register(self._pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        self.connection.close()

    def run(self, steps: Sequence[Step], prelude: Sequence[bytes] = (), end: Sequence[bytes] = ()) -> list[Result]:
        """The statements' results. `prelude` is sent before them and `end` after them, as they are."""
        if self.connection.closed:
            raise psycopg.OperationalError("the connection is closed")
        expected: list[str | _Prepared | None] = []  # by command: a step, a preparation, neither
        try:
            self._pgconn.enter_pipeline_mode()
            for sql in prelude:
                self._pgconn.send_query_params(sql, None)
                expected.append(None)
            for name, parameters in steps:
                self._send(name, parameters, expected)
            for sql in end:
                self._pgconn.send_query_params(sql, None)
                expected.append(None)
            self._pgconn.pipeline_sync()
            results, error = self._receive(expected)
            self._pgconn.exit_pipeline_mode()
        except BaseException:
            self.close()
            raise
        if error is not None:
            raise error
        return results

    def _send(self, name: str, parameters: Mapping[str, Any], expected: list[str | _Prepared | None]) -> None:
        sql, names = _numbered(statements()[name])
        values, formats, oids = _encode([parameters[each] for each in names])
        if not self._prepares:
            self._pgconn.send_query_params(sql, values, oids, formats, Format.BINARY)
            expected.append(name)
            return
        key = (sql, tuple(oids))
        label = b"%s_%x" % (name.encode(), hash(key) & 0xFFFFFFFF)
        if key not in self._prepared and key not in expected:
            self._pgconn.send_prepare(label, sql, oids)
            expected.append(key)
        self._pgconn.send_query_prepared(label, values, formats, Format.BINARY)
        expected.append(name)

    def _receive(self, expected: Sequence[str | _Prepared | None]) -> tuple[list[Result], psycopg.Error | None]:
        """All results up to the Sync, which is the end of the transaction; the first error, if one failed."""
        deadline = time.monotonic() + self._reply_seconds
        results: list[Result] = []
        error: psycopg.Error | None = None
        for kind in expected:
            result = self._next_result(deadline, error)
            assert result is not None
            if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                if isinstance(kind, tuple):
                    self._prepared.add(kind)
                elif kind is not None:
                    results.append(self._load(result))
            elif result.status != ExecStatus.PIPELINE_ABORTED:
                error = error or _error_of(result)
            while self._next_result(deadline, error) is not None:
                raise AssertionError("a statement answered twice")
        end = self._next_result(deadline, error)
        if end is None or end.status != ExecStatus.PIPELINE_SYNC:
            raise error or (_error_of(end) if end else psycopg.OperationalError("the reply ended early"))
        return results, error

    def _next_result(self, deadline: float, error: psycopg.Error | None) -> pq.abc.PGresult | None:
        try:
            self._wait(deadline)
        except psycopg.OperationalError as lost:
            raise error or lost from None  # what the server said last, if it said anything
        return self._pgconn.get_result()

    def _wait(self, deadline: float) -> None:
        """Until a result can be had, sending what is left to send meanwhile."""
        poll: select.poll | None = None
        unsent = self._pgconn.flush()
        while unsent or self._pgconn.is_busy():
            if poll is None:
                poll = select.poll()
            poll.register(self._pgconn.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
            remaining = deadline - time.monotonic()
            ready = poll.poll(remaining * 1000) if remaining > 0 else []
            if not ready:
                raise psycopg.OperationalError(f"no reply within {self._reply_seconds:g} s")
            if ready[0][1] & ~select.POLLOUT:
                self._pgconn.consume_input()
            unsent = self._pgconn.flush()

    def _load(self, result: pq.abc.PGresult) -> Result:
        if result.status == ExecStatus.COMMAND_OK:
            return Result([], result.command_tuples or 0)
        transformer = Transformer(self.connection)
        transformer.set_pgresult(result)
        rows = transformer.load_rows(0, result.ntuples, tuple)
        return Result(rows, result.ntuples)


@functools.cache
def _numbered(sql: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The statement with $1, $2 … and the names they stand for."""
    names: list[str] = []

    def number(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            return b"%"
        label = match[1].decode()
        if label not in names:
            names.append(label)
        return b"$%d" % (names.index(label) + 1)

    return _PLACEHOLDER.sub(number, sql), tuple(names)


def _encode(values: Sequence[Any]) -> tuple[list[bytes | None], list[Format], list[int]]:
    encoded: list[bytes | None] = []
    formats: list[Format] = []
    oids: list[int] = []
    for value in values:
        kind = type(value)
        if kind in OIDS:
            encoded.append(value)
            formats.append(Format.BINARY)
            oids.append(OIDS[kind])
        elif kind is int:
            encoded.append(value.to_bytes(8, "big", signed=True))
            formats.append(Format.BINARY)
            oids.append(_INT8)
        elif kind is bytes:
            encoded.append(value)
            formats.append(Format.BINARY)
            oids.append(17)
        else:
            encoded.append(None if value is None else value.encode())
            formats.append(Format.TEXT)
            oids.append(0)
    return encoded, formats, oids


def _error_of(result: pq.abc.PGresult) -> psycopg.Error:
    code = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
    message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message or b"the connection was lost"
    try:
        kind: type[psycopg.Error] = errors.lookup(code)
    except KeyError:
        kind = psycopg.OperationalError if not code else psycopg.DatabaseError
    return kind(message.decode(errors="replace").strip())
