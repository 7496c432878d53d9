"""When memory, files or the disk of the log run out: who asked for too much fails, nobody else (C4)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hydra
import pytest

from tests.processes import greedy_app as greedy
from tests.processes.scene import ROOT, Scene

FILES = 120  # that a supervisor of one worker and its worker may open


@pytest.fixture
def url(tmp_path: Path) -> str:
    """One database: what runs out here is none of its business."""
    return f"sqlite:///{tmp_path}/scene.db"


def test_g7_a_step_out_of_memory_fails_and_its_neighbours_complete(scene: Scene) -> None:
    scene.start("greedy_app")
    neighbours = scene.engine.submit_many([greedy.holds.bind(scene.log, str(scene.gate))] * 3)
    scene.first_note(count=3)
    eater = scene.engine.submit(greedy.eats.bind(4 * greedy.MEMORY_BYTES))
    with pytest.raises(hydra.WorkflowFailed) as failed:
        eater.result(timeout=30)
    assert isinstance(failed.value.__cause__, MemoryError)
    assert [step.attempts for step in eater.steps()] == [2]
    scene.gate.touch()
    assert [each.result(timeout=30) for each in neighbours] == ["held"] * 3
    assert {note.worker for note in scene.notes()} == {scene.notes()[0].worker}  # the worker lives


def test_g7_a_step_that_opens_too_many_files_fails_and_its_neighbours_complete(scene: Scene) -> None:
    scene.start("greedy_app", prefix=("prlimit", f"--nofile={FILES}"))
    neighbour = scene.engine.submit(greedy.holds.bind(scene.log, str(scene.gate)))
    scene.first_note()
    with pytest.raises(hydra.WorkflowFailed, match="Too many open files"):
        scene.engine.submit(greedy.opens.bind(2 * FILES)).result(timeout=30)
    scene.gate.touch()
    assert neighbour.result(timeout=30) == "held"
    assert scene.engine.submit(greedy.opens.bind(3)).result(timeout=30) == 3


def test_g7_a_supervisor_that_may_open_too_few_files_says_so_at_its_start(scene: Scene) -> None:
    node = scene.start(prefix=("prlimit", "--nofile=40"))
    assert node.wait() == 2
    assert node.text() == (
        "error: this process may open 40 files, and 1 workers need 74; raise its hard limit (`ulimit -Hn`, "
        "`LimitNOFILE=`) or start fewer workers\n"
    )


def test_g7_a_full_disk_under_the_log_stops_no_work(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/quiet.db"
    app = "tests.processes.greedy_app"
    command = [sys.executable, "-m", "hydra.cli", "start", app, "--workers", "1", "--db", url]
    with open("/dev/full", "w") as full, hydra.Engine(url) as engine:
        supervisor = subprocess.Popen(command, cwd=ROOT, stdout=full, stderr=full)
        try:
            assert engine.submit(greedy.opens.bind(3)).result(timeout=60) == 3
            with pytest.raises(hydra.WorkflowFailed):  # what is logged of it goes nowhere
                engine.submit(greedy.eats.bind(4 * greedy.MEMORY_BYTES)).result(timeout=60)
            assert engine.submit(greedy.opens.bind(4)).result(timeout=60) == 4
            supervisor.terminate()
            assert supervisor.wait(60) == 0
        finally:
            supervisor.kill()
            supervisor.wait()
        assert engine.audit() == []
