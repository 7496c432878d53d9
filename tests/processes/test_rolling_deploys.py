"""A rolling deploy: supervisors with old and new code on one database (R27)."""

from __future__ import annotations

import signal

import hydra
from hydra.execution import DIVERGED, Ending, Status
from hydra.stores import open_store

from tests.processes.scene import Node, Scene, until

SOURCE = """
import hydra

@hydra.step
def old_step() -> str:
    return "old"

@hydra.step
def new_step() -> str:
    return "new"

@hydra.workflow
def ship() -> str:
    first = {step}()
    hydra.wait_event("go")
    return first + {step}()
"""
SHIP = hydra.named("ship")


def start(scene: Scene, version: str) -> Node:
    folder = scene.folder / version
    folder.mkdir()
    (folder / "shipping.py").write_text(SOURCE.format(step=f"{version}_step"))
    node = scene.start("shipping", folder=folder, lease_ttl_seconds=6.0)
    until(lambda: any(state.info.pid == node.pid and state.code_version for state in scene.engine.nodes()))
    return node


def test_r27_what_the_old_code_began_ends_with_the_old_code_while_it_lives(scene: Scene) -> None:
    old = start(scene, "old")
    began = [scene.engine.submit(SHIP.bind()) for _ in range(5)]
    until(lambda: all(handle.status() == Status.WAITING for handle in began))
    new = start(scene, "new")
    store = open_store(scene.url)
    with (
        store.transaction()
    ):  # on SQLite nobody else is in the middle of one, which it would keep while it stands still
        old.kill(signal.SIGSTOP)  # so that the new node meets them first; for less than the lease
    store.close()
    for handle in began[:4]:
        handle.signal("go")
    until(lambda: new.text().count("goes over to node") == 4)
    old.kill(signal.SIGCONT)
    assert [handle.result(timeout=30) for handle in began[:4]] == ["oldold"] * 4
    for handle in began[:4]:
        diverged = [line for line in open_store(scene.url).claims(handle.id) if line.detail == DIVERGED]
        assert [line.ending for line in diverged] == [Ending.RELEASED], "it met the new code once"

    assert old.stop() == 0
    began[4].signal("go")
    until(lambda: began[4].status() == Status.PARKED)
    assert "the code asks for `new_step` number 1, the record has `old_step` number 1" in began[4].execution().reason
