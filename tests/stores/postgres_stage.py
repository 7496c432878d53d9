"""PostgreSQL's stage. `raw` sees and does what no verb does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import psycopg
import pytest
from hydra.execution import NodeRef
from hydra.stores.postgres import PostgresStore
from hydra.stores.postgres.statements import statements
from psycopg.rows import TupleRow

from tests.stores.racing import Guard, ServerStage


class PostgresStage(ServerStage):
    GUARDS: ClassVar[dict[str, Guard]] = {
        "claims skip": (("claim", "skip locked", ""),),
        "a beat shares the fence": (("heartbeat", "for share", "for update"),),
        "a reaper locks first": (("lock_peer", "for update skip locked", ""),),
        "a suspend looks at what is locked": (
            ("commit_ends", "e.attention = 'cancel'", "false"),
            ("commit_ends", "and e.attention is distinct from 'cancel'", ""),
        ),
        "a cancel locks first": (("request_cancel", "for update", ""),),
    }
    a: PostgresStore
    b: PostgresStore

    def __init__(self, a: PostgresStore, b: PostgresStore, raw: psycopg.Connection[TupleRow]) -> None:
        self.raw = raw
        super().__init__(a, b)

    def blocked_count(self) -> int:
        row = self.raw.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def replace(self, monkeypatch: pytest.MonkeyPatch, statement: str, text: str, instead: str = "") -> None:
        before = statements()[statement].decode()
        assert text in before, f"`{statement}` has no `{text}`"
        monkeypatch.setitem(statements(), statement, before.replace(text, instead).encode())

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection[TupleRow]:
        """One more to look or to interfere with."""
        return psycopg.connect(self.raw.info.dsn, autocommit=autocommit)

    @contextmanager
    def holding(self, id: str | None = None) -> Iterator[PostgresHolder]:
        with self.connect() as connection:
            connection.execute("set deadlock_timeout = '1min'")  # so the store's session is the one that notices
            holder = PostgresHolder(connection)
            if id is not None:
                holder.lock(id)
            yield holder

    @contextmanager
    def holding_node(self, node: NodeRef) -> Iterator[None]:
        with self.connect() as connection:
            connection.execute("select 1 from hydra_node where id = %s for update", [node.id])
            yield

    def free_executions(self) -> list[str]:
        rows = self.raw.execute("select id::text from hydra_execution for update skip locked").fetchall()
        return [id for (id,) in rows]

    def deadlock_count(self) -> int:
        self.raw.execute("select pg_stat_force_next_flush()")
        row = self.raw.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
        assert row is not None
        return int(row[0])


class PostgresHolder:
    def __init__(self, connection: psycopg.Connection[TupleRow]) -> None:
        self._connection = connection

    def lock(self, id: str) -> None:
        self._connection.execute("select 1 from hydra_execution where id = %s for update", [id])
