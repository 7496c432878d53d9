"""What the function of a `@hydra.transaction` raises is its own, and what ends its transaction is refused (G6, R21)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hydra
import psycopg
import pymysql
import pytest
from hydra.body import transactions
from hydra.body.sqlite_limit import FileLimit
from hydra.execution import RecordKind
from hydra.stores.mysql import step_connection as mysql_step
from hydra.stores.postgres import lent_connection
from hydra.stores.sqlite import node_verbs
from hydra.stores.sqlite.step_connection import StepConnection
from hydra.testing import Harness, harness_node

from tests.servers import mysql
from tests.servers.slow_proxy import SlowProxy

WAIT_SECONDS = 30.0
Way = Callable[[Any], object]


def connect(url: str) -> Any:
    """A plain autocommit connection beside hydra's."""
    match urlsplit(url).scheme:
        case "sqlite":
            return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        case "mysql":
            return mysql.connect(url)
        case _:
            return psycopg.connect(url, autocommit=True)


class Book:
    """A table of the user's, a transaction that writes to it and then does what the test wants."""

    def __init__(self, harness: Harness, url: str) -> None:
        self.harness = harness
        self.url = url
        self.driver = urlsplit(url).scheme
        self.calls = 0
        self.beside = connect(url)
        self.run("create table booked (word varchar(30) primary key)")

    def run(self, statement: str) -> list[Any]:
        cursor = self.beside.cursor()
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []

    def words(self) -> list[str]:
        return [word for (word,) in self.run("select word from booked order by word")]

    def book(self, way: Way, max_attempts: int = 1) -> hydra.Handle[Any]:
        """It writes `first`, goes its way, and writes `last`; the harness comes to rest."""

        @hydra.transaction(max_attempts=max_attempts, backoff=hydra.Backoff(initial=1.0), name="book")
        def book(connection: Any) -> int:
            self.calls += 1
            write(connection, "first")
            way(connection)
            write(connection, "last")
            return self.calls

        @hydra.workflow(name="booking")
        def booking() -> int:
            return book()

        handle = self.harness.submit(booking.bind())
        self.harness.advance(60)
        return handle

    def kinds(self, handle: hydra.Handle[Any]) -> list[str]:
        return [record.kind for record in handle.records()]


@pytest.fixture
def book(harness: Harness, url: str) -> Book:
    return Book(harness, url)


def write(connection: Any, word: str) -> None:
    connection.cursor().execute(f"insert into booked (word) values ('{word}')")


def raising(error: BaseException) -> Way:
    def way(connection: Any) -> None:
        raise error

    return way


def beside_a_locked_file(connection: Any) -> None:
    """Another SQLite file, which somebody writes to."""
    holder = sqlite3.connect("file:elsewhere?mode=memory&cache=shared", uri=True, isolation_level=None)
    holder.execute("begin immediate")
    other = sqlite3.connect("file:elsewhere?mode=memory&cache=shared", uri=True, timeout=0.0)
    try:
        other.execute("begin immediate")
    finally:
        holder.close()


FOREIGN: dict[str, Way] = {
    "hydra's own outage": raising(hydra.StoreUnavailable("the other engine's database does not answer")),
    "a lost commit": raising(hydra.StoreUnavailable("of another engine", outcome="unknown")),
    "a lost lease": raising(hydra.LeaseLost("of another engine")),
    "a refused socket": raising(ConnectionRefusedError("the bank is closed")),
    "psycopg's outage": raising(psycopg.OperationalError("the other server does not answer")),
    "psycopg's deadlock": raising(psycopg.errors.DeadlockDetected("on the other server")),
    "pymysql's outage": raising(pymysql.err.OperationalError(2013, "the other server does not answer")),
    "pymysql's closed connection": raising(pymysql.err.InterfaceError(0, "")),
    "pymysql's deadlock": raising(pymysql.err.OperationalError(1213, "on the other server")),
    "another locked file": beside_a_locked_file,
}


@pytest.mark.timeout(60)
def test_g4_what_its_function_raises_of_other_databases_uses_up_its_attempts(book: Book) -> None:
    for number, (name, way) in enumerate(FOREIGN.items(), 1):
        handle = book.book(way, max_attempts=2)
        assert handle.status() == "failed", name
        assert book.kinds(handle) == [RecordKind.TRY, RecordKind.FAILURE], name
        assert book.calls == 2 * number, name
    assert book.words() == []


def leave(connection: Any) -> None:
    with connection:
        pass


