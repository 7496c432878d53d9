"""Signals through Engine and Handle, on every database, with a worker at work."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from typing import Any

import hydra
import pytest
from hydra import keys

WAIT_SECONDS = 60


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
    handle.signal("approved", "one", id=repeated)  # it is known, so that a sender who heard nothing may repeat it
    with pytest.raises(hydra.IllegalMove, match="takes no event"):
        handle.signal("approved", "one", id=str(uuid.uuid4()))
    with pytest.raises((hydra.IllegalMove, hydra.IdempotencyConflict)):
        handle.signal("approved", "two", id=repeated)


def test_r17_a_signal_arrives_once_by_the_senders_own_id(working: hydra.Engine) -> None:
    handle = working.submit(approve.bind("a"))
    other = working.submit(approve.bind("a"))

    async def send() -> None:
        async with hydra.AsyncEngine(working.url) as engine:
            await engine.signal(handle.id, "approved", "one", signal_id="evt_123")
            await (await engine.get(handle.id)).signal("approved", "one", id="evt_123")

    handle.signal("approved", "one", id="evt_123")
    working.signal(handle.id, "approved", "one", signal_id="evt_123")
    asyncio.run(send())
    with pytest.raises(hydra.IdempotencyConflict, match=r"signal `evt_123` was sent .* before") as caught:
        handle.signal("approved", "1", id="evt_123")
    assert caught.value.conflicts == ["evt_123"]
    for known in spellings(uuid.uuid4()):
        other.signal("approved", "its own", id=known)
    other.signal("approved", "two", id="evt_123")
    handle.signal("approved", "two")
    assert handle.result(timeout=WAIT_SECONDS) == ("one", "two")
    assert other.result(timeout=WAIT_SECONDS) == ("its own", "two")


def spellings(id: uuid.UUID) -> list[str]:
    return [str(id), str(id).upper(), id.hex, id.hex.upper(), f"{{{id}}}", id.urn, id.urn.upper(), f"{{{id.hex}}}"]


def test_a_uuid_is_one_id_of_a_signal_in_all_its_spellings_and_what_only_looks_like_one_is_a_text() -> None:
    id = uuid.UUID("0123abcd-0123-4abc-8abc-0123456789ab")
    assert {keys.signal_id(text) for text in spellings(id)} == {str(id)}
    others = [f"{{{id}", f"{id}}}", f" {id}", str(id)[:-1], str(id).replace("-", "", 1), f"uuid:{id}", f"urn:{id}"]
    assert len({keys.signal_id(text) for text in [*others, str(id)]}) == len(others) + 1


@pytest.mark.parametrize("id", ["", "x" * 501, "\ud800", 7])
def test_what_is_no_id_of_a_signal_is_refused(id: Any) -> None:
    with pytest.raises(hydra.ConfigError, match="give a text of 1 to 500 characters"):
        keys.signal_id(id)


def test_the_uuid_of_a_signals_id_never_changes() -> None:
    assert keys.signal_id("evt_123") == str(uuid.uuid5(uuid.UUID("6e0a4b5a-1d4f-5c0e-9b0e-2f6f3c1d7a55"), "evt_123"))


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


@dataclasses.dataclass
class Bill:
    number: int


@dataclasses.dataclass
class GrownBill:
    number: int
    currency: str = "EUR"


BILLS = {"old": Bill(1), "grown": GrownBill(1), "other": GrownBill(1, "USD")}


@hydra.workflow(name="children-settle")
def settle(bill: Any) -> str:
    return str(bill.number)


@hydra.workflow(name="children-grown")
def settle_by_key(which: str, policy: str) -> tuple[str, str]:
    try:
        child = hydra.spawn(settle.bind(BILLS[which]), key="bill-1", key_reuse=policy)
    except hydra.IdempotencyConflict as error:
        return type(error).__name__, ""
    return child.id, child.result()


@hydra.workflow(name="children-grown-async")
async def settle_by_key_async(which: str, policy: str) -> tuple[str, str]:
    child = await hydra.aio.spawn(settle.bind(BILLS[which]), key="bill-1", key_reuse=policy)
    return child.id, await child.result()


def test_g5_a_key_adopts_its_execution_though_its_arguments_class_gained_a_field(working: hydra.Engine) -> None:
    def run(workflow: Any, which: str, policy: str = "first") -> Any:
        return working.submit(workflow.bind(which, policy)).result(timeout=WAIT_SECONDS)

    first = run(settle_by_key, "old")
    assert run(settle_by_key, "grown") == first
    assert run(settle_by_key_async, "grown") == first
    assert run(settle_by_key, "other") == ("IdempotencyConflict", "")
    assert run(settle_by_key, "grown", "reject") == run(settle_by_key, "other", "reject") == ("KeyTaken", "")
    assert len(working.executions(workflow="children-settle")) == 1


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
