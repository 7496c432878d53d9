"""What several statements share stands once, and is in each of them as it is sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hydra.errors import ConfigError
from hydra.stores.postgres import statements as module
from hydra.stores.postgres.splicing import splice
from hydra.stores.postgres.statements import statements

FOLDER = Path(module.__file__).parent
CLAUSES = {path.stem for path in (FOLDER / "clauses").glob("*.sql")}
CALL = re.compile(r"^ *\{(\w+)", re.MULTILINE)


def test_each_clause_is_in_several_statements() -> None:
    called = [name for path in (FOLDER / "sql").glob("*.sql") for name in CALL.findall(path.read_text("utf-8"))]
    assert set(called) == CLAUSES
    assert min(map(called.count, CLAUSES)) > 1


def test_no_statement_is_sent_with_a_name_in_the_place_of_a_clause() -> None:
    assert [name for name, sql in statements().items() if b"{" in sql] == []


def test_a_clause_is_indented_as_its_line_and_gets_its_values() -> None:
    clauses = {"due": "-- Index: none.\nselect {what}\nfrom t\n"}
    text = 'with d as (\n    {due what="a, b"}\n)'
    assert splice("s", text, clauses) == "with d as (\n    select a, b\n    from t\n)"


@pytest.mark.parametrize("call", ["{late}", "{due}", "{due what=a more=b}"])
def test_a_clause_that_is_not_there_or_wants_other_values_is_an_error(call: str) -> None:
    with pytest.raises(ConfigError, match="the statement `s`"):
        splice("s", call, {"due": "select {what}"})
