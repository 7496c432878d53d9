"""A hand for each database that writes past every constraint of its tables."""

from __future__ import annotations

import sqlite3
from typing import Any, ClassVar, Protocol

import psycopg
from hydra.stores.mysql.statements import id_literal

from tests.stores.mysql_stage import Behind


class Breaker(Protocol):
    NAME: ClassVar[str]  # of the store

    def run(self, statement: str) -> int:
        """How many rows it met."""
        ...

    def id(self, id: str) -> str:
        """As a literal of the database."""
        ...

    def octets(self, id: str) -> str:
        """As bytes, which is how a record names the message it consumed."""
        ...

    def close(self) -> None: ...


class SqliteBreaker:
    NAME = "sqlite"

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self.run("pragma foreign_keys = off")
        self.run("pragma ignore_check_constraints = on")

    def run(self, statement: str) -> int:
        return self._connection.execute(statement).rowcount

    def id(self, id: str) -> str:
        return f"'{id}'"

    def octets(self, id: str) -> str:
        return f"x'{id.replace('-', '')}'"

    def close(self) -> None:
        self._connection.close()


class PostgresBreaker:
    NAME = "postgres"

    def __init__(self, url: str) -> None:
        self._connection: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True)
        checks = self._connection.execute(
            "select conrelid::regclass::text, conname from pg_constraint where contype = 'c' and conname ~ '^hydra_'"
        ).fetchall()
        for table, name in checks:
            self.run(f"alter table {table} drop constraint {name}")

    def run(self, statement: str) -> int:
        return self._connection.execute(statement.encode()).rowcount

    def id(self, id: str) -> str:
        return f"'{id}'::uuid"

    def octets(self, id: str) -> str:
        return f"decode('{id.replace('-', '')}', 'hex')"

    def close(self) -> None:
        self._connection.close()


class MysqlBreaker:
    NAME = "mysql"

    def __init__(self, url: str) -> None:
        self._behind = Behind(url)
        self._behind.lift_checks()

    def run(self, statement: str) -> int:
        with self._behind.connection.cursor() as cursor:
            return int(cursor.execute(statement))

    def id(self, id: str) -> str:
        return id_literal(id)

    octets = id

    def close(self) -> None:
        self._behind.connection.close()


STORES = (SqliteBreaker.NAME, PostgresBreaker.NAME, MysqlBreaker.NAME)


def breaker_of(url: str) -> Breaker:
    match url.partition("://")[0]:
        case "sqlite":
            return SqliteBreaker(url.removeprefix("sqlite:///"))
        case "postgresql":
            return PostgresBreaker(url)
        case _:
            return MysqlBreaker(url)
