"""Pauses and drains across nodes and restarts: by the engine, by its asynchronous twin, by the command line."""

from __future__ import annotations

import asyncio

import hydra
import pytest
from hydra.errors import ConfigError, NotFound
from hydra.execution import Status

from tests.processes import apps
from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, until


def test_a_pause_outlasts_a_restart_and_ends_with_work_at_once(scene: Scene) -> None:
    with scene.engine.worker():
        assert scene.engine.submit(apps.count.bind(3)).result(timeout=30) == 3
        scene.engine.pause_workflow(apps.count, reason="the bank is down")
        waits = scene.engine.submit(apps.count.bind(4))
    with scene.engine.worker():
        sleeper = scene.engine.submit(apps.life.bind(scene.log))
        until(lambda: len(scene.notes()) >= 2)
        assert waits.status() == Status.PENDING
        (pause,) = scene.engine.pauses()
        assert (pause.kind, pause.name, pause.reason) == ("workflow", "count", "the bank is down")
        assert pause.paused_by.startswith("program:")
        assert scene.engine.resume_workflow("count")
        assert waits.result(timeout=30) == 6
        assert sleeper.result(timeout=30) == ["first", "second", "third"]
    assert scene.engine.pauses() == []


@on_sqlite  # what a node does with it is the same on every database
def test_a_drained_supervisor_ends_what_it_has_and_itself(scene: Scene) -> None:
    node = scene.start(lease_ttl_seconds=1.5)
    held = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    scene.first_note()
    (state,) = [state for state in scene.engine.nodes() if state.state == "alive"]
    scene.engine.drain_node(state.info.id, reason="a new kernel")
    until(lambda: "draining" in node.text())
    later = scene.engine.submit(apps.count.bind(4))
    scene.gate.touch()
    assert node.wait() == 0
    assert [step.status for step in held.steps()] == ["completed"], "its step was given time to end"
    assert held.status() == later.status() == Status.PENDING
    with pytest.raises(NotFound, match=f"no living node `{state.info.id}` in namespace `default`: none is alive"):
        scene.engine.drain_node(state.info.id)


@on_sqlite  # the same on every database
def test_orders_that_cannot_be_are_one_sentence(scene: Scene) -> None:
    with pytest.raises(NotFound, match="no workflow `bil` in namespace `default`, so nothing is paused: none is known"):
        scene.engine.pause_workflow("bil")
    with pytest.raises(ConfigError, match="`reason` must be a text of at most 1000 characters"):
        scene.engine.pause_namespace(reason="x" * 1001)
    assert not scene.engine.resume_workflow("bil")
    assert not scene.engine.resume_namespace()


@on_sqlite  # it calls the engine
def test_the_asynchronous_engine_orders_the_same(scene: Scene) -> None:
    async def order() -> None:
        async with hydra.AsyncEngine(scene.url) as engine:
            await engine.submit(apps.count.bind(1))
            await engine.pause_workflow(apps.count)
            await engine.pause_namespace(reason="a rehearsal")
            assert [(pause.kind, pause.name) for pause in await engine.pauses()] == [
                ("namespace", ""),
                ("workflow", "count"),
            ]
            assert await engine.resume_namespace()
            assert await engine.resume_workflow("count")
            with pytest.raises(NotFound):
                await engine.drain_node("nobody")

    asyncio.run(order())
