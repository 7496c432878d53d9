"""Limits while nodes are killed (R29): no place is lost, none is had twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import bounded_app, limit_kills
from tests.processes.scene import Scene, until

COUNT = 40
BACKLOG, FEW = 600, 5
DEATHS = [  # `limit_kills` has all
    "worker:after effect#2",
    "worker:finish sent#1",
    "supervisor:after claim#1",
    "supervisor:before suspend commit#1",
    "supervisor:after finish commit#1",
]


def lines(file: Path) -> list[tuple[str, int]]:
    if not file.exists():
        return []
    return [(line.split()[0], int(line.split()[1])) for line in file.read_text().splitlines()]


def test_r29_a_killed_node_loses_no_place_and_lets_no_more_run(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "bounded"
    environment = {bounded_app.FILE: str(file)}
    nodes = [scene.start("bounded_app", environment=environment, workers=2) for _ in range(2)]
    handles = scene.engine.submit_many([bounded_app.bounded.bind("acme", number) for number in range(COUNT)])
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
    (use,) = scene.engine.limit_keys("bounded.tenant")
    assert (use.held, use.waiting) == (0, 0)


def test_r29_a_killed_node_loses_no_turn_and_a_backlog_delays_nobody(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "turns"
    backlog = scene.engine.submit_many([bounded_app.by_turns.bind("many", number) for number in range(BACKLOG)])
    few = scene.engine.submit_many([bounded_app.by_turns.bind("few", number) for number in range(FEW)])
    environment = {bounded_app.FILE: str(file)}
    nodes = [scene.start("bounded_app", environment=environment, workers=2) for _ in range(2)]
    until(lambda: len(lines(file)) >= BACKLOG // 10)
    nodes[0].kill()
    assert [handle.result(timeout=60) for handle in few] == list(range(FEW))
    assert [handle.result(timeout=60) for handle in backlog] == list(range(BACKLOG))
    assert len(set(lines(file))) == BACKLOG + FEW
    last = max(handle.execution().started_at for handle in few)  # claimed: no worker that stands still delays it
    assert sum(handle.execution().started_at < last for handle in backlog) < BACKLOG // 2
    assert scene.engine.audit() == []


@pytest.mark.parametrize("point", DEATHS)
def test_r29_g4_killed_at_any_point_no_place_is_leaked_or_doubled_and_the_order_is_kept(
    scene: Scene, point: str
) -> None:
    limit_kills.die(scene, point)
    assert scene.mark.exists()
