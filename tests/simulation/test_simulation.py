"""The real dispatcher in a simulated world of crashes, pauses, lost replies and outages (G2-G5, G7, R1-R22, R27).

In the worlds of "clocks" the database's clock jumps, is set and slews while work arrives: nothing is early or late.
Some worlds have generations, messages, children and nodes of two codes. Schedules, keys and what bodies do are no
business of the dispatcher's, and not in them.

CI runs 50 worlds of each kind, `make nightly` 100,000 (`HYDRA_SIMULATION_SEEDS`). `HYDRA_SIMULATION_SEED=123` runs
that one only.
"""

from __future__ import annotations

import os

import pytest
from hydra.dispatch.dispatcher import Dispatcher

from tests.simulation.model_store import Broken
from tests.simulation.mutations import CountsEndsTwice, DispatchesAgainEarly, RegistersEarly
from tests.simulation.world import Plan, World, run

SEEDS = int(os.environ.get("HYDRA_SIMULATION_SEEDS", "50"))
SEED = os.environ.get("HYDRA_SIMULATION_SEED")
CHUNKS = 2
MUTATION_SEEDS = 1000

PLANS = {
    "two nodes": Plan(),
    "hostile": Plan(faults=20, fault_share=0.05),
    "one worker": Plan(nodes=1, slots=1, faults=8),
    "crowded": Plan(nodes=3, slots=1, concurrency=2, executions=10, faults=10),
    "poison": Plan(poison=1, faults=3, executions=6),
    "lost replies": Plan(faults=25, fault_share=0.1, kinds=("lose", "roll_back", "kill_worker")),
    "long lives": Plan(generations=3, pauses=("sleep", "wait", "child"), faults=8),
    "long lives, killed": Plan(
        nodes=1,
        slots=1,
        generations=4,
        pauses=("wait", "child"),
        faults=20,
        fault_share=0.1,
        kinds=("kill_worker", "lose", "roll_back", "kill_supervisor"),
    ),
    "clocks": Plan(
        executions=3,
        arrivals=6,
        sleep_seconds=40,
        ttl_ns=10_000_000_000,
        faults=8,
        fault_share=0.02,
        kinds=("jump_clock", "slew_clock", "set_clock", "kill_worker", "pause", "lose", "toggle_store"),
    ),
    "deploy": Plan(nodes=3, codes=2, generations=2, pauses=("sleep", "wait"), faults=12),
}


