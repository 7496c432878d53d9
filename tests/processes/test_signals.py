"""What a supervisor does with signals, and with a zygote that is gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hydra
from hydra.execution import Ending, Status
from hydra.stores import open_store

from tests.processes import apps
from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, is_alive, until


def zygote_of(pids: list[int], workers: set[int]) -> int:
    (zygote,) = set(pids) - workers
    return zygote


def test_a_drain_lets_steps_end_and_hands_the_rest_back(scene: Scene) -> None:
    node = scene.start()
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    note = scene.first_note()
    node.kill(signal.SIGTERM)
    until(lambda: "draining" in node.text())
    scene.gate.touch()
    assert node.wait() == 0
    assert not is_alive(note.worker)
    assert handle.status() in (Status.PENDING, Status.COMPLETED)
    assert {claim.ending for claim in open_store(scene.url).claims(handle.id)} <= {Ending.RELEASED, Ending.COMPLETED}
    assert {state.state for state in scene.engine.nodes()} == {"empty"}
    scene.start()
    assert handle.result(timeout=30) == "released"
    assert scene.counts()["hold"] == 1


def test_a_drain_kills_what_outlasts_its_grace_and_gives_it_back(scene: Scene) -> None:
    node = scene.start(drain_grace_seconds=0.5)
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    note = scene.first_note()
    assert node.stop() == 0
    assert not is_alive(note.worker)
    assert handle.status() == Status.PENDING
    scene.gate.touch()
    scene.start()
    assert handle.result(timeout=30) == "released"


@on_sqlite  # what is not handed back is in the kill matrix on every database
def test_the_second_signal_stops_at_once(scene: Scene) -> None:
    node = scene.start(drain_grace_seconds=600.0)
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    note = scene.first_note()
    node.kill(signal.SIGINT)
    until(lambda: "draining" in node.text())
    node.kill(signal.SIGINT)
    assert node.wait() in (0, 1)
    assert not is_alive(note.worker)
    scene.gate.touch()
    scene.start()
    assert handle.result(timeout=30) == "released"


@on_sqlite  # nothing reaches the database
def test_a_signal_ends_a_supervisor_whose_app_still_imports(scene: Scene) -> None:
    node = scene.start("slow_app")
    until(lambda: "importing" in node.text())
    assert node.stop() == 0


@on_sqlite  # between supervisor and zygote: the same on every database
def test_a_killed_zygote_is_replaced_and_the_workers_live_on(scene: Scene) -> None:
    node = scene.start()
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    note = scene.first_note()
    zygote = zygote_of(node.children(), {note.worker})
    os.kill(zygote, signal.SIGKILL)
    until(lambda: "starting another" in node.text())
    until(lambda: len(node.children()) == 2)
    assert is_alive(note.worker)
    os.kill(note.worker, signal.SIGKILL)
    assert scene.first_note(count=2).worker != note.worker
    scene.gate.touch()
    assert handle.result(timeout=30) == "released"


@on_sqlite  # between supervisor and zygote: the same on every database
def test_sighup_runs_new_code_and_drains_the_old_workers(scene: Scene) -> None:
    app = Path(scene.folder, "changing.py")
    source = "import hydra\n\n@hydra.workflow\ndef version() -> int:\n    return {}\n"
    app.write_text(source.format(1))
    node = scene.start("changing", folder=scene.folder)
    version = hydra.named("version")
    assert scene.engine.submit(version.bind()).result(timeout=30) == 1
    app.write_text(source.format("1 / 0 #") + "1 /")
    node.kill(signal.SIGHUP)
    until(lambda: "does not import" in node.text())
    assert scene.engine.submit(version.bind()).result(timeout=30) == 1
    app.write_text(source.format(2222))
    node.kill(signal.SIGHUP)
    until(lambda: "new workers run the new code" in node.text())
    until(lambda: scene.engine.submit(version.bind()).result(timeout=30) == 2222)
    assert node.stop() == 0


@on_sqlite  # between supervisor and zygote: the same on every database
def test_reload_follows_the_apps_files(scene: Scene) -> None:
    app = Path(scene.folder, "changing.py")
    source = "import hydra\n\n@hydra.workflow\ndef version() -> int:\n    return {}\n"
    app.write_text(source.format(1))
    scene.start("changing", folder=scene.folder, reload=True)
    version = hydra.named("version")
    assert scene.engine.submit(version.bind()).result(timeout=30) == 1
    app.write_text(source.format(2222))
    until(lambda: scene.engine.submit(version.bind()).result(timeout=30) == 2222)
