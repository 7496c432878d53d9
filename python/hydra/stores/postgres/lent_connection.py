"""The connection that a transaction's function is lent: it may not end the transaction, and remembers its own failures.

A server that does not answer is told from a statement that takes its time by asking over another connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, NoReturn

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.sql import Composable

from hydra.errors import NonRetryable
from hydra.stores import lent

FAILED = "25P02"  # the transaction has failed before
SILENCE_SECONDS = 15.0  # of the server, after which another connection asks for it


class LentConnection(psycopg.Connection[Any]):
    """`failure` is what it raised last: an error that is no other connection's."""

    is_lent = False
    failure: psycopg.Error | None = None
    is_under_way: Callable[[], bool] = staticmethod(lambda: True)  # whether the server still works on its statement

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursor_factory = LentCursor

    def lend(self) -> LentConnection:
        """Another object of the same session, for a function: what it makes of it (converters, factories, handlers,
        prepared statements, a lock that is held) is no other's."""
        lent_one = LentConnection(self.pgconn)
        lent_one.autocommit, lent_one.prepare_threshold = True, None
        lent_one.is_under_way = self.is_under_way
        lent_one.is_lent = True
        return lent_one

    @property
    def is_unfinished(self) -> bool:
        """Whether a query is still under way in the session, or a pipeline open."""
        is_active = self.pgconn.transaction_status == TransactionStatus.ACTIVE
        return is_active or self.pgconn.pipeline_status != PipelineStatus.OFF

    def __del__(self, *arguments: Any) -> None:
        """The session is its owner's to close; the driver would warn of each object that was lent."""

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return super().wait(self._watched(gen), *arguments, **options)
        except psycopg.Error as error:
            if error.sqlstate != FAILED:  # because of an earlier one, which is kept
                self.failure = error
            raise

    def commit(self) -> None:
        self._refuse(lent.SENTENCE)
        super().commit()

    def rollback(self) -> None:
        self._refuse(lent.SENTENCE)
        super().rollback()

    def close(self) -> None:
        self._refuse(lent.CLOSED)
        super().close()

    def _refuse(self, sentence: str) -> None:
        if self.is_lent:
            raise NonRetryable(sentence)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The driver's, which is woken every tenth of a second with nothing to tell."""
        heard_at = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    heard_at = now
                elif now - heard_at > SILENCE_SECONDS:
                    if not self.is_under_way():
                        self._give_up()
                    heard_at = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _give_up(self) -> NoReturn:
        self.pgconn.finish()
        raise psycopg.OperationalError(f"no reply within {SILENCE_SECONDS:g} s, and the server has lost the connection")


class LentCursor(psycopg.Cursor[Any]):
    """Refuses what would end the transaction before it is sent."""

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        self._check(query)
        return super().execute(query, *arguments, **options)

    def executemany(self, query: Any, *arguments: Any, **options: Any) -> Any:
        self._check(query)
        return super().executemany(query, *arguments, **options)

    def _check(self, query: Any) -> None:
        if not self.connection.is_lent:  # type: ignore[attr-defined]
            return
        if isinstance(query, Composable):
            query = query.as_string(self.connection)
        if isinstance(query, bytes):
            query = query.decode(errors="replace")
        if isinstance(query, str):
            lent.refuse_ending(query)
