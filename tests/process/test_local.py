"""`engine.worker()`: the same node, its one worker a thread of this process."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import apps
import pytest
from hydra.node.local import LocalWorker
from scene import Scene, until


def test_a_local_worker_runs_what_is_submitted_before_and_during(scene: Scene) -> None:
    early = scene.engine.submit(apps.count.bind(5))
    with scene.engine.worker(concurrency=4):
        assert early.result(timeout=30) == 10
        assert [scene.engine.submit(apps.count.bind(n)).result(timeout=30) for n in range(5)] == [0, 0, 1, 3, 6]
    assert {node.state for node in scene.engine.nodes()} == {"empty"}
    assert not [thread for thread in threading.enumerate() if thread.name in ("hydra-node", "hydra-hub", "hydra-store")]


def test_a_local_worker_hands_back_what_sleeps_and_another_finishes_it(scene: Scene) -> None:
    with scene.engine.worker():
        handle = scene.engine.submit(apps.life.bind(scene.log))
        until(lambda: len(scene.notes()) == 2)
    with scene.engine.worker():
        assert handle.result(timeout=30) == ["first", "second", "third"]
    assert set(scene.counts().values()) == {1}


def test_a_supervisor_takes_over_from_a_process_that_ends_with_its_local_worker(scene: Scene) -> None:
    pid = os.fork()
    if pid == 0:
        worker = LocalWorker(scene.url, lease_ttl_seconds=60.0)
        worker.start()
        scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
        scene.first_note()
        os._exit(0)
    os.waitpid(pid, 0)
    scene.start(lease_ttl_seconds=60.0)
    assert scene.first_note(count=2).worker != pid
    scene.gate.touch()
    until(lambda: scene.engine.stats().counts["held"].get("completed") == 1)


def test_a_local_worker_on_a_broken_url_says_so(tmp_path: Path) -> None:
    from hydra import ConfigError

    with pytest.raises(ConfigError):
        LocalWorker(f"sqlite:///{tmp_path}/none/here.db").start()
