"""kill -9 of a worker and of a supervisor at every point of an execution's life."""

from __future__ import annotations

import signal

import pytest
from hydra.execution import Ending, RecordKind
from hydra.stores import open_store

from tests.processes import apps
from tests.processes.scene import Scene

# How often each of the three effects happens: twice only where the process died between the effect and its record.
ONCE = (1, 1, 1)

WORKER = {
    "run received": ONCE,
    "before effect": ONCE,
    "after effect": (2, 1, 1),
    "before record sent": (2, 1, 1),
    "record sent": ONCE,
    "record durable": ONCE,
    "before suspend sent": (1, 2, 1),
    "suspend sent": ONCE,
    "before finish sent": (1, 1, 2),
    "finish sent": ONCE,
}
SUPERVISOR = {
    "before claim": ONCE,
    "after claim": ONCE,
    "before effect": ONCE,
    "after effect": (2, 1, 1),
    "before record commit": (2, 1, 1),
    "after record commit": ONCE,
    "before suspend commit": (1, 2, 1),
    "after suspend commit": ONCE,
    "before finish commit": (1, 1, 2),
    "after finish commit": ONCE,
}


@pytest.mark.parametrize("point", WORKER)
def test_g4_r22_a_worker_killed_anywhere_repeats_no_recorded_step(scene: Scene, point: str) -> None:
    scene.start(kill=f"worker:{point}")
    handle = scene.engine.submit(apps.life.bind(scene.log))
    assert handle.result(timeout=30) == ["first", "second", "third"]
    assert scene.mark.exists()
    check(scene, point, WORKER[point])
    endings = [claim.ending for claim in open_store(scene.url).claims(handle.id)]
    assert (Ending.CRASHED in endings) == (point not in ("suspend sent", "finish sent"))


@pytest.mark.parametrize("point", SUPERVISOR)
def test_g1_g3_a_supervisor_killed_anywhere_loses_nothing(scene: Scene, point: str) -> None:
    first = scene.start(kill=f"supervisor:{point}")
    handle = scene.engine.submit(apps.life.bind(scene.log))
    assert first.wait() == -signal.SIGKILL
    scene.start()
    assert handle.result(timeout=30) == ["first", "second", "third"]
    check(scene, point, SUPERVISOR[point])
    endings = [claim.ending for claim in open_store(scene.url).claims(handle.id)]
    owned = point not in ("before claim", "after suspend commit", "after finish commit")
    assert (Ending.LOST in endings) == owned


def check(scene: Scene, point: str, expected: tuple[int, int, int]) -> None:
    """What happened twice has a crash on record, and so has a step that was under way; nothing else has."""
    counts = scene.counts()
    assert (counts["first"], counts["second"], counts["third"]) == expected
    (execution,) = scene.engine.executions()
    kinds = [record.kind for record in open_store(scene.url).records(execution.id)]
    assert kinds.count(RecordKind.CRASH) == (2 in expected or point == "before effect")
