"""A child by name that is refused, in whichever task of an async body: what other tasks' steps did is on record."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.execution import Status

from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene

WAIT_SECONDS = 60.0
CHARGES = ("charge", "async_charge", "careful_charge", "careful_async_charge")
SHAPES = ("task", "group", "gather", "call")
CASES = list(itertools.product(CHARGES, SHAPES, (False, True), (False, True)))

begun: Counter[str] = Counter()
ended: Counter[str] = Counter()
has_stopped = threading.Event()  # every execution is told to stop by now


def is_here(condition: Any) -> Iterator[float]:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        yield 0.01


def until(condition: Any) -> None:
    for seconds in is_here(condition):
        time.sleep(seconds)


async def until_async(condition: Any) -> None:
    for seconds in is_here(condition):
        await asyncio.sleep(seconds)


async def charge_async(case: str) -> str:
    begun[case] += 1
    await until_async(has_stopped.is_set)
    ended[case] += 1
    return case


def charge(case: str) -> str:
    begun[case] += 1
    has_stopped.wait(WAIT_SECONDS)
    ended[case] += 1
    return case


def unsure(key: str) -> Any:
    return hydra.UNSURE


async def unsure_async(key: str) -> Any:
    return hydra.UNSURE


STEPS = {
    "charge": hydra.step(name="beside.charge")(charge),
    "async_charge": hydra.step(name="beside.async_charge")(charge_async),
    "careful_charge": hydra.step(name="beside.careful_charge", lookup=unsure)(charge),
    "careful_async_charge": hydra.step(name="beside.careful_async_charge", lookup=unsure_async)(charge_async),
}


@hydra.step(name="beside.looks")
async def looks(case: str) -> None:
    await until_async(lambda: begun[case])


async def spawned(case: str) -> str:
    await looks(case)
    child = await hydra.aio.spawn(hydra.named("beside.child").bind())
    return str(await child.result())


async def shaped(step: str, shape: str, is_own_task: bool, case: str) -> list[str]:
    charging = hydra.aio.call(STEPS[step].bind(case))
    match shape:
        case "task":
            task = asyncio.create_task(charging)
            child = await (asyncio.create_task(spawned(case)) if is_own_task else spawned(case))
            return [await task, child]
        case "group":
            async with asyncio.TaskGroup() as group:
                task = group.create_task(charging)
                child = await (group.create_task(spawned(case)) if is_own_task else spawned(case))
            return [task.result(), child]
        case "gather" if is_own_task:
            return list(await asyncio.gather(charging, spawned(case)))
        case "gather":  # both calls are the body's own
            task = asyncio.create_task(charging)
            await looks(case)
            _, child = await asyncio.gather(task, hydra.aio.spawn(hydra.named("beside.child").bind()))
            return [task.result(), await child.result()]
        case _:  # the step under way is called after a timer and a value were recorded in its own branch
            task = asyncio.create_task(charging)
            spawning = asyncio.create_task(spawned(case))
            hydra.uuid4()
            await asyncio.sleep(0.01)
            hydra.uuid4()
            child = await (spawning if is_own_task else spawned(case))
            return [await task, child, *([] if is_own_task else [await spawning])]


@hydra.workflow(name="beside.parent")
async def parent(step: str, shape: str, is_own_task: bool, is_deep: bool, case: str) -> list[str]:
    """`is_deep`: the whole of it is a task's, whose branch is not the body's."""
    body = shaped(step, shape, is_own_task, case)
    return await (asyncio.create_task(body) if is_deep else body)


@hydra.workflow(name="beside.child")
def child() -> str:
    return "child"


@pytest.mark.parametrize("order", ["resume", "cancel"])
def test_g4_what_a_step_did_beside_a_refused_child_is_on_record_whichever_task_asked_for_the_child(
    tmp_path: Path, allow_spawns: Callable[[], None], caplog: pytest.LogCaptureFixture, order: str
) -> None:
    for counter in (begun, ended):
        counter.clear()
    has_stopped.clear()
    with hydra.Engine(f"sqlite:///{tmp_path}/beside.db") as engine, engine.worker(len(CASES)):
        handles = {str(case): engine.submit(parent.bind(*case, str(case))) for case in CASES}
        stops = "is parked once its steps under way have ended"
        until(lambda: sum(stops in record.message for record in caplog.records) >= len(CASES))
        assert set(ended) == set() and set(begun) == set(handles)
        has_stopped.set()
        until(lambda: all(handle.status() == Status.PARKED for handle in handles.values()))
        missing = [case for case, handle in handles.items() if charges_of(handle) != ["completed"]]
        assert missing == [], "these steps took effect, and nothing says so"
        allow_spawns()
        for handle in handles.values():
            handle.resume() if order == "resume" else handle.cancel()
        if order == "resume":
            for case, handle in handles.items():
                assert handle.result(timeout=WAIT_SECONDS)[:2] == [case, "child"]
        else:
            until(lambda: all(handle.status() == Status.CANCELLED for handle in handles.values()))
        assert set(begun.values()) == set(ended.values()) == {1}
        assert [case for case, handle in handles.items() if charges_of(handle) != ["completed"]] == []
        assert engine.audit() == []


def charges_of(handle: Any) -> list[str]:
    """Their states."""
    return [str(step.status) for step in handle.steps() if step.name.endswith("charge")]


CHILD = """
import hydra

@hydra.workflow(limits=[hydra.Concurrency(1, key=lambda number: str(number))])
def beside_killed_child(number: int) -> int:
    return number
"""
PARENT = """
import asyncio
import os
import time
import hydra
from tests.processes.apps import note

@hydra.step
def beside_killed_charge(log: str, gate: str) -> None:
    note(log, "charge")
    while not os.path.exists(gate):
        time.sleep(0.005)

@hydra.step
async def beside_killed_looks(log: str) -> None:
    while not os.path.exists(log):
        await asyncio.sleep(0.005)

@hydra.workflow
async def beside_killed(log: str, gate: str) -> None:
    charging = asyncio.create_task(hydra.aio.call(beside_killed_charge.bind(log, gate)))
    await hydra.aio.call(beside_killed_looks.bind(log))
    await hydra.aio.spawn(hydra.named("beside_killed_child").bind(1))
    await charging
"""


@on_sqlite
def test_g4_a_step_that_dies_beside_a_child_that_the_bodys_own_task_asked_for_leaves_a_crash(
    scene: Scene, tmp_path: Path
) -> None:
    for name, text in (("beside_child", CHILD), ("beside_parent", PARENT)):
        (tmp_path / f"{name}.py").write_text(text)
    child = scene.start("beside_child", folder=tmp_path)
    until(lambda: any(each.name == "beside_killed_child" for each in scene.engine.workflows()))
    child.stop()
    node = scene.start("beside_parent", folder=tmp_path)
    until(lambda: any(each.name == "beside_killed" for each in scene.engine.workflows()))
    handle = scene.engine.submit(hydra.named("beside_killed").bind(scene.log, str(scene.gate)))
    until(lambda: "is parked once its steps under way have ended" in node.text())
    os.kill(scene.first_note("charge").worker, signal.SIGKILL)
    until(lambda: handle.status() == Status.PARKED)
    assert charges_of(handle) == ["crashed"]
    scene.gate.touch()
    handle.resume()
    until(lambda: handle.status() == Status.PARKED and charges_of(handle) == ["completed"])
    handle.cancel()
    until(lambda: handle.status() == Status.CANCELLED)
    assert charges_of(handle) == ["completed"]
    assert [note.word for note in scene.notes()] == ["charge", "charge"]
