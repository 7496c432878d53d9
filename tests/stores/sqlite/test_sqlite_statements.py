"""What one submission asks of SQLite: each statement is a part of what a program waits for."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hydra.stores import open_store
from hydra.stores.sqlite.store import SqliteStore

from tests.stores.store_values import NOW, submission

Opened = tuple[SqliteStore, Callable[[], list[str]]]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    store = open_store(f"sqlite:///{tmp_path}/hydra.db")
    assert isinstance(store, SqliteStore)
    store.open()
    store.submit([submission()], NOW)
    writer = store._database._writer
    assert writer is not None
    statements: list[str] = []
    writer.set_trace_callback(statements.append)

    def run() -> list[str]:
        """What ran since the last look; of an insert its table, once, though its trigger is told by its name, too."""
        named = [re.sub(r"^(-- .*\n)*insert into (\w+)[\s\S]*", r"\2", sql) for sql in statements]
        statements.clear()
        return [sql for sql, _ in itertools.groupby(named)]

    return store, run


@pytest.mark.parametrize("key", [None, "inv-42"])
def test_one_submission_is_its_rows_between_a_begin_and_a_commit(opened: Opened, key: str | None) -> None:
    store, statements = opened
    assert store.submit([submission(key=key)], NOW)[0].created
    rows = ["hydra_execution", "hydra_submission", "hydra_count"]
    assert statements() == ["begin immediate", *(["hydra_key"] if key else []), *rows, "commit"]
    store.close()


def test_commits_of_others_are_looked_for_once_somebody_waits_for_them(opened: Opened, tmp_path: Path) -> None:
    store, statements = opened
    other = open_store(f"sqlite:///{tmp_path}/hydra.db")
    other.open()
    assert store.wait_for_change(60)  # its first call tells so at once
    statements()
    other.submit([submission()], NOW)
    store.submit([submission()], NOW)
    assert "pragma data_version" in statements()
    assert store.wait_for_change(60)
    other.close()
    store.close()


@pytest.mark.parametrize("size", [0, 5, 70_000])
def test_what_is_nothing_is_null_and_bytes_are_a_blob(opened: Opened, tmp_path: Path, size: int) -> None:
    store, _ = opened
    many = [submission(input=b"\x00" * size) for _ in range(5)]
    store.submit(many[:1], NOW)
    store.submit(many[1:], NOW)
    assert {store.input(each.id) for each in many} == {b"\x00" * size}
    types = "typeof(key), typeof(tags), typeof(timeout_us), typeof(digest), typeof(input), typeof(submitted_at)"
    with closing(sqlite3.connect(tmp_path / "hydra.db")) as own:
        found = own.execute(f"select distinct {types} from hydra_submission").fetchall()
        assert found == [("null", "null", "null", "blob", "blob", "integer")]
        assert own.execute("select distinct typeof(wake_at), typeof(gate) from hydra_execution").fetchall() == [
            ("null", "null")
        ]
    store.close()
