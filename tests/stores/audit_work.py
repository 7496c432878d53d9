"""How much a question of the audit has to do, as each database counts it: never in seconds."""

from __future__ import annotations

import sqlite3
from typing import Any, Protocol

import psycopg
from hydra.stores.mysql.statements import NO_NODE, literal, read_statements
from hydra.stores.postgres.auditing import prepare
from hydra.stores.postgres.statements import audits as postgres_audits
from hydra.stores.sqlite.statements import audits as sqlite_audits

from tests.stores.mysql_stage import Behind

NAMESPACE = "default"
STEPS_AT_ONCE = 100  # of SQLite's machine, between two looks


class Counter(Protocol):
    def questions(self) -> list[str]: ...

    def work(self, question: str) -> int:
        """The question is answered once."""
        ...

    def close(self) -> None: ...


class SqliteCounter:
    """Steps of its virtual machine."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path)
        self._count = 0

    def questions(self) -> list[str]:
        return sorted(sqlite_audits())

    def work(self, question: str) -> int:
        self._count = 0
        self._connection.set_progress_handler(self._step, STEPS_AT_ONCE)
        self._connection.execute(sqlite_audits()[question], {"namespace": NAMESPACE}).fetchall()
        return self._count

    def _step(self) -> int:
        self._count += STEPS_AT_ONCE
        return 0

    def close(self) -> None:
        self._connection.close()


class PostgresCounter:
    """Rows that the nodes of its plan took in hand, those included that they did not let through."""

    def __init__(self, url: str) -> None:
        self._connection: psycopg.Connection[Any] = psycopg.connect(url)
        prepare(self._connection)

    def questions(self) -> list[str]:
        return sorted(postgres_audits())

    def work(self, question: str) -> int:
        explain = b"explain (analyze, timing off, format json) " + postgres_audits()[question]
        row = self._connection.execute(explain, {"namespace": NAMESPACE}).fetchone()
        assert row is not None
        return round(self._rows(row[0][0]["Plan"]))

    def _rows(self, plan: dict[str, Any]) -> float:
        removed = sum(count for name, count in plan.items() if name.startswith("Rows Removed"))
        below = sum(map(self._rows, plan.get("Plans", [])))
        return float((plan["Actual Rows"] + removed) * plan["Actual Loops"] + below)

    def close(self) -> None:
        self._connection.close()


class MysqlCounter:
    """Rows that its tables, those of its own included, gave or took."""

    def __init__(self, url: str) -> None:
        self._behind = Behind(url)
        self._questions = read_statements("audits")

    def questions(self) -> list[str]:
        return sorted(self._questions)

    def work(self, question: str) -> int:
        before = self._handled()
        self._behind.run(self._questions[question].format(namespace=literal(NAMESPACE), no_node=NO_NODE))
        return self._handled() - before

    def _handled(self) -> int:
        rows = self._behind.run("show session status like 'handler%'")
        return sum(int(count) for name, count in rows if "_read_" in name or "_tmp_" in name)

    def close(self) -> None:
        self._behind.connection.close()


def counter_of(url: str) -> Counter:
    match url.partition("://")[0]:
        case "sqlite":
            return SqliteCounter(url.removeprefix("sqlite:///"))
        case "postgresql":
            return PostgresCounter(url)
        case _:
            return MysqlCounter(url)
