"""`@hydra.transaction`: the user's writes and the record commit together, whoever dies in between (G6, R21, R22)."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import hydra
import psycopg
import pytest
from hydra.execution import RecordKind, Status
from hydra.stores import open_store

from tests.processes import ledger_app
from tests.processes.scene import Scene, until
from tests.servers import mysql

POINTS = ("before begin", "after begin", "before insert 1", "before insert 2", "after inserts", "before fence")
LATE = ("after commit",)
SOON = {"HYDRA_TEST_FILE_LOCK_SECONDS": "2"}


def connect(url: str) -> Any:
    """A plain autocommit connection."""
    match urlsplit(url).scheme:
        case "sqlite":
            return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        case "mysql":
            return mysql.connect(url)
        case _:
            return psycopg.connect(url, autocommit=True)


@pytest.fixture
def ledger(scene: Scene, url: str) -> Scene:
    scene.engine.stats()  # makes the tables
    connection = connect(url)
    connection.cursor().execute(ledger_app.TABLE)
    connection.close()
    return scene


def rows(url: str) -> Counter[str]:
    connection = connect(url)
    cursor = connection.cursor()
    cursor.execute("select account from ledger")
    found = Counter(account for (account,) in cursor.fetchall())
    connection.close()
    return found


def once(*accounts: str) -> Counter[str]:
    return Counter({each: 1 for account in accounts for each in (account, f"{account}-again")})


@pytest.mark.parametrize("who", ["worker", "supervisor"])
@pytest.mark.parametrize("point", POINTS + LATE)
def test_g6_a_transaction_killed_anywhere_is_written_once(ledger: Scene, url: str, who: str, point: str) -> None:
    first = ledger.start("ledger_app", kill=f"{who}:{point}")
    handle = ledger.engine.submit(ledger_app.book.bind("a"))
    if who == "supervisor":
        first.wait()
        ledger.start("ledger_app")
    assert handle.result(timeout=30) == [1, 5, 2, 7]
    assert ledger.mark.exists()
    assert rows(url) == once("a", "a/2")
    kinds = [record.kind for record in open_store(url).records(handle.id)]
    assert kinds.count(RecordKind.STEP) == 4
    assert kinds.count(RecordKind.CRASH) == (point not in LATE)


def test_g6_transactions_run_beside_other_steps_of_their_execution(ledger: Scene, url: str) -> None:
    ledger.start("ledger_app")
    handles = [ledger.engine.submit(ledger_app.book_beside.bind(f"a{n}")) for n in range(10)]
    assert [handle.result(timeout=30) for handle in handles] == [[0, 0, 1, 1, 2, 2, 3, 3]] * 10
    assert rows(url) == once(*(f"a{n}/{m}" for n in range(10) for m in range(4)))


def test_g6_what_a_failed_transaction_wrote_is_gone(ledger: Scene, url: str) -> None:
    ledger.start("ledger_app")
    assert ledger.engine.submit(ledger_app.book_closed.bind("a")).result(timeout=30) == "the account is closed"
    assert rows(url) == Counter()


def test_g6_a_function_that_ends_its_transaction_itself_is_told_so(ledger: Scene) -> None:
    ledger.start("ledger_app")
    result = ledger.engine.submit(ledger_app.book_by_hand.bind("a")).result(timeout=30)
    assert "must not end its transaction" in result


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_g6_the_victim_of_a_deadlock_runs_its_whole_function_again(ledger: Scene, url: str) -> None:
    connection = connect(url)
    connection.cursor().execute("insert into ledger (account, amount) values ('a', 100), ('b', 100)")
    ledger.start("ledger_app", lease_ttl_seconds=10.0)
    there = ledger.engine.submit(ledger_app.rebalance.bind(ledger.log, "a", "b"))
    back = ledger.engine.submit(ledger_app.rebalance.bind(ledger.log, "b", "a"))
    there.result(timeout=30)
    back.result(timeout=30)
    assert sorted(ledger.counts().values()) == [1, 2], "one ran twice, and only one of its runs counts"
    cursor = connection.cursor()
    cursor.execute("select sum(amount), min(amount) from ledger")
    assert [int(value) for value in cursor.fetchone()] == [200, 100]
    for handle in (there, back):
        assert [record.kind for record in open_store(url).records(handle.id)] == [RecordKind.STEP]


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
@pytest.mark.parametrize("how", ["cancel", "time-out"])
def test_r15_a_transaction_that_hangs_on_its_server_delays_no_end_of_its_execution(ledger: Scene, how: str) -> None:
    """The statement would take ten minutes; it is ended there, and what came before it is rolled back."""
    node = ledger.start("ledger_app", concurrency=4)
    ledger.engine.submit(ledger_app.book_closed.bind("a")).result(timeout=30)  # its worker is there
    workflow = ledger_app.hang if how == "cancel" else ledger_app.hang_at_most
    handle = ledger.engine.submit(workflow.bind(ledger.log))
    ledger.first_note("hangs")
    if how == "cancel":
        handle.cancel()
    until(lambda: handle.status() == (Status.CANCELLED if how == "cancel" else Status.FAILED))
    assert [note.word for note in ledger.notes()] == ["hangs", "ended"]
    assert rows(ledger.url) == Counter()
    assert open_store(ledger.url).records(handle.id) == []
    assert ledger.engine.submit(ledger_app.book.bind("a")).result(timeout=30) == [1, 5, 2, 7]
    assert "died" not in node.text()


def test_a_function_that_makes_its_own_transaction_read_only_fails_by_its_policy(ledger: Scene) -> None:
    """A server that takes no writes is an outage; a function that wants none is not."""
    ledger.start("ledger_app")
    handle = ledger.engine.submit(ledger_app.book_read_only.bind(ledger.log))
    if ledger.url.startswith("mysql"):  # there it holds from the next transaction on, which is another's
        assert handle.result(timeout=30) == []
        assert rows(ledger.url) == Counter({"read-only": 1})
    else:
        assert handle.result(timeout=30) == [1]
        assert rows(ledger.url) == Counter({"after": 1, "after-again": 1})
    assert [note.word for note in ledger.notes()] == ["try"] * 2


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_g4_transactions_that_wait_for_the_file_for_longer_than_their_time_harm_nobody(ledger: Scene) -> None:
    """None has the file for longer than its time, but the last has waited for as long."""
    engine = ledger.engine
    charges = [engine.submit(ledger_app.charging_beside.bind(ledger.log, f"charge {n}")) for n in range(2)]
    node = ledger.start(
        "ledger_app", workers=2, lease_ttl_seconds=20.0, environment={"HYDRA_TEST_FILE_LOCK_SECONDS": "3"}
    )
    ledger.first_note("charge 0")
    ledger.first_note("charge 1")
    books = [engine.submit(ledger_app.book_slowly.bind(f"a{n}")) for n in range(3)]
    for handle in books + charges:
        handle.result(timeout=60)
    assert rows(ledger.url) == Counter(["a0", "a1", "a2"])
    assert ledger.counts() == Counter(["charge 0", "charge 1"])
    for handle in books:
        assert [record.kind for record in open_store(ledger.url).records(handle.id)] == [RecordKind.STEP]
    assert "died" not in node.text()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", ["on its own", "in a statement"])
def test_r21_a_transaction_that_keeps_the_file_ends_and_spares_its_neighbours(ledger: Scene, how: str) -> None:
    """Whoever waits to write, for example a cancel, waits no longer; no worker dies of it."""
    node = ledger.start("ledger_app", concurrency=4, environment=SOON)
    handle = ledger.engine.submit(ledger_app.dawdle.bind(how))
    with pytest.raises(hydra.WorkflowFailed, match="held the database's file for more than 2 s") as failed:
        handle.result(timeout=60)
    assert isinstance(failed.value.__cause__, hydra.StepTimeout)
    assert rows(ledger.url) == Counter()
    assert ledger.engine.submit(ledger_app.book.bind("a")).result(timeout=30) == [1, 5, 2, 7]
    assert "died" not in node.text()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_r21_a_transaction_that_keeps_the_file_for_too_long_is_killed_and_parked(ledger: Scene) -> None:
    """It stands still with the write lock, so it is poison: nobody else can write while it does."""
    ledger.start("ledger_app", concurrency=1, environment=SOON)
    handle = ledger.engine.submit(ledger_app.dawdle.bind("in spite of it"))
    until(lambda: handle.status() == Status.PARKED, seconds=60)
    assert rows(ledger.url) == Counter()