def seeds(chunk: int) -> range:
    if SEED is not None:
        return range(int(SEED), int(SEED) + 1)
    return range(chunk * SEEDS // CHUNKS, (chunk + 1) * SEEDS // CHUNKS)


@pytest.mark.parametrize("chunk", range(1 if SEED else CHUNKS))
@pytest.mark.parametrize("plan", PLANS)
def test_every_promise_holds_in_every_world(plan: str, chunk: int) -> None:
    for seed in seeds(chunk):
        run(seed, PLANS[plan])


def test_g7_poison_is_parked_and_its_neighbours_complete() -> None:
    plan = Plan(nodes=1, slots=1, concurrency=8, executions=8, poison=2, faults=0)
    for seed in range(100):
        world = World(seed, plan)
        world.run()
        statuses = [world.store.rows[f"e{number}"].status for number in range(8)]
        assert statuses == ["parked"] * 2 + ["completed"] * 6, f"seed {seed}"


def test_all_kinds_of_faults_happen() -> None:
    trace: list[str] = []
    World(1, Plan(faults=0), trace=trace).run()
    assert not any("FAULT" in line for line in trace)
    seen: set[str] = set()
    for seed in range(100):
        world = World(seed, PLANS["hostile"])
        world.run()
        seen |= world.faults.happened
    assert seen == {
        "kill_worker",
        "kill_supervisor",
        "kill_host",
        "pause",
        "stop_worker",
        "lose",
        "roll_back",
        "toggle_store",
        "leap",
        "cancel",
        "overrun",
        "stall",
        "drain",
        "reload",
    }


def test_the_databases_clock_jumps_both_ways_and_is_set_and_slews_while_work_arrives() -> None:
    seen: set[str] = set()
    for seed in range(20):
        world = World(seed, PLANS["clocks"])
        world.run()
        seen |= world.faults.happened
        assert world.arrived == 6
    assert {"jump_clock", "slew_clock", "set_clock"} <= seen


HOSTILE = PLANS["hostile"]
REPLIES = PLANS["lost replies"]
LIVES = PLANS["long lives, killed"]
CLOCKS = PLANS["clocks"]
SETTINGS = Plan(
    executions=2, arrivals=20, sleep_seconds=20, ttl_ns=CLOCKS.ttl_ns, faults=4, fault_share=0.05, kinds=("set_clock",)
)
TALK = Plan(nodes=1, executions=10, generations=2, pauses=("wait",), faults=0)
HANDOVER = Plan(nodes=3, codes=2, pauses=("sleep", "wait"), faults=15, kinds=("pause", "leap", "kill_host"))
MUTATIONS = {
    "R6 a commit takes no lock on its node's row": (HOSTILE, {"fence"}, Dispatcher, "P1"),
    "R5 workers start steps past the deadline": (HOSTILE, {"self_fence"}, Dispatcher, "P2|P3|P4|P6"),
    "R8 work is given away before its node is marked dead": (HOSTILE, {"dead_first"}, Dispatcher, "P1|P4|R10|R22"),
    "R11 records and their end travel on two connections": (
        HOSTILE,
        {"one_connection"},
        Dispatcher,
        "G1|R10|R12|P6|R22",
    ),
    "R12 records come from an older snapshot than the claim": (HOSTILE, {"snapshot"}, Dispatcher, "R12|P2"),
    "R13 a batch is sent again and its numbers are not checked": (
        REPLIES,
        {"resync", "sequence", "refusals"},
        Dispatcher,
        "R13|G3",
    ),
    "R16 a batch is sent again without asking what became of it": (REPLIES, {"resync"}, Dispatcher, "R10|R22"),
    "R16 a resync takes no lock and keeps the session": (REPLIES, {"session"}, Dispatcher, "R10|P1|P6|R22"),
    "R22 a dead worker's socket is not read to its end": (HOSTILE, {"drain_socket"}, Dispatcher, "R22"),
    "R22 an execution is dispatched before its crash is durable": (
        HOSTILE,
        {"refusals"},
        DispatchesAgainEarly,
        "P2|P3",
    ),
    "R22 frames of one turn reach the worker that takes the dead one's slot": (
        LIVES,
        {"outgoing"},
        Dispatcher,
        "G7|P2|P3|P4|P6|R10|R22",
    ),
    "R22 the end of a generation is both a frame and a death": (
        LIVES,
        set(),
        CountsEndsTwice,
        "R10|G4|R22|P5",
    ),
    "R14 what was woken while it suspended waits": (LIVES, {"wake_seq"}, Dispatcher, "P5"),
    "R17 a generation's end forgets what it consumed": (LIVES, {"consumed"}, Dispatcher, "R17"),
    "R19 records that went with their generation count as lost": (LIVES, {"continued"}, Dispatcher, "R19"),
    "R27 a dead node is given what it has the code for": (HANDOVER, {"successor"}, Dispatcher, "P5"),
    "a clock that jumped is believed at once": (CLOCKS, {"clock_doubt"}, Dispatcher, "time:"),
    "time never goes back, so it stands still where the clock was set back": (
        SETTINGS,
        {"clock_back"},
        Dispatcher,
        "time:",
    ),
    "R1 a node registers before its old workers are dead": (HOSTILE, {"own_page"}, RegistersEarly, "P2|P3|P4|P6"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_leaving_out_a_guard_is_noticed(mutation: str) -> None:
    plan, dropped, dispatcher, promises = MUTATIONS[mutation]
    with pytest.raises(Broken, match=f"seed [0-9]+: ({promises}) "):
        for seed in range(MUTATION_SEEDS):
            run(seed, plan, frozenset(dropped), dispatcher)
