"""Signals through Engine and Handle, on every database, with a worker at work."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator

import hydra
import pytest

WAIT_SECONDS = 60

DATABASES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}/hydra.db",
    "postgres": lambda request: request.getfixturevalue("postgres_url"),
    "mysql": lambda request: request.getfixturevalue("mysql_url"),
}


@pytest.fixture(params=DATABASES)
def working(request: pytest.FixtureRequest) -> Iterator[hydra.Engine]:
    with hydra.Engine(DATABASES[request.param](request)) as engine:
        with engine.worker():
            yield engine
        assert engine.audit() == []


@hydra.workflow(name="events-approve")
def approve(name: str) -> tuple[str, str]:
    first = hydra.wait_event("approved", type=str)
    second = hydra.wait_event("approved", type=str, timeout=600)
    return first, second


@hydra.workflow(name="events-impatient")
def impatient() -> str:
    try:
        return hydra.wait_event("approved", type=str, timeout=0.05)
    except hydra.EventTimeout:
        return "late"


def test_signals_before_and_after_the_wait_come_in_order(working: hydra.Engine) -> None:
    handle = working.submit(approve.bind("a"), key="k")
    repeated = str(uuid.uuid4())
    handle.signal("approved", "one", id=repeated)
    handle.signal("approved", "one", id=repeated)
    working.find(approve, "k").signal("approved", "two")
    assert handle.result(timeout=WAIT_SECONDS) == ("one", "two")
    with pytest.raises(hydra.IllegalMove, match="takes no event"):
        handle.signal("approved", "three")


def test_a_wait_that_runs_out_of_time_says_so(working: hydra.Engine) -> None:
    assert working.submit(impatient.bind()).result(timeout=WAIT_SECONDS) == "late"


def test_a_signal_to_nobody_is_refused(working: hydra.Engine) -> None:
    with pytest.raises(hydra.NotFound):
        working.signal(str(uuid.uuid4()), "approved")
    with pytest.raises(hydra.ConfigError):
        working.submit(approve.bind("b")).signal("hydra.child", 1)


@hydra.workflow(name="children-double")
def double(number: int) -> int:
    if number < 0:
        raise ValueError(f"no {number}")
    return number * 2


@hydra.workflow(name="children-sum")
def total(numbers: list[int]) -> int:
    children = [hydra.spawn(double.bind(number)) for number in numbers]
    return sum(child.result() for child in children)


@hydra.workflow(name="children-caught")
def caught(number: int) -> tuple[str, str]:
    child = hydra.spawn(double.bind(number))
    try:
        child.result()
    except hydra.WorkflowFailed as error:
        return type(error.__cause__).__name__, str(error.__cause__)
    return "", ""


@hydra.workflow(name="children-keyed")
def keyed(number: int, key: str) -> tuple[str, int]:
    child = hydra.spawn(double.bind(number), key=key)
    return child.id, child.result()


@hydra.workflow(name="children-clash")
def clash(key: str) -> str:
    try:
        hydra.spawn(double.bind(99), key=key)
    except hydra.IdempotencyConflict as error:
        return error.conflicts[0]
    return ""


@hydra.workflow(name="children-async")
async def async_total(numbers: list[int]) -> int:
    children = [await hydra.aio.spawn(double.bind(number)) for number in numbers]
    return sum(await asyncio.gather(*(child.result() for child in children)))


@hydra.workflow(name="children-stuck")
def stuck() -> None:
    hydra.spawn(approve.bind("child")).result()


def test_children_run_and_their_results_come_back(working: hydra.Engine) -> None:
    assert working.submit(total.bind([1, 2, 3])).result(timeout=WAIT_SECONDS) == 12
    assert working.submit(async_total.bind([1, 2, 3])).result(timeout=WAIT_SECONDS) == 12


def test_a_childs_failure_is_raised_from_what_left_its_body(working: hydra.Engine) -> None:
    assert working.submit(caught.bind(-1)).result(timeout=WAIT_SECONDS) == ("ValueError", "no -1")


def test_a_key_that_is_known_adopts_its_execution(working: hydra.Engine) -> None:
    known = working.submit(double.bind(4), key="four")
    known.result(timeout=WAIT_SECONDS)
    assert working.submit(keyed.bind(4, "four")).result(timeout=WAIT_SECONDS) == (known.id, 8)
    id, value = working.submit(keyed.bind(5, "five")).result(timeout=WAIT_SECONDS)
    assert (working.find(double, "five").id, value) == (id, 10)
    assert working.submit(clash.bind("four")).result(timeout=WAIT_SECONDS) == "four"


def test_cancelling_a_parent_cancels_its_children(working: hydra.Engine) -> None:
    parent = working.submit(stuck.bind())
    deadline = time.monotonic() + WAIT_SECONDS
    while not (children := working.executions(workflow="events-approve", status="waiting")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    parent.cancel()
    with pytest.raises(hydra.WorkflowCancelled):
        parent.result(timeout=WAIT_SECONDS)
    with pytest.raises(hydra.WorkflowCancelled):
        working.get(children[0].id).result(timeout=WAIT_SECONDS)


undone: list[str] = []


@hydra.step
def undo(what: str) -> None:
    undone.append(what)


@hydra.workflow(name="undo-asleep")
def asleep(mark: str) -> None:
    hydra.on_failure(undo.bind(f"{mark} first"))
    hydra.on_failure(undo.bind(f"{mark} second"))
    hydra.sleep(3600)


def test_cancelling_what_sleeps_runs_its_undo_steps_first(working: hydra.Engine) -> None:
    mark = str(uuid.uuid4())
    handle = working.submit(asleep.bind(mark))
    wait_for_status(handle, "sleeping")
    handle.cancel()
    with pytest.raises(hydra.WorkflowCancelled):
        handle.result(timeout=WAIT_SECONDS)
    assert [what for what in undone if what.startswith(mark)] == [f"{mark} second", f"{mark} first"]


def wait_for_status(handle: hydra.Handle[object], status: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while handle.status() != status:
        assert time.monotonic() < deadline, handle.execution()
        time.sleep(0.01)
