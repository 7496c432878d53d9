"""The connection that a transaction's function is lent: it may not end the transaction.

`insert or rollback`, a trigger that raises ROLLBACK and a full disk end it, too: nothing more is taken from the
function then, since each statement would be committed by itself.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from hydra.errors import NonRetryable
from hydra.stores import lent

ROLLED_BACK = "SQLite has rolled the transaction back; let the error of its statement leave the function"
_ATTRIBUTES = ("isolation_level", "autocommit")  # to set them commits


class LentConnection(sqlite3.Connection):
    """`is_lent` while the function has it."""

    is_lent = False

    def check(self, statement: str) -> None:
        if self.is_lent:
            lent.refuse_ending(statement)
            if not self.in_transaction:
                raise NonRetryable(ROLLED_BACK)

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or LentCursor)

    def execute(self, sql: str, *arguments: Any) -> Any:
        self.check(sql)
        return super().execute(sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> Any:
        self.check(sql)
        return super().executemany(sql, *arguments)

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
