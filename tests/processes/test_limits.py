"""Time-outs that only a kill can enforce, and deaths of workers with many steps under way."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import UTC, datetime

import hydra
import pytest
from hydra.client.timeline import claim_entries, timeline
from hydra.client.views import Attempt
from hydra.execution import RecordKind, Status
from hydra.stores import open_store

from tests.processes import limits_app as app
from tests.processes.scene import Scene, until


def kinds(scene: Scene, id: str) -> list[str]:
    return [record.kind for record in open_store(scene.url).records(id)]


def test_a_kill_for_a_time_out_is_a_time_out_and_the_policy_is_asked(scene: Scene) -> None:
    scene.start("limits_app")
    told = scene.engine.submit(app.once.bind(scene.log))
    assert told.result(timeout=60).startswith("timed out: ")
    failed = scene.engine.submit(app.fails.bind(scene.log))
    with pytest.raises(hydra.WorkflowFailed) as caught:
        failed.result(timeout=60)
    assert isinstance(caught.value.__cause__, hydra.StepTimeout)
    assert kinds(scene, told.id) == kinds(scene, failed.id) == [RecordKind.TRY, RecordKind.FAILURE]
    assert set(Counter(note.key for note in scene.notes()).values()) == {1}, "max_attempts is 1"
    endings = Counter(claim.ending for claim in open_store(scene.url).claims(failed.id))
    del endings["released"]  # one that a worker on its way out hands back unbegun, on a slow machine
    assert endings == {"crashed": 1, "failed": 1}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_step_that_stops_calling_heartbeat_in_c_code_is_killed_for_it(scene: Scene) -> None:
    scene.start("limits_app")
    handle = scene.engine.submit(app.silence.bind(scene.log))
    with pytest.raises(hydra.WorkflowFailed, match="StepTimeout"):
        handle.result(timeout=60)
    assert len(scene.notes()) == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_item_of_a_map_killed_for_its_time_out_has_no_more_tries_than_its_policy_allows(scene: Scene) -> None:
    scene.start("limits_app")
    handle = scene.engine.submit(app.many_items.bind(scene.log))
    assert handle.result(timeout=90) == ["0", "StepTimeout", "2"]
    assert Counter(note.word for note in scene.notes())["item 1"] == 2


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_lookup_killed_for_its_time_out_uses_up_the_lookups_tries_and_then_parks(scene: Scene) -> None:
    scene.start("limits_app")
    handle = scene.engine.submit(app.doubt.bind(scene.log))
    until(lambda: handle.status() == Status.PARKED, seconds=60)
    assert "in doubt" in handle.execution().reason
    assert Counter(note.word for note in scene.notes()) == {"looked up": 1}
    tries = [r.name for r in open_store(scene.url).records(handle.id) if r.kind == RecordKind.TRY]
    assert tries[0] == "looked_up"
    assert set(tries[1:]) == {"hydra.lookup:looked_up"}


def test_each_of_a_hundred_steps_that_die_with_their_worker_leaves_a_trace(scene: Scene) -> None:
    """Their name is longer than a place of the worker's page."""
    scene.start("limits_app", concurrency=4)
    handle = scene.engine.submit(app.crowd.bind(scene.log, 100))
    worker = until(lambda: notes[0].worker if len(notes := scene.notes()) == 100 else 0)
    os.kill(worker, signal.SIGKILL)
    assert handle.result(timeout=60) == [2] * 100
    crashes = [record for record in open_store(scene.url).records(handle.id) if record.kind == RecordKind.CRASH]
    assert len(crashes) == 100
    assert {record.name for record in crashes} == {app.LONG_NAME}


def test_the_tries_that_died_with_a_supervisor_are_shown(scene: Scene) -> None:
    """Its workers' pages lie where a node of the same host finds them."""
    first = scene.start("limits_app", concurrency=4)
    handle = scene.engine.submit(app.crowd.bind(scene.log, 5))
    until(lambda: len(scene.notes()) == 5)
    first.kill()
    scene.start("limits_app", concurrency=4)
    assert handle.result(timeout=60) == [2] * 5
    records = open_store(scene.url).records(handle.id)
    assert [record.kind for record in records[:5]] == [RecordKind.CRASH] * 5
    assert {(step.status, step.attempts) for step in handle.steps()} == {("completed", 2)}
    shown = timeline(handle.execution(), records, handle.attempts())
    assert sum("crashed" in entry.what and "its node died" in entry.detail for entry in shown) == 5
    lost = [entry.detail for entry in shown if "ended: lost" in entry.what]
    assert len(lost) == 1
    assert "not known" not in lost[0]


def test_of_a_supervisor_on_another_host_it_is_said_that_its_tries_are_not_known() -> None:
    at = datetime(2026, 11, 29, tzinfo=UTC)
    lost = Attempt(1, 1, "node-a", None, at, at, "lost", "")
    assert claim_entries(lost, [])[-1].detail == "its node died; which steps were under way is not known here"
