"""What a transaction's function has set ends with it, and hydra's own statements do not run under it (G6, R21)."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import urlsplit

import hydra
import psycopg
import pymysql
import pytest

from tests.servers import mysql

HOW = ["returns", "raises"]


class Meant(Exception):
    """The function's own."""


def fetched(connection: Any, statement: str) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(statement)
    return list(cursor.fetchall()) if cursor.description else []


@hydra.transaction
def perform(connection: Any, statements: list[str], how: str) -> list[Any]:
    """What the last statement has found."""
    found = [fetched(connection, statement) for statement in statements]
    if how == "raises":
        raise Meant
    return [list(row) for row in found[-1]]


@hydra.transaction
def spoil(connection: Any, how: str) -> None:
    """Settings of a SQLite connection that are no statements."""
    connection.create_function("lower", 1, lambda text: "spoiled")
    connection.row_factory = sqlite3.Row
    connection.set_authorizer(lambda *asked: sqlite3.SQLITE_OK if asked[1] != "hydra_record" else sqlite3.SQLITE_DENY)
    if how == "raises":
        raise Meant


class Wrong(psycopg.adapt.Dumper):
    def dump(self, value: Any) -> bytes:
        return b"666"


@hydra.transaction
def convert(connection: Any) -> None:
    """Converters, factories and character sets of the driver's own object."""
    if isinstance(connection, psycopg.Connection):
        connection.adapters.register_dumper(float, Wrong)
        connection.adapters.register_dumper(int, Wrong)
        connection.prepare_threshold = 0
        connection.commit = None  # type: ignore[method-assign,assignment]
    else:
        connection.encoders[float] = connection.encoders[int] = lambda value, mapping=None: "666"
        connection.decoders.clear()
        connection.set_character_set("latin1")
        connection.query_count = 1


@hydra.transaction
def write_and_read(connection: Any) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute("insert into prices (amount, name) values (%s, %s)", (1.5, "Müller"))
    cursor.execute("select amount, name from prices")
    return [[float(amount), name] for amount, name in cursor.fetchall()]


@hydra.transaction
def leave_open(connection: Any, how: str) -> None:
    if how == "stream":
        kept.append(connection.cursor().stream("select generate_series(1, 100000)"))
        next(kept[-1])
    elif how == "returning":
        kept.append(connection.execute("insert into prices (amount) values (1), (2) returning amount"))
        kept[-1].fetchone()
    else:
        connection.execute("create temp trigger swallow before insert on hydra_record begin select raise(ignore); end")


kept: list[Any] = []  # what a function has left open


@hydra.workflow
def leaks_convert() -> list[Any]:
    convert()
    return write_and_read()


@hydra.workflow
def leaks_open(how: str) -> None:
    leave_open(how)


@hydra.workflow
def leaks_perform(statements: list[str], how: str) -> list[Any]:
    return perform(statements, how)


@hydra.workflow
def leaks_spoil(how: str) -> None:
    spoil(how)


class Desk:
    """An engine with one worker, whose transactions use one connection one after the other, and another beside it."""

    def __init__(self, engine: hydra.Engine, url: str) -> None:
        self.engine = engine
        self.driver = urlsplit(url).scheme
        match self.driver:
            case "sqlite":
                self.beside: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=1.0)
            case "mysql":
                self.beside = mysql.connect(url)
            case _:
                self.beside = psycopg.connect(url, autocommit=True)

    def run(self, *statements: str, how: str = "returns") -> Any:
        handle = self.engine.submit(leaks_perform.bind(list(statements), how))
        if how == "raises":
            with pytest.raises(hydra.WorkflowFailed) as failed:
                handle.result(timeout=30)
            assert isinstance(failed.value.__cause__, Meant)
            return None
        return handle.result(timeout=30)


@pytest.fixture
def desk(url: str) -> Any:
    with hydra.Engine(url) as engine:
        with engine.worker(concurrency=1):
            desk = Desk(engine, url)
            yield desk
            desk.beside.close()
        assert engine.audit() == []


