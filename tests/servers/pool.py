"""Databases that tests use one after the other: to make one, with its tables, costs more than most tests do.

    take ──► a test ──► give back ──► as it was made? emptied ──► the next test
                                      anything else? dropped

"As it was made" is the catalog, the versions in `hydra_schema`, what the database is set to, its size, and that nobody
is in it any more: what a test leaves running must not reach the next one. On PostgreSQL one session looks and empties
from test to test (`kept_sessions`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg
import pymysql
from hydra.stores import open_store
from pymysql.constants import CLIENT

from tests.servers import mysql, postgres
from tests.servers.kept_sessions import kept_sessions

LEAVING_SECONDS = 0.2  # a server notices a little later that a client has gone
LARGE_BYTES = 4 << 20  # what was deleted still takes room, and time to read past

POSTGRES_CATALOG = """
select (select array_agg(s order by s.version) from hydra_schema s)::text, (
    select array_agg(found order by found) from (
        select concat_ws(' ', oid, xmin) from pg_class where oid >= 16384
        union all select concat_ws(' ', attrelid, attnum, xmin) from pg_attribute where attrelid >= 16384
        union all select concat_ws(' ', oid, xmin) from pg_attrdef
        union all select concat_ws(' ', oid, xmin) from pg_constraint where oid >= 16384
        union all select concat_ws(' ', oid, xmin) from pg_trigger
        union all select concat_ws(' ', oid, xmin) from pg_proc where oid >= 16384
        union all select concat_ws(' ', oid, xmin) from pg_type where oid >= 16384
        union all select concat_ws(' ', oid, xmin) from pg_namespace
        union all select concat_ws(' ', oid, xmin) from pg_event_trigger
        union all select concat_ws(' ', oid, xmin) from pg_default_acl
        union all select concat_ws(' ', oid, xmin) from pg_extension
        union all select concat_ws(' ', oid, xmin) from pg_largeobject_metadata
        union all select concat_ws(' ', indexrelid, xmin) from pg_index where indexrelid >= 16384
        union all select concat_ws(' ', setrole, setconfig) from pg_db_role_setting
            where setdatabase = (select oid from pg_database where datname = current_database())
    ) as every (found)
)::text
"""
POSTGRES_SIZE = (
    "select coalesce(sum(pg_relation_size(oid)), 0) from pg_class where oid >= 16384 and relkind in ('r', 'i')"
)
POSTGRES_GUESTS = """
select count(*) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""
MYSQL_VERSIONS = "select * from hydra_schema order by 1"
# How many statements have changed a catalog on this server: as long as none has, nobody needs to read it again.
MYSQL_CHANGES = "show global status where variable_name regexp '^Com_(create|alter|drop|rename|truncate)'"
MYSQL_CATALOG = (
    "select table_name, engine, table_collation, row_format, create_options from information_schema.tables "
    "where table_schema = database() order by 1",
    "select table_name, column_name, ordinal_position, column_default, is_nullable, column_type, collation_name, extra "
    "from information_schema.columns where table_schema = database() order by 1, 2",
    "select table_name, index_name, seq_in_index, column_name, non_unique, sub_part "
    "from information_schema.statistics where table_schema = database() order by 1, 2, 3",
    "select table_name, constraint_name, constraint_type from information_schema.table_constraints "
    "where table_schema = database() order by 1, 2",
    "select trigger_name from information_schema.triggers where trigger_schema = database() order by 1",
    "select routine_name from information_schema.routines where routine_schema = database() order by 1",
)
MYSQL_GUESTS = "select count(*) from information_schema.processlist where db = database() and id <> connection_id()"


class Session(Protocol):
    """One look at a database that was given back."""

    def is_left(self) -> bool: ...
    def catalog(self) -> object: ...
    def is_large(self) -> bool: ...
    def empty(self) -> None: ...


