"""A race that was decided stays decided, whatever is killed after it, on every database."""

from __future__ import annotations

import signal

import pytest

from tests.processes import races_app
from tests.processes.scene import Scene

ONCE, TWICE = {"charge fast": 1}, {"charge fast": 2}
POINTS = {"before effect": ONCE, "after effect": TWICE}


@pytest.mark.parametrize("sleep_seconds", [0.0, 1.1], ids=["at once", "after a sleep"])
@pytest.mark.parametrize("point", POINTS)
def test_r13_the_winner_of_a_race_is_charged_again_though_its_worker_was_killed(
    scene: Scene, point: str, sleep_seconds: float
) -> None:
    scene.start("races_app", kill=f"worker:{point}")
    handle = scene.engine.submit(races_app.charge_the_first.bind(scene.log, str(scene.gate), sleep_seconds))
    assert handle.result(timeout=30) == ["fast", "slow", "fast"]
    assert scene.mark.exists()
    assert charges(scene) == POINTS[point]


def test_r13_the_winner_of_a_race_is_charged_again_though_its_supervisor_was_killed(scene: Scene) -> None:
    first = scene.start("races_app", kill="supervisor:after effect")
    handle = scene.engine.submit(races_app.charge_the_first.bind(scene.log, str(scene.gate), 0.0))
    assert first.wait() == -signal.SIGKILL
    scene.start("races_app")
    assert handle.result(timeout=30) == ["fast", "slow", "fast"]
    assert charges(scene) == TWICE


def charges(scene: Scene) -> dict[str, int]:
    return {word: count for word, count in scene.counts().items() if word.startswith("charge")}
