"""Workers that die, hang, poison and freeze."""

from __future__ import annotations

import os
import signal

import hydra
import pytest
from hydra.execution import Ending, RecordKind, Status
from hydra.stores import open_store

from tests.processes import apps
from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, is_alive, until


def test_g9_every_worker_is_killed_at_once_and_the_work_goes_on(scene: Scene) -> None:
    scene.start(workers=3, concurrency=18)  # after one death each may have eight others beside it (G7)
    handles: list[hydra.Handle[str]] = []
    while len({note.worker for note in scene.notes()}) < 3:
        handles.append(scene.engine.submit(apps.held.bind(scene.log, str(scene.gate))))
        until(lambda: len(scene.notes()) == len(handles))
    killed = {note.worker for note in scene.notes()}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    # What was given to another that was killed a moment later has begun three times.
    until(lambda: len({note.key for note in scene.notes() if note.worker not in killed}) == len(handles))
    scene.gate.touch()
    assert [handle.result(timeout=30) for handle in handles] == ["released"] * len(handles)
    assert "signal SIGKILL" in scene.nodes[0].text()


def test_g7_poison_parks_and_its_neighbours_complete(scene: Scene) -> None:
    scene.start(workers=2, concurrency=8)
    poison = scene.engine.submit(apps.poison.bind(scene.log))
    neighbours = [scene.engine.submit(apps.count.bind(10)) for _ in range(40)]
    assert [handle.result(timeout=60) for handle in neighbours] == [45] * 40
    until(lambda: poison.status() == Status.PARKED)
    store = open_store(scene.url)
    endings = [claim.ending for claim in store.claims(poison.id)]
    assert endings[-1] == Ending.PARKED
    assert set(endings[:-1]) <= {Ending.CRASHED, Ending.RELEASED}
    crashes = [record for record in store.records(poison.id) if record.kind == RecordKind.CRASH]
    assert len(crashes) == len(scene.notes()), "each try that died with its worker is in the records"
    (digest,) = {crash.digest for crash in crashes}
    assert digest, "with what the step was called with"
    assert len(crashes) <= 7, "three halvings of eight, then three deaths alone"


def test_g7_a_parked_execution_starts_again_when_a_person_resumes_it(scene: Scene) -> None:
    scene.start(concurrency=1)
    handle = scene.engine.submit(apps.poison.bind(scene.log))
    until(lambda: handle.status() == Status.PARKED)
    deaths = len(scene.notes())
    handle.resume()
    until(lambda: len(scene.notes()) > deaths)
    until(lambda: handle.status() == Status.PARKED)


@on_sqlite  # test_limits.py has such a kill on every database
def test_a_step_past_its_timeout_in_c_code_is_killed_and_tried_again(scene: Scene) -> None:
    scene.start()
    handle = scene.engine.submit(apps.catastrophe.bind(scene.log))
    assert handle.result(timeout=60) == "matched"
    workers = [note.worker for note in scene.notes()]
    assert len(workers) == 2
    assert workers[0] != workers[1]
    assert not is_alive(workers[0])


@on_sqlite  # between supervisor and worker: the same on every database
def test_each_try_of_a_step_is_watched_for_its_own_timeout(scene: Scene) -> None:
    scene.start()
    handle = scene.engine.submit(apps.worse.bind(scene.log))
    assert handle.result(timeout=60) == "matched"
    first, second, third = [note.worker for note in scene.notes()]
    assert first == second != third


@on_sqlite  # what a worker's end leads to is in test_kill_matrix.py on each
def test_r22_a_stopped_worker_is_killed_and_its_work_runs_elsewhere(scene: Scene) -> None:
    scene.start()
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    before = scene.first_note()
    os.kill(before.worker, signal.SIGSTOP)
    after = scene.first_note(count=2)
    assert after.worker != before.worker
    assert not is_alive(before.worker)
    scene.gate.touch()
    assert handle.result(timeout=30) == "released"


@on_sqlite  # between supervisor and worker: the same on every database
@pytest.mark.parametrize("workflow", [apps.deadlock, apps.held], ids=["holds the GIL", "sleeps"])
def test_a_killed_supervisor_takes_its_workers_with_it(scene: Scene, workflow: object) -> None:
    node = scene.start()
    if workflow is apps.deadlock:
        handle = scene.engine.submit(apps.deadlock.bind(scene.log))
        note = scene.first_note("match")
    else:
        handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
        note = scene.first_note()
    assert is_alive(note.worker)
    processes = {*node.children(), note.worker}
    node.kill()
    node.wait()
    for pid in processes:
        until(lambda pid=pid: not is_alive(pid))
    assert handle.status() == Status.RUNNING