class PostgresSession:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def is_left(self) -> bool:
        return self._rows(POSTGRES_GUESTS) == [(0,)]

    def catalog(self) -> object:
        return self._rows(POSTGRES_CATALOG)

    def is_large(self) -> bool:
        ((size,),) = self._rows(POSTGRES_SIZE)
        return int(size) > LARGE_BYTES

    def empty(self) -> None:
        tables = self._rows(
            "select relname from pg_class where oid >= 16384 and relkind = 'r' and relname !~ '_schema$'"
        )
        sequences = self._rows("select relname from pg_class where oid >= 16384 and relkind = 'S'")
        orders = [f"delete from {name}" for (name,) in tables if name.startswith("hydra_")]
        orders += [f"select setval('{name}', 1, false)" for (name,) in sequences]
        self._connection.execute("; ".join(orders).encode(), prepare=False)  # several in one

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement.encode()).fetchall()


class MysqlSession:
    def __init__(self, connection: pymysql.Connection, read: dict[str, tuple[object, object]], url: str) -> None:
        """`read` has the catalogs that were read, by URL, each with the changes until then."""
        self._connection = connection
        self._read, self._url = read, url

    def is_left(self) -> bool:
        return self._rows(MYSQL_GUESTS) == [(0,)]

    def catalog(self) -> object:
        changes = self._rows(MYSQL_CHANGES)
        if self._url not in self._read or self._read[self._url][0] != changes:
            self._read[self._url] = changes, [self._rows(statement) for statement in MYSQL_CATALOG]
        return self._rows(MYSQL_VERSIONS), self._read[self._url][1]

    def is_large(self) -> bool:
        ((size,),) = self._rows(
            "select sum(data_length + index_length) - count(*) * 65536 from information_schema.tables "
            "where table_schema = database()"
        )
        return int(size) > LARGE_BYTES

    def empty(self) -> None:
        tables = self._rows(
            "select table_name, auto_increment from information_schema.tables where table_schema = database() "
            "and table_name <> 'hydra_schema'"
        )
        counted = [f"alter table {name} auto_increment = 1" for name, next_number in tables if (next_number or 1) > 1]
        orders = ["begin", *(f"delete from {name}" for name, _ in tables), "commit", *counted]
        with self._connection.cursor() as cursor:
            cursor.execute("; ".join(orders))
            while cursor.nextset():
                pass
        if counted and self._url in self._read:
            self._read[self._url] = self._rows(MYSQL_CHANGES), self._read[self._url][1]

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


class Pool:
    """Of one server, for one test process."""

    def __init__(self, create: Callable[[], str], drop: Callable[[str], None], enter: Callable[[str], Any]) -> None:
        self._create, self._drop, self._enter = create, drop, enter
        self._free: list[str] = []
        self._catalogs: dict[str, object] = {}

    def take(self) -> str:
        """With hydra's tables, and nothing in them."""
        return self._free.pop() if self._free else self._make()

    def give_back(self, url: str) -> None:
        if self._is_empty_again(url):
            self._free.append(url)
        else:
            del self._catalogs[url]
            self._drop(url)

    def close(self) -> None:
        for url in self._free:
            self._drop(url)

    def _make(self) -> str:
        url = self._create()
        store = open_store(url)
        store.migrate()
        store.close()
        with self._enter(url) as session:
            self._catalogs[url] = session.catalog()
        return url

    def _is_empty_again(self, url: str) -> bool:
        try:
            with self._enter(url) as session:
                if not has_come(session.is_left) or session.catalog() != self._catalogs[url] or session.is_large():
                    return False
                session.empty()
                return True
        except (psycopg.Error, pymysql.MySQLError):
            return False  # whatever the test did to it: the next one gets another


def has_come(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LEAVING_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def postgres_pool(server: postgres.PostgresServer | postgres.ExistingServer) -> Pool:
    @contextmanager
    def enter(url: str) -> Iterator[Session]:
        yield PostgresSession(kept_sessions.of(url))

    def drop(url: str) -> None:
        kept_sessions.end(url)
        postgres.drop_database(server, url)

    return Pool(lambda: postgres.create_database(server), drop, enter)


def mysql_pool(server: mysql.MysqlServer | mysql.ExistingServer) -> Pool:
    read: dict[str, tuple[object, object]] = {}

    @contextmanager
    def enter(url: str) -> Iterator[Session]:
        with mysql.connect(url, CLIENT.MULTI_STATEMENTS) as connection:
            connection.query("set session lock_wait_timeout = 2, innodb_lock_wait_timeout = 2")
            yield MysqlSession(connection, read, url)

    return Pool(lambda: mysql.create_database(server), lambda url: mysql.drop_database(server, url), enter)
