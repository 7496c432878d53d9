"""The connection that a transaction's function is lent: it may not end the transaction, and remembers its own failures.

It is not in autocommit mode: where the server rolls the transaction back (a deadlock) and the function goes on, what it
writes then waits for a commit that never comes.
"""

from __future__ import annotations

import copy
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
    |set\s+password\b|set\b.*?\bautocommit`?\s*:?=|check\s+table\b
    |(?:start|stop)\s+(?:all\s+)?(?:slaves?|replicas?)\b|cache\s+index\b|load\s+index\b|set\s+default\s+role\b
    |(?:execute\s+immediate|prepare|set\s+statement|if|for|while|loop|repeat|case)\b.*?\b(?:commit|rollback|autocommit)\b
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


_EXECUTED = re.compile(r"/\*M?!\d*")  # opens a comment that these servers carry out
_OF_TRANSPORT = {  # what is no setting: where the session stands, and what hydra keeps here
    "_affected_rows",
    "_closed",
    "_current_timeout",
    "_next_seq_id",
    "_pristine",
    "_result",
    "_rfile",
    "_sock",
    "failure",
    "host_info",
    "insert_id",
    "is_lent",
    "server_status",
    "server_thread_id",
    "was_silent",
}
_COM_RESET_CONNECTION = 0x1F  # MySQL 5.7, MariaDB 10.2; PyMySQL has no name for it


class LentConnection(Connection):  # type: ignore[misc]
    """`failure` is what it raised last: an error that is no other connection's."""

    is_lent = False
    was_silent = False  # it is closed because a reply did not come in time
    failure: MySQLError | None = None
    _pristine: dict[str, Any]

    def remember(self) -> None:
        """Its settings, as they are: converters, character set, factories, time-outs."""
        self._pristine = {name: _own(vars(self)[name]) for name in vars(self).keys() - _OF_TRANSPORT}

    def restore(self) -> None:
        """Those that were remembered, and nothing that a function has added."""
        for name in vars(self).keys() - _OF_TRANSPORT - self._pristine.keys():
            delattr(self, name)
        for name, value in self._pristine.items():
            setattr(self, name, _own(value))

    def query(self, sql: Any, unbuffered: bool = False) -> Any:
        if self.is_lent:
            text = sql if isinstance(sql, str) else bytes(sql).decode(errors="replace")
            lent.refuse_ending(_EXECUTED.sub(" ", text), _COMMITS)
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

    def reset(self) -> None:
        """Roll back what is open, and make the session as if it had just been opened, at one round trip."""
        self._execute_command(_COM_RESET_CONNECTION, "")
        self._read_ok_packet()

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


def _own(setting: Any) -> Any:
    """A copy of what a function might change in place. The rest cannot all be copied (an `SSLContext`, over TCP)."""
    return copy.copy(setting) if isinstance(setting, dict | list | set) else setting
