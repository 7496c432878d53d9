"""Steps with limits and labels while processes are killed: no place is lost or had twice, and each has one record."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.execution import FINAL

from tests.processes import bounded_app, placed_app
from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, until
from tests.processes.test_kill_matrix import SUPERVISOR, WORKER
from tests.processes.test_limit_kills import lines

# What sleeps in the life that those kill waits for its steps in this one.
KILLED = [f"worker:{point}" for point in WORKER] + [f"supervisor:{point}" for point in SUPERVISOR]
POINTS = [point.replace("suspend", "wait") for point in KILLED]
NAMES = ["first", "second", "third"]
COUNT = 24


def dies_at(scene: Scene, point: str) -> None:
    """The body suspends, its steps run as executions of their own, and it goes on: each may be the one that dies."""
    node = scene.start("placed_app", kill=point)
    handle = scene.engine.submit(placed_app.placed_life.bind(scene.log))
    until(lambda: node.process.poll() is not None or handle.status() in FINAL)
    if handle.status() not in FINAL:
        scene.start("placed_app")
    assert handle.result(timeout=60) == NAMES
    counts = scene.counts()
    assert sorted(counts) == sorted(NAMES)
    assert sum(counts.values()) <= len(NAMES) + scene.mark.exists()
    assert [(step.name, step.status) for step in handle.steps()] == [("placed_effect", "completed")] * len(NAMES)
    assert [(use.held, use.waiting) for use in scene.engine.limit_keys("placed")] == [(0, 0)]
    assert scene.engine.audit() == []


@pytest.mark.parametrize("point", POINTS)
def test_g3_g4_r29_killed_anywhere_a_placed_step_has_one_record_and_leaves_no_place(scene: Scene, point: str) -> None:
    dies_at(scene, point)
    assert scene.mark.exists() or "record" in point  # what is recorded may leave with the wait that follows


@on_sqlite  # the same on every database
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("point", POINTS)
def test_g3_g4_r29_killed_there_later_it_is_the_same(scene: Scene, point: str, number: int) -> None:
    dies_at(scene, f"{point}#{number}")


def test_r29_a_killed_node_lets_no_more_placed_steps_run(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "bounded"
    environment = {bounded_app.FILE: str(file)}
    nodes = [scene.start("placed_app", environment=environment, workers=2) for _ in range(2)]
    handles = scene.engine.submit_many([placed_app.placed_bill.bind("acme", number) for number in range(COUNT)])
    until(lambda: len(lines(file)) >= COUNT // 2)
    nodes[0].kill()
    assert [handle.result(timeout=60) for handle in handles] == list(range(COUNT))
    running: set[int] = set()
    for word, number in lines(file):
        if word == "begin":
            running.add(number)  # once more, where its node died
        else:
            running.discard(number)
        assert len(running) <= 2
    assert running == set()
    (use,) = scene.engine.limit_keys("step.hold_placed.tenant")
    assert (use.held, use.waiting) == (0, 0)
    assert scene.engine.audit() == []


def test_a_step_runs_on_another_node_than_its_body(scene: Scene) -> None:
    with scene.engine.worker(only=["placed_order"]):
        handle = scene.engine.submit(placed_app.placed_order.bind(7))
        until(lambda: scene.engine.stats().unserved_labels == {"gpu": 1})
        (own,) = scene.engine.executions(status="pending")
        assert "step `fit_placed` needs label `gpu`" in scene.engine.why(own.id).sentence
        with scene.engine.worker(only=["nothing*"], labels=["gpu"]):
            assert handle.result(timeout=30) == 50
    nodes = {node.info.id: node.info.labels for node in scene.engine.nodes()}
    assert {nodes[attempt.node] for attempt in handle.attempts()} == {()}
    assert {nodes[attempt.node] for attempt in scene.engine.get(own.id).attempts()} == {("gpu",)}
