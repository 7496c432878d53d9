"""One connection to the server, in READ COMMITTED whatever the server's defaults (R28). Knows no transactions.

Statements are sent as many as possible in one flush: a round trip costs more than most of them do.
"""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pymysql
from pymysql.constants import CLIENT

from hydra.errors import ConfigError
from hydra.interruptions import let_out, let_out_cause
from hydra.stores.connecting import freed_where_refused
from hydra.stores.mysql.address import Address
from hydra.stores.mysql.failures import explain, is_session_lost, too_large
from hydra.stores.mysql.statements import STATEMENTS

CONNECT_TIMEOUT_SECONDS = 3
READ_WAIT_SECONDS = 60.0
LONG_WAIT_SECONDS = 24 * 3600.0
MAX_FLUSH_BYTES = 4 * 1024 * 1024

SETTINGS = (
    # guard R28: a session is READ COMMITTED whatever the server defaults to
    "set session transaction isolation level read committed",
    "set session time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES', "
    "sql_safe_updates = 0, sql_big_selects = 1, sql_select_limit = 18446744073709551615",
)


class MySQLSession:
    """`write_wait_seconds` of a writer: how long it waits for an answer; None for a reader.

    The server gives up a wait for a lock before that, so a long wait is an answer and not a lost connection, and ends
    the transaction of a client that fell silent soon after: a stopped process gives its locks up (R20).
    """

    def __init__(
        self, address: Address, write_wait_seconds: float | None = None, read_wait_seconds: float = READ_WAIT_SECONDS
    ) -> None:
        self.place = address.place
        self.pid = os.getpid()
        self.lost = False
        timeout = read_wait_seconds if write_wait_seconds is None else write_wait_seconds
        try:
            with freed_where_refused():
                self._connection = pymysql.connect(
                    **address.arguments(),
                    charset="utf8mb4",
                    autocommit=True,
                    connect_timeout=max(1, min(CONNECT_TIMEOUT_SECONDS, int(timeout))),
                    read_timeout=timeout,
                    write_timeout=timeout,
                    # Counts are of the rows that matched, not of those that changed.
                    client_flag=CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS,
                )
        except (pymysql.MySQLError, OSError) as error:
            raise explain(error, self.place) or error from error
        except RuntimeError as error:  # PyMySQL lacks `cryptography` for MySQL 8's passwords
            raise ConfigError(f"the database `{self.place}` cannot be entered: {error}") from error
        self._cursor = self._connection.cursor()
        self.version_text = str(self._connection.get_server_info())
        self.is_mariadb = "mariadb" in self.version_text.lower()
        numbers = re.findall(r"\d+", self.version_text.removeprefix("5.5.5-"))  # MariaDB's prefix for very old replicas
        self.version = tuple(map(int, numbers[:3]))
        settings = list(SETTINGS)
        if write_wait_seconds is not None:
            idle = "idle_transaction_timeout" if self.is_mariadb else "wait_timeout"
            settings += [
                f"set session innodb_lock_wait_timeout = {max(1, int(write_wait_seconds * 2 / 3))}",
                # guard R20: the server ends a transaction whose client fell silent
                f"set session {idle} = {max(1, int(write_wait_seconds * 3 / 2))}",
            ]
        self._max_packet_bytes = MAX_FLUSH_BYTES
        self._is_one_by_one = False
        *_, limit, modes = self.send([*settings, "select @@max_allowed_packet", STATEMENTS["cluster_mode"]])
        self._max_packet_bytes = int(limit[0][0])
        self._is_one_by_one = dict(modes).get("wsrep_on", "OFF").upper() in ("ON", "1")
        self.max_flush_bytes = min(MAX_FLUSH_BYTES, self._max_packet_bytes // 2)

    def send(self, statements: Sequence[str]) -> list[Any]:
        """Run all in one flush. For each its rows, or how many rows it matched. Stops at the first that fails.

        On Galera each by itself: an abort in the middle of a packet may be swallowed there, and COMMIT then says OK.
        """
        if self._is_one_by_one and len(statements) > 1:
            return [self.send([statement])[0] for statement in statements]
        cursor = self._cursor
        text = "; ".join(statements)
        if len(text) >= self._max_packet_bytes:  # the server would only hang up
            raise too_large(self.place)
        outer = sys.exception()
        try:
            cursor.execute(text)
            answers = [cursor.fetchall() if cursor.description else cursor.rowcount]
            while cursor.nextset():
                answers.append(cursor.fetchall() if cursor.description else cursor.rowcount)
        except BaseException as error:
            # Interrupted between two answers, it would take those that are left for the next statement's: what is no
            # error of the server's may have been raised anywhere, by a signal's handler.
            if not isinstance(error, pymysql.MySQLError) or is_session_lost(error):
                self.discard()
            let_out_cause(error, outer)
            raise
        if len(answers) != len(statements):
            self.discard()
            raise AssertionError(f"{len(statements)} statements got {len(answers)} answers")
        return answers

    def wait_long(self) -> None:
        """From here on an answer may take `LONG_WAIT_SECONDS`: the statements read or change whole tables."""
        self._connection._read_timeout = LONG_WAIT_SECONDS

    def was_ended(self) -> bool:
        """Whether the server has closed it while it stood idle: between two statements it has nothing else to say."""
        poll = select.poll()
        try:
            poll.register(self._connection._sock, select.POLLIN)
        except (TypeError, ValueError, AttributeError) as error:
            let_out(error)
            return True  # it is closed here
        return bool(poll.poll(0))

    def is_usable(self) -> bool:
        return not self.lost and self.pid == os.getpid()

    def discard(self) -> None:
        """Close it; one inherited over a fork is the parent's and is only dropped, without a word to the server."""
        if self.is_usable():
            self.lost = True
            with suppress(pymysql.Error):
                self._connection.close()
