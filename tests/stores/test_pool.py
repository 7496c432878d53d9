"""A database that a test changed, or left a session in, does not reach the next test."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hydra.stores import open_store

from tests.servers import mysql
from tests.servers.pool import Pool
from tests.servers.sqlite_files import new_files
from tests.stores.store_values import NOW, submission


@pytest.fixture(params=["postgres", "mysql"])
def pool(request: pytest.FixtureRequest) -> Pool:
    pool: Pool = request.getfixturevalue(f"{request.param}_databases")
    return pool


def enter(url: str) -> Any:
    return psycopg.connect(url, autocommit=True) if url.startswith("postgres") else mysql.connect(url)


def test_it_is_empty_when_it_is_taken_again(pool: Pool) -> None:
    url = pool.take()
    store = open_store(url)
    store.open()
    store.submit([submission()], NOW)
    store.close()
    pool.give_back(url)
    assert pool.take() == url
    with enter(url) as own:
        cursor = own.cursor()
        for table in ("hydra_execution", "hydra_key", "hydra_submission" if "postgres" in url else "hydra_ready"):
            cursor.execute(f"select count(*) from {table}")
            assert cursor.fetchone() == (0,)
    pool.give_back(url)


@pytest.mark.parametrize(
    "statement",
    ["create table own (x int)", "alter table hydra_key add own int", "delete from hydra_schema where version = 1"],
)
def test_what_is_another_catalog_is_dropped(pool: Pool, statement: str) -> None:
    url = pool.take()
    with enter(url) as own:
        own.cursor().execute(statement)
    pool.give_back(url)
    other = pool.take()
    assert other != url
    pool.give_back(other)


def test_one_with_a_session_left_in_it_is_dropped(pool: Pool) -> None:
    url = pool.take()
    own = enter(url)
    pool.give_back(url)
    other = pool.take()
    assert other != url
    pool.give_back(other)
    with pytest.raises(Exception, match=r".+"):
        own.cursor().execute("select 1")


def test_a_new_sqlite_file_is_what_hydra_makes_of_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name, have_tables in (("made", False), ("copied", True)):
        monkeypatch.setattr(new_files, "have_tables", have_tables)
        store = open_store(f"sqlite:///{tmp_path}/{name}.db")
        before, after = store.migrate()
        assert before == (after if have_tables else 0)
        store.close()
        file = sqlite3.connect(tmp_path / f"{name}.db")
        found.append([file.execute("pragma journal_mode").fetchone(), *sorted(file.iterdump())])
        file.close()
    assert found[0] == found[1]
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["copied.db", "made.db"]
    assert not list(tmp_path.glob("*.db.*")), "nothing is left of its making"
