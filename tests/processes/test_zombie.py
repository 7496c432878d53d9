"""A supervisor that is stopped past its lease, and one that is killed, while another takes over."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hydra import identity
from hydra.execution import Ending
from hydra.stores import open_store

from tests.processes import apps
from tests.processes.scene import Scene, is_alive, until


def states(scene: Scene) -> list[str]:
    return sorted(node.state for node in scene.engine.nodes())


def test_g2_r1_a_supervisor_stopped_past_its_lease_writes_nothing_and_starts_anew(scene: Scene) -> None:
    zombie = scene.start(lease_ttl_seconds=1.0)
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    before = scene.first_note()
    zombie.kill(signal.SIGSTOP)
    scene.start(lease_ttl_seconds=1.0)
    after = scene.first_note(count=2)
    assert after.supervisor != before.supervisor
    assert not is_alive(before.worker), (
        "a peer on the same host kills the dead node's workers before it gives work away"
    )
    scene.gate.touch()
    assert handle.result(timeout=30) == "released"
    records = open_store(scene.url).records(handle.id)

    zombie.kill(signal.SIGCONT)
    until(lambda: "declared dead" in zombie.text())
    until(lambda: states(scene).count("alive") == 2)
    assert open_store(scene.url).records(handle.id) == records
    assert [claim.ending for claim in open_store(scene.url).claims(handle.id)] == [Ending.LOST, Ending.COMPLETED]

    scene.nodes[1].stop()
    assert scene.engine.submit(apps.count.bind(3)).result(timeout=30) == 3
    assert zombie.stop() == 0


def test_r3_a_killed_supervisor_is_reaped_at_once_by_its_abandoned_lock(scene: Scene) -> None:
    """With a lease of a minute, only the lock file can tell so soon."""
    first = scene.start(lease_ttl_seconds=60.0)
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    before = scene.first_note()
    first.kill()
    first.wait()
    scene.start(lease_ttl_seconds=60.0)
    assert scene.first_note(count=2).worker != before.worker
    scene.gate.touch()
    assert handle.result(timeout=30) == "released"


def test_r3_a_dead_nodes_lock_file_is_removed(scene: Scene) -> None:
    first = scene.start(lease_ttl_seconds=1.0)
    assert scene.engine.submit(apps.count.bind(1)).result(timeout=30) == 0
    (abandoned,) = lock_files(scene)
    first.kill()
    first.wait()
    second = scene.start(lease_ttl_seconds=1.0)
    until(lambda: not abandoned.exists())
    assert second.stop() == 0
    assert not lock_files(scene)
    assert states(scene) == ["empty", "empty"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_r20_a_stopped_supervisor_that_holds_the_write_lock_is_killed(scene: Scene) -> None:
    zombie = scene.start(kill="supervisor:inside record commit", lease_ttl_seconds=1.0)
    handle = scene.engine.submit(apps.life.bind(scene.log))
    until(scene.mark.exists)
    scene.start(lease_ttl_seconds=1.0)
    assert zombie.wait() == -signal.SIGKILL
    assert handle.result(timeout=30) == ["first", "second", "third"]


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_r20_a_supervisor_stopped_in_a_transaction_lets_go_of_its_locks(scene: Scene) -> None:
    """The server ends its session before its lease ends, so that its peer can take over."""
    zombie = scene.start(kill="supervisor:inside record commit", lease_ttl_seconds=1.0)
    handle = scene.engine.submit(apps.life.bind(scene.log))
    until(scene.mark.exists)
    scene.start(lease_ttl_seconds=1.0)
    assert handle.result(timeout=30) == ["first", "second", "third"]
    zombie.kill(signal.SIGCONT)
    until(lambda: states(scene).count("alive") == 2)
    assert zombie.stop() == 0


def lock_files(scene: Scene) -> list[Path]:
    """Of nodes on this database."""
    store = open_store(scene.url)
    paths = [Path(identity.lock_path(identity.lock_prefix(store.path), node.info.id)) for node in store.nodes()]
    return [path for path in paths if path.exists()]
