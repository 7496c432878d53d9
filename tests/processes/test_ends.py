"""Ends that find an execution at work, at rest or with a step that will not end: each comes, and each undoes."""

from __future__ import annotations

import pytest
from hydra.execution import Status

from tests.processes import apps
from tests.processes.scene import Scene, is_alive, until


def test_a_cancel_ends_a_step_that_will_not_end_and_undoes_after_its_worker_is_dead(scene: Scene) -> None:
    scene.start()
    handle = scene.engine.submit(apps.never_ends.bind(scene.log))
    worker = scene.first_note("deaf").worker
    step = until(lambda: [step for step in handle.steps() if step.progress_at is not None])[0]
    assert (step.name, step.status, step.progress) == ("deaf", "running", {"done": 7})
    assert step.finished_at is None
    handle.cancel()
    until(lambda: handle.status() == Status.CANCELLED)
    assert not is_alive(worker)
    assert [note.word for note in scene.notes()] == ["deaf", "give back money"]
    assert [step.status for step in handle.steps()] == ["crashed", "completed"]


@pytest.mark.parametrize("victim", ["worker", "supervisor"])
def test_what_dies_while_it_undoes_a_time_out_at_rest_leaves_the_rest_to_the_next(scene: Scene, victim: str) -> None:
    first = scene.start()
    assert scene.engine.submit(apps.count.bind(1)).result(timeout=60) == 0, "it is up before the time-out begins to run"
    handle = scene.engine.submit(apps.rests_too_long.bind(scene.log))
    until(lambda: handle.status() == Status.SLEEPING)
    first.stop()
    scene.start(kill=f"{victim}:after effect of give back")
    if victim == "supervisor":
        until(scene.mark.exists)
        scene.start()
    until(lambda: handle.status() == Status.FAILED)
    assert scene.mark.exists()
    counts = scene.counts()
    assert set(counts) == {"first", "second", "give back first", "give back second"}
    assert sum(counts.values()) == 5