EVERYWHERE: dict[str, Way] = {
    "commit()": lambda connection: connection.commit(),
    "rollback()": lambda connection: connection.rollback(),
    "close()": lambda connection: connection.close(),
    "with connection": leave,
    "a commit": lambda connection: connection.cursor().execute("commit"),
    "a commented rollback": lambda connection: connection.cursor().execute("/* no */ ROLLBACK"),
    "a new beginning": lambda connection: connection.cursor().execute("begin"),
    "a release": lambda connection: connection.cursor().execute("release savepoint hydra_step"),
}
WAYS_TO_END: dict[str, dict[str, Way]] = {
    "sqlite": {
        "executescript": lambda connection: connection.executescript("select 1"),
        "end": lambda connection: connection.execute("end transaction"),
        "isolation_level": lambda connection: setattr(connection, "isolation_level", None),
    },
    "postgresql": {
        "a script": lambda connection: connection.execute("select 1; commit"),
        "bytes": lambda connection: connection.execute(b"abort"),
        "composed": lambda connection: connection.execute(psycopg.sql.SQL("commit")),
    },
    "mysql": {
        "a table": lambda connection: connection.cursor().execute("create table made (word int)"),
        "autocommit": lambda connection: connection.cursor().execute("set autocommit = 1"),
        "autocommit()": lambda connection: connection.autocommit(True),
        "truncate": lambda connection: connection.cursor().execute("truncate table booked"),
        "start transaction": lambda connection: connection.cursor().execute("start transaction read only"),
    },
}


@pytest.mark.timeout(60)
def test_g6_a_function_that_would_end_its_transaction_is_refused_before_anything_is_written(book: Book) -> None:
    for name, way in {**EVERYWHERE, **WAYS_TO_END[book.driver]}.items():
        handle = book.book(way, max_attempts=3)
        assert handle.status() == "failed", name
        with pytest.raises(hydra.WorkflowFailed) as failed:
            handle.result()
        assert "a transaction must not" in str(failed.value), name
        assert isinstance(failed.value.__cause__, hydra.NonRetryable), name
        assert book.words() == [], name
        if book.driver == "mysql":
            assert book.run("show tables like 'made'") == []
    assert book.book(lambda connection: None).status() == "completed", "the connection is as good as new"
    assert book.words() == ["first", "last"]


@pytest.mark.parametrize("url", ["mysql"], indirect=True)  # SQLite has none, PostgreSQL refuses it in a transaction
def test_g6_a_procedure_that_commits_is_noticed_and_nothing_follows_it(book: Book) -> None:
    """Nobody can see what it hides, nor take it back."""
    book.run("create procedure hides() begin commit; end")
    handle = book.book(lambda connection: connection.cursor().execute("call hides()"))
    with pytest.raises(hydra.WorkflowFailed, match="a transaction must not end its transaction itself"):
        handle.result()
    assert book.words() == ["first"]


def swallow(statement: str) -> Way:
    def way(connection: Any) -> None:
        try:
            connection.cursor().execute(statement)
        except Exception:
            return
        raise AssertionError("it should fail")

    return way


def test_g6_a_statement_whose_error_is_swallowed_leaves_nothing_half_written(book: Book) -> None:
    twice = "insert into booked (word) values ('first')"
    handle = book.book(swallow(twice))
    if book.driver == "postgresql":
        assert handle.status() == "failed"
        assert book.words() == []
    else:
        assert handle.status() == "completed"
        assert book.words() == ["first", "last"]


def test_g6_what_the_database_rolled_back_for_an_error_that_is_swallowed_is_all_gone(book: Book) -> None:
    if book.driver == "sqlite":
        handle = book.book(swallow("insert or rollback into booked (word) values ('first')"))
        with pytest.raises(hydra.WorkflowFailed, match="has rolled the transaction back"):
            handle.result()
        assert book.words() == []
        return
    handle = book.book(lose_a_deadlock(book))
    assert handle.result() == 2, "the victim's function ran again"
    assert [word for word in book.words() if len(word) > 3] == ["first", "last"]
    assert book.kinds(handle) == [RecordKind.STEP]


def lose_a_deadlock(book: Book) -> Way:
    """Against one that has written more, and asks first on MySQL (which picks the smaller) or last (PostgreSQL)."""
    book.run("insert into booked (word) values ('a'), ('b')")
    is_mysql = book.driver == "mysql"

    def rival(has_b: threading.Event) -> None:
        own = connect(book.url)
        cursor = own.cursor()
        cursor.execute("begin")
        for number in range(20):
            cursor.execute(f"insert into booked (word) values ('{number}')")
        cursor.execute("update booked set word = 'b' where word = 'b'")
        if not is_mysql:
            cursor.execute("set local deadlock_timeout = '1h'")
        has_b.set()
        cursor.execute("update booked set word = 'a' where word = 'a'")
        cursor.execute("commit")
        own.close()

    def way(connection: Any) -> None:
        if book.calls > 1:
            return
        has_b = threading.Event()
        connection.cursor().execute("update booked set word = 'a' where word = 'a'")
        thread = threading.Thread(target=rival, args=(has_b,))
        thread.start()
        assert has_b.wait(WAIT_SECONDS)
        swallow("update booked set word = 'b' where word = 'b'")(connection)
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()

    return way