@on_sqlite  # between supervisor and worker: the same on every database
def test_r22_a_workers_subprocess_dies_with_it(scene: Scene) -> None:
    scene.start()
    handle = scene.engine.submit(apps.parent.bind(scene.log, str(scene.gate)))
    note = scene.first_note("child")
    child = until(lambda: apps.child_pid(scene.log))
    os.kill(note.worker, signal.SIGKILL)
    until(lambda: not is_alive(child))
    scene.gate.touch()
    handle.result(timeout=30)


@on_sqlite  # between supervisor and worker: the same on every database
def test_a_stalled_hub_is_named_with_its_stack_and_gets_no_new_work(scene: Scene) -> None:
    node = scene.start(workers=2)
    stalled = scene.engine.submit(apps.clogged.bind(scene.log, str(scene.gate)))
    worker = scene.first_note("clog").worker
    until(lambda: f"(pid {worker}) is busy with one thing for long" in node.text() and "in clog" in node.text())
    others = [scene.engine.submit(apps.count.bind(3)) for _ in range(20)]
    assert [handle.result(timeout=30) for handle in others] == [3] * 20, "the other worker runs them"
    assert stalled.status() == Status.RUNNING
    scene.gate.touch()
    assert stalled.result(timeout=30) == "released"
    until(lambda: "goes on" in node.text())


@on_sqlite  # between supervisor and worker: the same on every database
def test_a_hundred_workers_share_one_supervisor(scene: Scene) -> None:
    node = scene.start(workers=100, concurrency=2, lease_ttl_seconds=10.0)
    handles = [scene.engine.submit(apps.held.bind(scene.log, str(scene.gate))) for _ in range(200)]
    until(lambda: len(scene.notes()) == 200, seconds=60)
    assert len({note.worker for note in scene.notes()}) == 100
    scene.gate.touch()
    assert [handle.result(timeout=60) for handle in handles] == ["released"] * 200
    assert node.stop() == 0


@on_sqlite  # nothing reaches the database
def test_steps_that_a_body_calls_in_a_pool_of_threads_are_refused(scene: Scene) -> None:
    scene.start()
    with pytest.raises(hydra.WorkflowFailed, match="run steps side by side"):
        scene.engine.submit(apps.pooled.bind(scene.log)).result(timeout=30)
    (heard,) = scene.engine.submit(apps.heard.bind(scene.log)).result(timeout=30)
    assert "step `add` is called in a thread or callback" in heard
    assert scene.notes() == []


@pytest.mark.parametrize("shape", ["one after the other", "gathered"])
def test_after_a_cancel_at_most_one_more_step_begins_whatever_the_heartbeat(scene: Scene, shape: str) -> None:
    scene.start(lease_ttl_seconds=60.0)
    handle = scene.engine.submit(apps.marches.bind(scene.log, shape))
    until(lambda: len(scene.notes()) > 3)
    handle.cancel()
    begun = len(scene.notes())
    until(lambda: handle.status() == Status.CANCELLED)
    assert len(scene.notes()) <= begun + 1
    assert len(scene.notes()) < 100


@on_sqlite  # poison is parked on every database, above
@pytest.mark.parametrize("how", ["sleeps", "loops"])
def test_a_body_that_blocks_is_named_and_parked_and_its_neighbours_go_on(scene: Scene, how: str) -> None:
    scene.start(concurrency=8)
    blocker = scene.engine.submit(apps.blocks.bind(scene.log, how))
    neighbours = [scene.engine.submit(apps.life.bind(scene.log)) for _ in range(5)]
    assert [each.result(timeout=60) for each in neighbours] == [["first", "second", "third"]] * 5
    until(lambda: blocker.status() == Status.PARKED, seconds=60)
    assert "its body ran twice in a row for longer than its `body_timeout`" in blocker.execution().reason
    assert len({note.key for note in scene.notes() if note.word == "before"}) == 1
    endings = [line.ending for line in blocker.attempts()]
    assert endings == [Ending.CRASHED, Ending.PARKED]
    deaths = [each.execution().death_count for each in neighbours]
    assert deaths == [0] * 5, "no death of the worker is theirs"
    text = scene.nodes[0].text()
    assert f"the body of execution `{blocker.id}` of workflow `blocks` has held up its worker" in text
    assert "in blocks" in text, "its stack"
