"""Random lives of executions with limits (R29) notice what a guard of admission is for: each is taken out of a copy."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
from hydra.stores import admission, admitting
from hydra.stores.sqlite import timers
from hydra.stores.turns import Turns

from tests.guards.marks import Edit, mutated
from tests.stores.limit_worlds import live

MOST_SEEDS = 60
SEEDS_IN_CI = 6  # `make nightly` has a thousand
STEPS = 100
OVERTAKING, ONLY_THE_FIRST = "R29: with a count of 1 nobody overtakes", "(SPARE if most > 1 else 0)"
TAKEN_OUT = {  # all but the locks of servers, which one SQLite file cannot show; `tests/guards` has each with a test
    "R29: a slot is held while waiting further on": "False",
    "R29: a few of a value are let go before they begin": "window(len(state.begun()))",
    "R29: no more slots are given than are free": "state.bound.count",
    OVERTAKING: "False",
    "R29: a paused key lets nobody go on": "False",
    "R29: nobody begins before the rate's next token": "False",
    "R29: a rate that was raised forgets what the slower one still owed": "False",
    "R29: a paused rate has no tokens": "False",
    "R29: what was let go and has not begun keeps its tokens": "self._burst - 1",
}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Admission as it is without a guard."""
    words = request.param
    copy = copied(admission, words, TAKEN_OUT[words])
    for name, value in vars(admitting).items():
        if getattr(value, "__module__", "") == admission.__name__:
            monkeypatch.setattr(admitting, name, getattr(copy, name))


def copied(module: types.ModuleType, words: str, value: str) -> types.ModuleType:
    file = f"stores/{module.__name__.rpartition('.')[2]}.py"
    text = mutated(file, Path(str(module.__file__)).read_text("utf-8"), Edit(words, value=value))
    if words == OVERTAKING:  # is kept twice: nobody but the first is read
        assert text.count(ONLY_THE_FIRST) == 1
        text = text.replace(ONLY_THE_FIRST, "SPARE")
    copy = types.ModuleType(module.__name__)
    exec(compile(text, file, "exec"), copy.__dict__)
    return copy


def test_r29_lives_with_kills_lost_replies_late_writes_and_pauses_keep_every_promise(tmp_path: Path) -> None:
    for seed in range(1_000, 1_000 + SEEDS_IN_CI):
        try:
            live(tmp_path, seed, STEPS, 40)
        except BaseException:
            print(f"python -m tests.stores.limit_worlds --first {seed} --seeds 1 --steps 100 --audit-each 40")
            raise


@pytest.mark.parametrize("without", TAKEN_OUT, indirect=True)
def test_r29_leaving_out_a_guard_of_admission_is_noticed(without: None, tmp_path: Path) -> None:
    assert_noticed(tmp_path)


def test_r29_leaving_out_whose_turn_it_is_to_be_looked_at_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = copied(admitting, "R29: who is called last waits behind nobody's million", "False")
    monkeypatch.setattr(timers, "admit_called", copy.admit_called)
    assert_noticed(tmp_path, copy)


def test_r29_turns_that_no_weight_and_no_value_orders_are_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Turns, "take", lambda turns: turns._time.at_ns)
    assert_noticed(tmp_path)


def assert_noticed(folder: Path, looks: types.ModuleType = admitting) -> None:
    for seed in range(MOST_SEEDS):
        try:
            live(folder, seed, STEPS, 40, looks)
        except AssertionError as error:
            print(f"seed {seed}: {error!s:.200}")
            return
    pytest.fail(f"none of {MOST_SEEDS} lives noticed it")
