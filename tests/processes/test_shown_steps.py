"""G4: a step that ended, and whose process died before its outcome was durable, runs again, and a record says so."""

from __future__ import annotations

import signal

import hydra
import pytest
from hydra.execution import RecordKind
from hydra.records import child_records
from hydra.stores import open_store
from hydra.worker.page import read_page

from tests.processes import shown_app
from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, until

# Where the last frame of a dispatch has the record, it is the end's; a map's first record tells of no item.
SHAPES = {
    "one": (shown_app.shown_one, "finish", ""),
    "gathered": (shown_app.shown_gathered, "finish", ""),
    "async": (shown_app.shown_async, "record", ""),
    "map": (shown_app.shown_map, "finish", ""),
    "placed": (shown_app.shown_placed, "finish", ""),
}


def crashed(scene: Scene) -> set[str]:
    """The steps with a crash among their records, in whichever execution."""
    store = open_store(scene.url)
    ids = [each.id for each in scene.engine.executions()]
    spawns = [record for id in ids for record in store.records(id) if record.kind == RecordKind.SPAWN]
    ids += [child_records.decode_id(record.payload or b"") for record in spawns]
    return {record.name for id in ids for record in store.records(id) if record.kind == RecordKind.CRASH}


@pytest.mark.parametrize("who", ["worker", "supervisor"])
@pytest.mark.parametrize("shape", SHAPES)
def test_g4_an_ended_step_that_runs_again_has_a_crash_on_record(scene: Scene, shape: str, who: str) -> None:
    workflow, frame, number = SHAPES[shape]
    node = scene.start("shown_app", kill=f"{who}:before {frame} {'sent' if who == 'worker' else 'commit'}{number}")
    handle = scene.engine.submit(workflow.bind(scene.log))
    if who == "supervisor":
        assert node.wait() == -signal.SIGKILL
        scene.start("shown_app")
    assert handle.result(timeout=60)[0] == "first"
    assert scene.mark.exists() and 2 in scene.counts().values()
    names = {record.name for record in handle.records() if record.name.startswith("shown_")}
    assert crashed(scene) == (names or {"shown_item"})
    assert scene.engine.audit() == []


def test_g3_g4_what_was_told_has_no_crash_on_record(scene: Scene) -> None:
    """The worker dies with the first chunk of a map on its way; its page shows an item of that chunk."""
    scene.start("shown_app", kill="worker:record sent#2")
    handle = scene.engine.submit(shown_app.shown_chunks.bind(scene.log))
    assert handle.result(timeout=60) == ["first", "second"]
    assert scene.mark.exists() and scene.counts()["first"] == 1
    assert all(record.ordinal != 0 for record in handle.records() if record.kind == RecordKind.CRASH)


@on_sqlite
@pytest.mark.parametrize("who", ["worker:before finish sent", "supervisor:before finish commit"])
def test_g4_what_may_have_charged_before_its_process_died_is_not_run_anew(scene: Scene, who: str) -> None:
    """Its second try learns that the card was charged, and raises: that is no proof that nothing happened."""
    node = scene.start("shown_app", kill=who)
    handle = scene.engine.submit(shown_app.charges_or_fails.bind(scene.log))
    if who.startswith("supervisor"):
        assert node.wait() == -signal.SIGKILL
        scene.start("shown_app")
    with pytest.raises(hydra.WorkflowFailed, match="this card was charged"):
        handle.result(timeout=60)
    with pytest.raises(hydra.HydraError, match="its step `charge_unless_charged` may have taken effect"):
        scene.engine.rerun(handle.id)
    assert len(scene.notes()) == 1


@on_sqlite
def test_g4_the_page_of_a_worker_at_rest_shows_nothing(scene: Scene) -> None:
    """Also of executions that have ended: nothing is left behind, and none of it dies with the worker later on."""
    scene.start("shown_app")
    shapes = [workflow for workflow, _, _ in SHAPES.values()]
    handles = [
        scene.engine.submit(workflow.bind(f"{scene.log}-{number}")) for number in range(8) for workflow in shapes
    ]
    for handle in handles:
        handle.result(timeout=60)
    (page,) = scene.folder.glob("*.page-*")
    until(lambda: read_page(str(page)) == [])
