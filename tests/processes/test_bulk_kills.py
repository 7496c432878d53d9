"""kill -9 in the middle of a bulk step, and at the boundary between two generations."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hydra.execution import Ending
from hydra.stores import open_store

from tests.processes import flow_app, kills
from tests.processes.scene import Scene

COUNT = 205


def check_items(scene: Scene) -> None:
    """Every item has one key; only the chunk under way and the one before it may have run twice."""
    counts = scene.counts()
    assert len(counts) == COUNT
    chunk = flow_app.DEADLY_ITEM // flow_app.CHUNK
    again = {int(word.removeprefix("item-")) for word, count in counts.items() if count > 1}
    assert again <= set(range((chunk - 1) * flow_app.CHUNK, (chunk + 1) * flow_app.CHUNK))
    assert max(counts.values()) == 2


def test_g4_a_worker_killed_inside_a_chunk_repeats_no_recorded_chunk(scene: Scene) -> None:
    scene.start("flow_app", kill="worker:inside chunk")
    handle = scene.engine.submit(flow_app.count_items.bind(scene.log, COUNT))
    assert handle.result(timeout=60) == sum(range(COUNT))
    assert scene.mark.exists()
    check_items(scene)


def test_g3_a_supervisor_killed_inside_a_chunk_repeats_no_recorded_chunk(scene: Scene) -> None:
    first = scene.start("flow_app", kill="supervisor:inside chunk")
    handle = scene.engine.submit(flow_app.count_items.bind(scene.log, COUNT))
    assert first.wait() == -signal.SIGKILL
    scene.start("flow_app")
    assert handle.result(timeout=60) == sum(range(COUNT))
    check_items(scene)


@pytest.mark.parametrize("point", ["worker:before continue sent", "worker:continue sent"])
def test_g4_a_worker_killed_between_two_generations(scene: Scene, point: str) -> None:
    scene.start("flow_app", kill=point)
    handle = scene.engine.submit(flow_app.turns.bind(scene.log, 0))
    assert handle.result(timeout=30) == 3
    assert scene.mark.exists()
    check_turns(scene, handle.id, first_twice=point == "worker:before continue sent")


def test_g2_r22_one_late_turn_sees_the_next_generation_claimed_and_its_worker_dead(scene: Scene) -> None:
    """What was on its way to the dead worker must not reach the one that takes its slot."""
    scene.start("flow_app", kill=kills.IN_ONE_TURN)
    handle = scene.engine.submit(flow_app.turns.bind(scene.log, 0))
    assert handle.result(timeout=30) == 3
    assert Path(f"{scene.mark}-claimed").exists()
    assert not Path("/proc", Path(scene.mark).read_text()).exists(), "it died"
    check_turns(scene, handle.id, first_twice=False)


@pytest.mark.parametrize("point", ["supervisor:before continue commit", "supervisor:after continue commit"])
def test_g3_a_supervisor_killed_between_two_generations(scene: Scene, point: str) -> None:
    first = scene.start("flow_app", kill=point)
    handle = scene.engine.submit(flow_app.turns.bind(scene.log, 0))
    assert first.wait() == -signal.SIGKILL
    scene.start("flow_app")
    assert handle.result(timeout=30) == 3
    check_turns(scene, handle.id, first_twice=point == "supervisor:before continue commit")


def check_turns(scene: Scene, id: str, *, first_twice: bool) -> None:
    """The record of the turn leaves together with the end of its generation: both or neither."""
    counts = scene.counts()
    assert counts == {"turn-0": 2 if first_twice else 1, "turn-1": 1, "turn-2": 1}, scene.notes()
    store = open_store(scene.url)
    assert [claim.ending for claim in store.claims(id)].count(Ending.CONTINUED) == 2
    assert len(store.records(id)) == 1
