"""How a verb calls its statements, by the names of their files: `verb(transaction, …)`. Never begins or commits one.

A verb that only reads takes a `Reading`, which the open transaction is, too.
"""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from hydra.blocks import contextmanager
from hydra.stores.rows import shown
from hydra.stores.sqlite.statements import RowStatement, statements, widened

# What is written most often has these in place of None and `bytes`, for which sqlite3 looks for an adapter each time it
# binds one: that takes longer than all other values of a row. SQLite itself takes a NaN for null.
NULL = math.nan
BLOB = bytearray

MAX_ROWS = 1024  # that one statement writes; their numbers are powers of two, each of which is prepared once


class Reading:
    """What is read of one namespace on a connection. `:namespace` of every statement is that one."""

    def __init__(self, connection: sqlite3.Connection, namespace: str) -> None:
        self.connection = connection
        self.namespace = namespace

    def select(self, name: str, /, **values: object) -> list[tuple[Any, ...]]:
        """All rows of one reading statement."""
        return self._run(name, values).fetchall()

    def select_json(self, name: str, /, **values: object) -> list[list[Any]]:
        """The rows of a statement that aggregates them into one JSON array, for the same reason as `execute_rows`."""
        rows: list[list[Any]] = msgspec.json.decode(self._run(name, values).fetchone()[0])
        return rows

    def select_shown(self, name: str, /, **values: object) -> list[tuple[Any, ...]]:
        """`select` for somebody to read: a text that is not UTF-8 is shown as far as it is, and hides no other row."""
        with self.showing_all():
            return self.select(name, **values)

    def select_json_shown(self, name: str, /, **values: object) -> list[list[Any]]:
        """`select_json`, as `select_shown`."""
        with self.showing_all():
            return self.select_json(name, **values)

    @contextmanager
    def showing_all(self) -> Iterator[None]:
        """Texts are read as far as they are UTF-8."""
        factory = self.connection.text_factory
        self.connection.text_factory = shown
        try:
            yield
        finally:
            self.connection.text_factory = factory

    def _run(self, name: str, values: dict[str, object]) -> sqlite3.Cursor:
        return self.connection.execute(statements()[name], {"namespace": self.namespace, **values})


class Transaction(Reading):
    """An open write transaction: hydra's own, or a caller's."""

    def execute(self, name: str, /, **values: object) -> int:
        """Run one writing statement; how many rows it wrote."""
        return self._run(name, values).rowcount

    def execute_rows(self, statement: RowStatement, rows: Sequence[tuple[object, ...]]) -> int:
        """Run it for many rows; how many it wrote.

        Not executemany: sqlite3 gives up the GIL for each step, and beside a busy thread waits up to 5 ms to have it
        back. A thousand rows in one step cost one such wait. (JSON into json_each would do too, at four times the CPU
        per field.)
        """
        if len(rows) == 1:
            return self.connection.execute(widened(statement.name, 1), rows[0]).rowcount
        return self.execute_values(statement, list(itertools.chain.from_iterable(rows)))

    def execute_values(self, statement: RowStatement, values: list[object]) -> int:
        """`execute_rows` of rows that stand in one list, one behind the other."""
        written = start = 0
        while left := (len(values) - start) // statement.width:
            row_count = min(1 << left.bit_length() - 1, MAX_ROWS)
            end = start + row_count * statement.width
            part = values if end - start == len(values) else values[start:end]
            written += self.connection.execute(widened(statement.name, row_count), part).rowcount
            start = end
        return written
