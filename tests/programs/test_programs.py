"""Random programs on hydra are what they are in plain asyncio, whatever is lost on the way (G2-G5, R13).

CI runs 120 with one plan of faults each. `make nightly` has all faults of them, and 10,000 more programs.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator

import pytest
from hydra import identity
from hydra.body import async_body
from hydra.testing import harness_node
from hydra.workflow import registry

from tests.programs import bodies
from tests.programs.generating import ADDED
from tests.programs.mutations import MUTATIONS, SEEDS, taken_out, without
from tests.programs.mutations import PLANS as MUTATION_PLANS
from tests.programs.programs import explain, fails, program_of, quieten, run_seeds
from tests.programs.refusing import check_refusals
from tests.programs.running import Database

COUNT = int(os.environ.get("HYDRA_PROGRAMS", "120"))
SERVER_COUNT = 3
CHUNKS = 6
REFUSAL_CHUNKS = 3  # of as many programs each as a chunk
TIED = (102_607, 104_127, 104_632, 200_369)  # each judged by hand: see `test_a_tie_is_known_as_one`
FAILED_ONCE = (165, 10_063, 10_203, 10_578, 100_686)  # the last: messages in the order of waits, not of arrival
PLANS = 1  # runs with faults for each program


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As other tests do not like it: the constants that a run of programs sets, too, are put back."""
    monkeypatch.setattr(identity, "kill_processes", identity.kill_processes)
    monkeypatch.setattr(harness_node, "QUIET_ROUNDS", harness_node.QUIET_ROUNDS)
    monkeypatch.setattr(async_body, "UNRECORDED_US", async_body.UNRECORDED_US)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    levels = {name: logging.getLogger(name).level for name in ("hydra", "asyncio")}
    quieten()
    # Each node of a harness registers all workflows and looks after their schedules; these need no other tests' ones.
    own = {name: each for name, each in registry.workflows.items() if each.function.__module__ == bodies.__name__}
    monkeypatch.setattr(registry, "workflows", own)
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_random_program_is_what_it_is_without_faults(chunk: int) -> None:
    seeds = range(chunk * COUNT // CHUNKS, (chunk + 1) * COUNT // CHUNKS)
    for seed, failure in run_seeds(seeds, PLANS):
        pytest.fail(explain(seed, failure, PLANS), pytrace=False)


@pytest.mark.parametrize("store", ["postgres", "mysql"])
def test_a_few_random_programs_are_the_same_on_a_server(store: str, request: pytest.FixtureRequest) -> None:
    """`make nightly` has 500 on each."""
    server_url = request.getfixturevalue(f"{store}_server").url()
    for seed, failure in run_seeds(range(COUNT, COUNT + SERVER_COUNT), PLANS, server_url=server_url):
        pytest.fail(explain(seed, failure, PLANS, server_url=server_url), pytrace=False)


@pytest.mark.parametrize("seed", FAILED_ONCE)
def test_a_program_that_failed_once_is_right(seed: int) -> None:
    assert fails(program_of(seed, ADDED), seed, MUTATION_PLANS) is None


@pytest.mark.parametrize("seed", TIED)
def test_a_tie_is_known_as_one(seed: int) -> None:
    """What a task that the body left does when it is closed; a message that is taken with an outcome before it; a
    message that a wait which is given up has not taken; a message between two outcomes."""
    assert fails(program_of(seed), seed, MUTATION_PLANS) is None


@pytest.mark.parametrize("chunk", range(REFUSAL_CHUNKS))
def test_g4_no_step_that_ended_runs_again_after_a_refusal(chunk: int) -> None:
    """What was lost of an async body, whose own task asked for what was refused, is found by seeds 13, 35 and 48."""
    count = COUNT // CHUNKS
    database = Database()
    try:
        refused_count = 0
        for seed in range(chunk * count, (chunk + 1) * count):
            refused, problems = check_refusals(program_of(seed), database.harness, seed)
            assert problems == [], f"seed {seed}"
            refused_count += refused
            database.tidy()
        assert refused_count > 0
    finally:
        database.close()


def test_a_program_is_its_seed_s_alone() -> None:
    assert program_of(7).source() == program_of(7).source()
    assert program_of(7).source() != program_of(8).source()


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_keeps_a_decided_race_decided_is_missed(mutation: str) -> None:
    """If this program does not show it any more, `python -m tests.programs.mutations` looks for one that does."""
    seed, kinds = SEEDS[mutation], without(mutation)
    program = program_of(seed, kinds)
    assert fails(program, seed, MUTATION_PLANS) is None
    with taken_out(mutation):
        assert fails(program, seed, MUTATION_PLANS) is not None
