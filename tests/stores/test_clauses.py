"""What several statements share stands once, and is in each of them as it is sent."""

from __future__ import annotations

import re
from pathlib import Path

import hydra.stores
import pytest
from hydra.errors import ConfigError
from hydra.stores.postgres.statements import statements as postgres_statements
from hydra.stores.splicing import splice
from hydra.stores.sqlite.statements import statements as sqlite_statements

STORES = ["postgres", "sqlite"]
FOLDER = Path(hydra.stores.__file__).parent
CALL = re.compile(r"^ *\{(\w+)", re.MULTILINE)


@pytest.mark.parametrize("store", STORES)
def test_each_clause_is_in_several_statements(store: str) -> None:
    clauses = {path.stem for path in (FOLDER / store / "clauses").glob("*.sql")}
    called = [name for path in (FOLDER / store / "sql").glob("*.sql") for name in CALL.findall(path.read_text("utf-8"))]
    assert set(called) == clauses
    assert min(map(called.count, clauses)) > 1


def test_no_statement_is_sent_with_a_name_in_the_place_of_a_clause() -> None:
    assert [name for name, sql in postgres_statements().items() if b"{" in sql] == []
    assert [name for name, sql in sqlite_statements().items() if CALL.search(sql)] == []


def test_a_clause_is_indented_as_its_line_and_gets_its_values() -> None:
    clauses = {"due": "-- Index: none.\nselect {what}\nfrom t\n"}
    text = 'with d as (\n    {due what="a, b"}\n)'
    assert splice("s", text, clauses) == "with d as (\n    select a, b\n    from t\n)"


@pytest.mark.parametrize("call", ["{late}", "{due}", "{due what=a more=b}"])
def test_a_clause_that_is_not_there_or_wants_other_values_is_an_error(call: str) -> None:
    with pytest.raises(ConfigError, match="the statement `s`"):
        splice("s", call, {"due": "select {what}"})
