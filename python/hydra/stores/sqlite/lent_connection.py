"""The connection that a transaction's function is lent: it may not end the transaction.

`insert or rollback`, a trigger that raises ROLLBACK and a full disk end it, too: nothing more is taken from the
function then, since each statement would be committed by itself.
"""

from __future__ import annotations

import re
import sqlite3
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hydra.errors import NonRetryable
from hydra.stores import lent

ROLLED_BACK = "SQLite has rolled the transaction back; let the error of its statement leave the function"
_ATTRIBUTES = ("isolation_level", "autocommit")  # to set them commits
_CHANGES = re.compile(rf"(?:\s|{lent.COMMENT})*(?:pragma\b|attach\b|create\b.*\btemp)", re.IGNORECASE | re.DOTALL)
_CHANGERS = (  # methods whose effect stays
    "create_aggregate",
    "create_collation",
    "create_function",
    "create_window_function",
    "enable_load_extension",
    "load_extension",
    "set_authorizer",
    "set_progress_handler",
    "set_trace_callback",
    "setconfig",
    "setlimit",
)


class LentConnection(sqlite3.Connection):
    """`is_lent` while the function has it. `is_changed`: what it has set would reach the next one."""

    is_lent = False
    is_changed = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._left_open: weakref.WeakSet[Any] = weakref.WeakSet()  # cursors and blobs of the function

    def take_back(self) -> None:
        """What hydra's own statements would run under, or wait for."""
        for left_open in list(self._left_open):
            with suppress(sqlite3.Error):
                left_open.close()
        self._left_open.clear()
        self.row_factory, self.text_factory = None, str
        if self.is_changed:
            self.set_authorizer(None)
            self.set_progress_handler(None, 0)
            self.execute("pragma query_only = off")
            self.execute("pragma ignore_check_constraints = off")
            made = super().execute(
                "select type, name from sqlite_temp_master where type in ('trigger', 'view', 'table')"
            )
            for kind, name in made.fetchall():
                if not name.startswith("sqlite_"):
                    super().execute(f'drop {kind} if exists temp."{name.replace(chr(34), chr(34) * 2)}"')

    def check(self, statement: str) -> None:
        if self.is_lent:
            lent.refuse_ending(statement)
            self.is_changed = self.is_changed or _CHANGES.match(statement) is not None
            if not self.in_transaction:
                raise NonRetryable(ROLLED_BACK)

    def cursor(self, factory: Any = None) -> Any:
        return self._note(super().cursor(factory or LentCursor))

    def execute(self, sql: str, *arguments: Any) -> Any:
        self.check(sql)
        return self._note(super().execute(sql, *arguments))

    def executemany(self, sql: str, *arguments: Any) -> Any:
        self.check(sql)
        return self._note(super().executemany(sql, *arguments))

    def blobopen(self, *arguments: Any, **options: Any) -> Any:
        return self._note(super().blobopen(*arguments, **options))

    def backup(self, *arguments: Any, **options: Any) -> Any:
        if self.is_lent:
            raise NonRetryable("a transaction cannot copy its database: a copy waits for the transaction to end")
        return super().backup(*arguments, **options)

    def _note(self, opened: Any) -> Any:
        if self.is_lent:
            self._left_open.add(opened)
        return opened

    def executescript(self, script: str) -> Any:
        return self.cursor().executescript(script)

    def commit(self) -> None:
        self._refuse(lent.SENTENCE)
        super().commit()

    def rollback(self) -> None:
        self._refuse(lent.SENTENCE)
        super().rollback()

    def close(self) -> None:
        self._refuse(lent.CLOSED)
        super().close()

    def __exit__(self, *raised: Any) -> Any:
        self._refuse(lent.SENTENCE)
        return super().__exit__(*raised)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ATTRIBUTES:
            self._refuse(f"{lent.SENTENCE} (to set `{name}` commits)")
        super().__setattr__(name, value)

    def _refuse(self, sentence: str) -> None:
        if self.is_lent:
            raise NonRetryable(sentence)


def _noted(name: str) -> Callable[..., Any]:
    def method(self: LentConnection, *arguments: Any, **options: Any) -> Any:
        self.is_changed = self.is_changed or self.is_lent
        return getattr(sqlite3.Connection, name)(self, *arguments, **options)

    return method


for _name in _CHANGERS:
    if hasattr(sqlite3.Connection, _name):  # not each version of Python has all of them
        setattr(LentConnection, _name, _noted(_name))


class LentCursor(sqlite3.Cursor):
    """Refuses what would end the transaction before it is run."""

    connection: LentConnection

    def execute(self, sql: str, *arguments: Any) -> Any:
        self.connection.check(sql)
        return super().execute(sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> Any:
        self.connection.check(sql)
        return super().executemany(sql, *arguments)

    def executescript(self, script: str) -> Any:
        if self.connection.is_lent:
            raise NonRetryable(f"{lent.SENTENCE} (`executescript` commits before it begins)")
        return super().executescript(script)