def kill_own(book: Book) -> Way:
    """The server ends the connection under the function."""

    def way(connection: Any) -> None:
        if book.driver == "postgresql":
            book.run(f"select pg_terminate_backend({connection.info.backend_pid}, 10000)")
        else:
            book.run(f"kill {connection.thread_id()}")

    return way


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_a_connection_lost_in_the_function_is_no_attempt_but_not_for_ever(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(connection: Any) -> None:
        if book.calls == 1:
            kill_own(book)(connection)

    handle = book.book(once)
    assert handle.result() == 2
    assert book.kinds(handle) == [RecordKind.STEP]
    book.run("delete from booked")
    book.calls = 0
    monkeypatch.setattr(transactions, "MAX_TRIES", 3)
    handle = book.book(kill_own(book), max_attempts=2)
    assert handle.status() == "failed"
    assert book.calls == 2 * 3
    assert book.words() == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_file_that_others_have_is_no_attempt_and_no_time_of_the_function(
    book: Book, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    limited: list[bool] = []

    class Begin(StepConnection):
        def begin(self) -> None:
            if len(waits) < 5:
                waits.append(len(limited))
                beside_a_locked_file(self.connection)
            super().begin()

    class Limit(FileLimit):
        def __init__(self, name: str, own: Any) -> None:
            limited.append(own.connection.in_transaction)
            super().__init__(name, own)

    monkeypatch.setattr(transactions, "MAX_TRIES", 3)
    monkeypatch.setattr(transactions, "FileLimit", Limit)
    monkeypatch.setattr(node_verbs, "StepConnection", Begin)
    monkeypatch.setattr(harness_node, "Transactions", limiting)
    with Harness(url) as harness:
        book.harness = harness
        handle = book.book(lambda connection: None)
        assert handle.result() == 1
        assert book.kinds(handle) == [RecordKind.STEP]
    assert waits == [0] * 5
    assert limited == [True]


def limiting(*arguments: Any, may_kill: bool) -> transactions.Transactions:
    return transactions.Transactions(*arguments, may_kill=True)


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_a_function_that_leaves_its_transaction_idle_for_too_long_uses_up_an_attempt(book: Book) -> None:
    def idle(connection: Any) -> None:
        pid = connection.info.backend_pid
        connection.execute("set local idle_in_transaction_session_timeout = '50ms'")
        pause = threading.Event()
        while book.run(f"select 1 from pg_stat_activity where pid = {pid}"):
            pause.wait(0.01)

    handle = book.book(idle, max_attempts=2)
    assert handle.status() == "failed"
    assert book.calls == 2


@pytest.mark.parametrize("url", ["mysql"], indirect=True)
def test_a_statement_that_takes_longer_than_its_reply_is_waited_for_ends_on_the_server_and_uses_up_an_attempt(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_step, "REPLY_SECONDS", 1)
    threads: list[int] = []

    def late(connection: Any) -> None:
        threads.append(connection.thread_id())
        connection.cursor().execute("select sleep(600)")

    handle = book.book(late)
    assert handle.status() == "failed"
    assert book.calls == 1
    pause = threading.Event()
    while book.run(f"select 1 from information_schema.processlist where id = {threads[0]}"):
        pause.wait(0.01)


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_r21_a_server_that_goes_deaf_under_a_transaction_is_given_up_and_a_slow_statement_is_not(
    harness: Harness, book: Book, url: str, tmp_path: Path, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lent_connection, "SILENCE_SECONDS", 0.3)
    asked: list[bool] = []
    name = f".s.PGSQL.{postgres_server.port}"
    (tmp_path / "deaf").mkdir()
    proxy = SlowProxy(tmp_path / "deaf" / name, postgres_server.socket_folder / name)
    deaf_url = urlsplit(url)._replace(query=f"host={tmp_path / 'deaf'}&connect_timeout=2").geturl()
    with Harness(deaf_url) as deaf:
        book.harness = deaf

        def once(connection: Any) -> None:
            is_under_way = connection.is_under_way

            def ask() -> bool:
                asked.append(is_under_way())
                proxy.answer()
                return asked[-1]

            connection.is_under_way = ask
            if book.calls == 1:
                connection.execute("select pg_sleep(1)")
                assert asked
                assert all(asked)
                proxy.deafen()

        handle = book.book(once)
        assert handle.result() == 2
        assert False in asked
        assert book.kinds(handle) == [RecordKind.STEP]
    proxy.close()
    assert book.words() == ["first", "last"]
