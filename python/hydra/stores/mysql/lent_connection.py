"""The connection that a transaction's function is lent: it may not end the transaction, and remembers its own failures.

It is not in autocommit mode: where the server rolls the transaction back (a deadlock) and the function goes on, what it
writes then waits for a commit that never comes.
"""

from __future__ import annotations

import re
from typing import Any

from pymysql.connections import Connection
from pymysql.err import MySQLError

from hydra.errors import NonRetryable
from hydra.stores import lent

_COMMITS = re.compile(  # by themselves, before or after they are done
    r"""(?:\s|--[^\n]*|\#[^\n]*|/\*(?!M?!).*?\*/)*(?:
    (?:alter|rename|truncate|grant|revoke|install|uninstall|analyze|optimize|repair|flush|reset|xa|change)\b
    |create\s+(?!(?:or\s+replace\s+)?temporary\b)|drop\s+(?!temporary\b)|(?:un)?lock\s+tables?\b
    |set\s+password\b|set\s+(?:session\s+|local\s+|@@(?:session\.|local\.)?)?autocommit\b|check\s+table\b
    |(?:start|stop)\s+(?:all\s+)?(?:slaves?|replicas?)\b|cache\s+index\b|load\s+index\b
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


class LentConnection(Connection):  # type: ignore[misc]
    """`failure` is what it raised last: an error that is no other connection's."""

    is_lent = False
    was_silent = False  # it is closed because a reply did not come in time
    failure: MySQLError | None = None

    def query(self, sql: Any, unbuffered: bool = False) -> Any:
        if self.is_lent:
            text = sql if isinstance(sql, str) else bytes(sql).decode(errors="replace")
            lent.refuse_ending(text, _COMMITS)
        return super().query(sql, unbuffered)

    def begin(self) -> None:
        self._refuse(lent.SENTENCE)
        super().begin()

    def commit(self) -> None:
        self._refuse(lent.SENTENCE)
        super().commit()

    def rollback(self) -> None:
        self._refuse(lent.SENTENCE)
        super().rollback()

    def autocommit(self, value: Any) -> None:
        self._refuse(lent.SENTENCE)
        super().autocommit(value)

    def close(self) -> None:
        self._refuse(lent.CLOSED)
        super().close()

    def _refuse(self, sentence: str) -> None:
        if self.is_lent:
            raise NonRetryable(sentence)

    def _read_packet(self, *arguments: Any) -> Any:
        try:
            return super()._read_packet(*arguments)
        except MySQLError as error:
            self.failure = error
            raise

    def _read_bytes(self, num_bytes: int) -> Any:
        try:
            return super()._read_bytes(num_bytes)
        except MySQLError as error:
            self.was_silent = isinstance(error.__context__, TimeoutError)
            raise

    def _write_bytes(self, data: Any) -> Any:
        try:
            return super()._write_bytes(data)
        except MySQLError as error:
            self.failure = error
            raise
