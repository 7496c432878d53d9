"""Random lives of executions with limits (R29) notice what a guard of admission is for: each is taken out of a copy."""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hydra.stores import admission, admitting, open_store

from tests.guards.marks import Edit, mutated
from tests.stores.limit_worlds import World

FILE = "stores/admission.py"
MOST_SEEDS = 30
SEEDS_IN_CI = 12
TAKEN_OUT = {  # those that lives on one SQLite file can show; `tests/guards` has all, each with its own test
    "R29: a slot is held while waiting further on": "False",
    "R29: no more slots are given than are free": "state.bound.count",
    "R29: a paused key lets nobody go on": "False",
    "R29: nobody begins before the rate's next token": "False",
    "R29: what was let go and has not begun keeps its tokens": "self._burst - 1",
}


def live(folder: Path, seed: int, steps: int = 100) -> None:
    store = open_store(f"sqlite:///{folder}/{seed}.db?synchronous=normal", "default")
    store.open()
    with closing(store):
        World(store, seed, audit_each=40).run(steps)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Admission as it is without a guard."""
    words = request.param
    text = mutated(FILE, Path(str(admission.__file__)).read_text("utf-8"), Edit(words, value=TAKEN_OUT[words]))
    copy = types.ModuleType("hydra.stores.admission")
    exec(compile(text, FILE, "exec"), copy.__dict__)
    for name, value in vars(admitting).items():
        if getattr(value, "__module__", "") == admission.__name__:
            monkeypatch.setattr(admitting, name, getattr(copy, name))
    yield


def test_r29_lives_with_kills_lost_replies_late_writes_and_pauses_keep_every_promise(tmp_path: Path) -> None:
    for seed in range(1_000, 1_000 + SEEDS_IN_CI):
        try:
            live(tmp_path, seed)
        except BaseException:
            print(f"python -m tests.stores.limit_worlds --first {seed} --seeds 1 --steps 100 --audit-each 40")
            raise


@pytest.mark.parametrize("without", TAKEN_OUT, indirect=True)
def test_r29_leaving_out_a_guard_of_admission_is_noticed(without: None, tmp_path: Path) -> None:
    for seed in range(MOST_SEEDS):
        try:
            live(tmp_path, seed)
        except AssertionError as error:
            print(f"seed {seed}: {error!s:.200}")
            return
    pytest.fail(f"none of {MOST_SEEDS} lives noticed it")
