"""The list of guards is true: each text stands in the sources, each test exists, every rule is there.

A few are taken out; all of them are by `python tests/guards/take_out.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from take_out import SOURCES, TESTS, Mutation, mutated, read_mutations

MUTATIONS = read_mutations()
RULES = {f"R{number}" for number in range(1, 29)} | {"G4", "G5", "G6", "G7"}
STORES = ("sqlite", "postgres", "mysql")
ELSEWHERE: dict[str, set[str]] = {
    # A rule that a store keeps without a guard of its own; why, says docs/architecture.md.
    "sqlite": {"R2", "R9", "R12", "R20", "R28"},
}
NO_STORES = {"R4", "R5", "R11", "R19", "R22", "R23", "G4", "G5", "G7"}  # decided by the node alone


@pytest.mark.parametrize(
    "mutation", MUTATIONS, ids=lambda mutation: f"{mutation.store} {mutation.rule} {mutation.guard}"
)
def test_each_guard_stands_where_the_list_says(mutation: Mutation) -> None:
    texts = {edit.file: (SOURCES / edit.file).read_text("utf-8") for edit in mutation.edits}
    for edit in mutation.edits:
        texts[edit.file] = mutated(texts[edit.file], edit)
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name.partition('[')[0]}\(", (TESTS / file).read_text("utf-8"), re.M), test


def test_every_rule_has_a_guard_that_is_taken_out_and_on_each_store_that_has_one() -> None:
    known = {(mutation.store, mutation.rule) for mutation in MUTATIONS}
    assert {rule for _, rule in known} == RULES
    for store in STORES:
        missing = {rule for rule in RULES - NO_STORES - ELSEWHERE.get(store, set()) if (store, rule) not in known}
        assert missing == set(), store


def test_the_quick_ones_are_noticed() -> None:
    """By a process that has imported nothing of hydra."""
    assert {mutation.store for mutation in MUTATIONS if mutation.is_quick} == {"sqlite", "none"}
    done = subprocess.run(
        [sys.executable, str(TESTS / "guards" / "take_out.py"), "--quick"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_guard_that_is_no_longer_there_is_an_error() -> None:
    stale = MUTATIONS[0].edits[0]._replace(take="no such text")
    with pytest.raises(SystemExit, match="0 times, not once"):
        mutated((SOURCES / stale.file).read_text("utf-8"), stale)


def test_the_list_names_no_file_that_is_not_there() -> None:
    assert [path.name for path in sorted(Path(__file__).parent.glob("*.toml"))] == [
        "mysql.toml",
        "nodes.toml",
        "postgres.toml",
        "sqlite.toml",
    ]