on_postgres = pytest.mark.parametrize("url", ["postgres"], indirect=True)
on_mysql = pytest.mark.parametrize("url", ["mysql"], indirect=True)
on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("how", HOW)
@on_postgres
def test_g6_what_a_function_leaves_in_a_session_of_postgresql_ends_with_it(desk: Desk, how: str) -> None:
    for _ in range(2):  # a second call finds nothing of the first
        desk.run(
            "create temp table scratch (n int)",
            "prepare ready as select 1",
            "listen news",
            "select pg_advisory_lock(7)",
            "declare held cursor with hold for select 1",
            "set application_name = 'mine'",
            "set time zone 'Asia/Tokyo'",
            how=how,
        )
        assert fetched(desk.beside, "select pg_try_advisory_lock(7), pg_advisory_unlock(7)") == [(True, True)]
    left = "select count(*) from pg_listening_channels() union all select count(*) from pg_cursors where is_holdable"
    assert desk.run(left) == [[0], [0]]
    prepared = "select count(*) from pg_prepared_statements where from_sql"
    assert desk.run(f"select ({prepared}), to_regclass('pg_temp.scratch')::text") == [[0, None]]


@pytest.mark.parametrize(
    "setting",
    [
        "set search_path to pg_catalog",
        "set local search_path to pg_catalog",
        "set role hydra_nobody",
        "set local role hydra_nobody",
        "set session authorization hydra_nobody",
        "set statement_timeout = '1ms'",
        "set client_encoding = 'LATIN1'",
        "set session_replication_role = replica",
        "create temp table hydra_record (n int)",
    ],
)
@on_postgres
def test_g6_the_record_is_written_whatever_a_function_of_postgresql_has_set(desk: Desk, setting: str) -> None:
    fetched(desk.beside, "do $$ begin create role hydra_nobody; exception when duplicate_object then end $$")
    assert desk.run(setting) == []
    assert desk.run("select 1") == [[1]]


@on_postgres
def test_g6_what_is_deferred_to_the_end_of_a_transaction_fails_its_function(desk: Desk) -> None:
    fetched(desk.beside, "create table town (name text primary key)")
    fetched(desk.beside, "create table street (town text references town deferrable initially deferred)")
    handle = desk.engine.submit(leaks_perform.bind(["insert into street values ('nowhere')"], "returns"))
    with pytest.raises(hydra.WorkflowFailed) as failed:
        handle.result(timeout=30)
    assert isinstance(failed.value.__cause__, psycopg.errors.ForeignKeyViolation)
    assert desk.run("insert into street values ('here')", "insert into town values ('here')") == []


@pytest.mark.parametrize("how", HOW)
@on_mysql
def test_g6_what_a_function_leaves_in_a_session_of_mysql_ends_with_it(desk: Desk, how: str) -> None:
    fetched(desk.beside, "create table town (name varchar(20) primary key)")
    fetched(desk.beside, "create table street (town varchar(20), foreign key (town) references town (name))")
    for _ in range(2):
        desk.run(
            "create temporary table scratch (n int)",
            "set foreign_key_checks = 0, unique_checks = 0",
            "set timestamp = 1",
            "set session transaction read only",
            "set @mine = 1",
            "set names latin1",
            "set sql_select_limit = 0",
            "do get_lock('mine', 0)",
            "use mysql",
            how=how,
        )
        assert fetched(desk.beside, "select is_free_lock('mine')") == [(1,)]
    assert desk.run("select @mine, year(now()) > 2000, @@character_set_client") == [[None, 1, "utf8mb4"]]
    handle = desk.engine.submit(leaks_perform.bind(["insert into street values ('nowhere')"], "returns"))
    with pytest.raises(hydra.WorkflowFailed) as failed:
        handle.result(timeout=30)
    assert isinstance(failed.value.__cause__, pymysql.err.IntegrityError)


