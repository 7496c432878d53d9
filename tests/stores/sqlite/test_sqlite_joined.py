"""submit_in: inside the caller's own transaction, which stays the caller's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.errors import ConfigError
from hydra.stores import open_store
from hydra.stores.filter import Filter
from hydra.stores.store import Store

from tests.stores.store_values import NOW, submission


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hydra.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{path}")
    store.open()
    yield store
    assert store.audit() == []
    store.close()


@pytest.fixture
def own(path: Path, store: Store) -> Iterator[sqlite3.Connection]:
    own = sqlite3.connect(path)
    own.row_factory = sqlite3.Row
    own.execute("create table ledger (amount text)")
    yield own
    own.close()


@pytest.mark.parametrize("first", ["their own write", "the submission"])
def test_the_execution_and_the_callers_rows_become_real_together(
    store: Store, own: sqlite3.Connection, first: str
) -> None:
    one = submission(key="k")
    if first == "their own write":
        own.execute("insert into ledger values ('1.10')")
    assert store.submit_in(own, [one], NOW)[0].created
    assert own.in_transaction
    assert store.get([one.id]) == [None]
    own.commit()
    assert store.get([one.id]) != [None]
    assert own.row_factory is sqlite3.Row


def test_a_rollback_takes_the_execution_with_it(store: Store, own: sqlite3.Connection) -> None:
    own.execute("insert into ledger values ('1.10')")
    store.submit_in(own, [submission(), submission(key="k")], NOW)
    own.rollback()
    assert store.list(Filter()) == []
    assert store.find("bill", "k") is None
    assert store.stats(NOW).counts == {}


def test_a_submission_that_fails_on_its_way_leaves_nothing_in_the_callers_transaction(
    store: Store, own: sqlite3.Connection
) -> None:
    own.execute("insert into ledger values ('1.10')")
    for number in (1, 2):
        with pytest.raises(OverflowError):
            store.submit_in(own, [submission(key=f"{number}-{each}", priority=2**70) for each in range(number)], NOW)
    assert own.in_transaction
    own.commit()
    assert store.find("bill", "1-0") is store.find("bill", "2-0") is None
    assert store.submit([submission(key="1-0")], NOW)[0].created
    assert [tuple(row) for row in own.execute("select * from ledger")] == [("1.10",)]


def test_one_conflict_submits_nothing_and_leaves_the_callers_rows(store: Store, own: sqlite3.Connection) -> None:
    store.submit([submission(key="k")], NOW)
    own.execute("insert into ledger values ('1.10')")
    answers = store.submit_in(own, [submission(), submission(key="k", digest=b"x" * 16)], NOW)
    assert [answer.conflict for answer in answers] == [False, True]
    own.commit()
    assert len(store.list(Filter())) == 1
    assert [tuple(row) for row in own.execute("select * from ledger")] == [("1.10",)]


def test_a_connection_without_a_transaction_is_refused(store: Store, path: Path) -> None:
    own = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(ConfigError, match="no open transaction"):
        store.submit_in(own, [submission()], NOW)
    own.execute("begin")
    assert store.submit_in(own, [submission()], NOW)[0].created
    own.execute("commit")
    own.close()


def test_a_connection_to_another_database_is_refused(store: Store, tmp_path: Path) -> None:
    for other in (sqlite3.connect(tmp_path / "other.db"), sqlite3.connect(":memory:")):
        with pytest.raises(ConfigError, match="not a connection to the store's database"):
            store.submit_in(other, [submission()], NOW)
        other.close()


def test_what_is_no_sqlite_connection_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="`str`"):
        store.submit_in("connection", [submission()], NOW)
