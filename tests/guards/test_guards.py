"""The list of guards is true: it has every mark in the sources and no other, each test exists, every rule is there.

A few are taken out; all of them are by `python -m tests.guards.take_out`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.stores.mysql import statements as mysql_statements
from hydra.stores.postgres import statements as postgres_statements
from hydra.stores.sqlite import statements as sqlite_statements

from tests.guards.marks import SOURCES, Edit, mutated, read_marks
from tests.guards.take_out import TESTS, Mutation, read_mutations

MUTATIONS = read_mutations()
RULES = {f"R{number}" for number in range(1, 30)} | {"G4", "G5", "G6", "G7"}
STORES = ("sqlite", "postgres", "mysql")
ELSEWHERE: dict[str, set[str]] = {
    # A rule that a store keeps without a guard of its own; why, says docs/architecture.md.
    "sqlite": {"R2", "R9", "R12", "R13", "R20", "R28", "R29"},
    "mysql": {"R13"},  # with SQLite, in stores/transitions.py
}
NO_STORES = {"R4", "R5", "R11", "R19", "R22", "R23", "G4", "G5", "G7"}  # decided by the node alone


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.store} {mutation.title}")
def test_each_guard_can_be_taken_out_and_what_is_left_compiles(mutation: Mutation) -> None:
    texts = {file: (SOURCES / file).read_text("utf-8") for file, _ in mutation.edits}
    for file, edit in mutation.edits:
        texts[file] = mutated(file, texts[file], edit)
    for file, text in texts.items():
        if file.endswith(".py"):
            compile(text, file, "exec")
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name.partition('[')[0]}\(", (TESTS / file).read_text("utf-8"), re.M), test


def test_every_mark_in_the_sources_is_taken_out_everywhere_it_stands() -> None:
    used = {(mutation.store, edit.words, file) for mutation in MUTATIONS for file, edit in mutation.edits}
    marked = {(mark.store, mark.words, file) for mark, files in read_marks().items() for file in files}
    assert marked == used
    assert sum(map(len, read_marks().values())) == len(marked)  # none twice in one file


def test_the_list_has_every_mark_once() -> None:
    names = [(mutation.store, mutation.guard, mutation.edits[0][0]) for mutation in MUTATIONS]
    assert len(set(names)) == len(names)


def test_every_rule_has_a_guard_that_is_taken_out_and_on_each_store_that_has_one() -> None:
    known = {(mutation.store, mutation.rule) for mutation in MUTATIONS}
    assert {rule for _, rule in known} == RULES
    for store in STORES:
        missing = {rule for rule in RULES - NO_STORES - ELSEWHERE.get(store, set()) if (store, rule) not in known}
        assert missing == set(), store


@pytest.mark.slow
def test_the_quick_ones_are_noticed() -> None:
    """By a process that has imported nothing of hydra."""
    assert {mutation.store for mutation in MUTATIONS if mutation.is_quick} == {"sqlite", "none"}
    command = [sys.executable, "-m", "tests.guards.take_out", "--quick"]
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_guard_that_is_no_longer_there_is_an_error() -> None:
    file, edit = MUTATIONS[0].edits[0]
    with pytest.raises(SystemExit, match="0 times, not once"):
        mutated(file, (SOURCES / file).read_text("utf-8"), edit._replace(words="R1: no such mark"))


@pytest.mark.parametrize(
    ("edit", "left"),
    [
        (Edit("R1: x"), "pass"),
        (Edit("R1: x", value="False"), "if False:\n    go()"),
        (Edit("R1: x", operand=2), "if (äß((here))):\n    go()"),
        (Edit("R1: x", take="äß(", give="not ("), "if not ((here)) and there:\n    go()"),
        (Edit("R1: x", give="before()\n..."), "before()\nif äß((here)) and there:\n    go()"),
    ],
)
def test_what_becomes_of_what_is_marked(edit: Edit, left: str) -> None:
    text = "def f():\n    # guard R1: x\n    if äß((here)) and there:\n        go()\n"
    wanted = "def f():\n    # guard R1: x\n" + "".join(f"    {line}\n" for line in left.splitlines())
    assert ast.unparse(ast.parse(mutated("a.py", text, edit))) == ast.unparse(ast.parse(wanted))


def test_a_marked_line_of_sql_goes_alone() -> None:
    text = "select 1\nfrom t  -- guard R1: y\n-- guard R1: x\nwhere false\nfor share\n"
    assert mutated("a.sql", text, Edit("R1: x")) == "select 1\nfrom t  -- guard R1: y\n-- guard R1: x\nfor share\n"
    assert mutated("a.sql", text, Edit("R1: y", give="from u")) == text.replace("from t  -- guard R1: y", "from u")


def test_no_statement_carries_a_mark_to_the_database() -> None:
    sent = [*sqlite_statements.statements().values(), *mysql_statements.STATEMENTS.values()]
    sent += [text.decode() for text in postgres_statements.statements().values()]
    assert [text for text in sent if "-- guard" in text] == []


def test_the_list_names_no_file_that_is_not_there() -> None:
    assert [path.name for path in sorted(Path(__file__).parent.glob("*.toml"))] == [
        "mysql.toml",
        "nodes.toml",
        "postgres.toml",
        "sqlite.toml",
    ]