@pytest.mark.parametrize(
    "statement",
    [
        "set sql_mode = '', autocommit = 1",
        "set @@session.autocommit := 1",
        "SET SESSION sql_mode='', @@autocommit=ON",
        "/* mine */ set autocommit=1",
        "/*!50000 set autocommit=1 */",
        "/*M! set autocommit=1 */",
        "execute immediate 'commit'",
        "set statement max_statement_time = 1 for commit",
        "prepare ready from 'set autocommit=1'",
        "set default role none",
    ],
)
@on_mysql
def test_g6_autocommit_is_refused_wherever_it_stands(desk: Desk, statement: str) -> None:
    fetched(desk.beside, "create table town (name varchar(20) primary key)")
    handle = desk.engine.submit(leaks_perform.bind(["insert into town values ('half')", statement], "returns"))
    with pytest.raises(hydra.WorkflowFailed, match="must not end its transaction"):
        handle.result(timeout=30)
    assert fetched(desk.beside, "select * from town") == []


@pytest.mark.parametrize("how", HOW)
@on_sqlite
def test_g6_what_a_function_leaves_on_a_connection_to_sqlite_ends_with_it(desk: Desk, how: str) -> None:
    fetched(desk.beside, "create table town (name text check (length(name) > 1))")
    for _ in range(2):
        desk.run(
            "create temp table scratch (n int)",
            "pragma ignore_check_constraints = on",
            "pragma query_only = on",
            "pragma locking_mode = exclusive",
            "pragma case_sensitive_like = on",
            how=how,
        )
        fetched(desk.beside, "insert into town values ('beside')")  # nobody keeps the file
    handle = desk.engine.submit(leaks_perform.bind(["insert into town values ('x')"], "returns"))
    with pytest.raises(hydra.WorkflowFailed, match="CHECK constraint failed"):
        handle.result(timeout=30)
    assert desk.run("select 'A' like 'a'") == [[1]]


@pytest.mark.parametrize("how", HOW)
@on_sqlite
def test_g6_what_a_function_makes_of_its_connection_to_sqlite_ends_with_it(desk: Desk, how: str) -> None:
    handle = desk.engine.submit(leaks_spoil.bind(how))
    if how == "raises":
        with pytest.raises(hydra.WorkflowFailed):
            handle.result(timeout=30)
    else:
        assert handle.result(timeout=30) is None
    assert desk.run("select lower('LOUD')") == [["loud"]]


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_g6_what_a_function_makes_of_its_drivers_object_ends_with_it(desk: Desk) -> None:
    kind = "charset utf8mb4" if desk.driver == "mysql" else ""
    fetched(desk.beside, f"create table prices (amount double precision, name varchar(20)) {kind}")
    assert desk.engine.submit(leaks_convert.bind()).result(timeout=30) == [[1.5, "Müller"]]


@on_postgres
def test_g7_a_query_that_a_function_leaves_under_way_fails_it_and_says_so(desk: Desk) -> None:
    handle = desk.engine.submit(leaks_open.bind("stream"))
    with pytest.raises(hydra.WorkflowFailed, match="is still under way"):
        handle.result(timeout=30)
    assert desk.run("select 1") == [[1]]
    kept.clear()


@pytest.mark.parametrize("how", ["returning", "trigger"])
@on_sqlite
def test_g6_a_cursor_left_open_and_a_trigger_on_hydras_tables_hinder_no_record(desk: Desk, how: str) -> None:
    fetched(desk.beside, "create table prices (amount integer)")
    handle = desk.engine.submit(leaks_open.bind(how))
    assert handle.result(timeout=30) is None
    assert [step.status for step in handle.steps()] == ["completed"]
    assert desk.run("select count(*) from prices") == [[2 if how == "returning" else 0]]
    kept.clear()


@on_mysql
def test_g6_a_session_that_was_reset_is_still_not_in_autocommit_mode(desk: Desk) -> None:
    """Else what a function writes after a deadlock that it swallowed would be committed by itself."""
    assert [desk.run("select @@autocommit") for _ in range(3)] == [[[0]]] * 3
