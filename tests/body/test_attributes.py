"""What bodies publish of themselves: recorded once, seen without a worker, and a divergence where a body differs."""

from __future__ import annotations

from typing import Any

import hydra
import pytest
from hydra.attributes import ATTRIBUTES
from hydra.errors import HydraError, PayloadError, WorkflowFailed
from hydra.execution import Status
from hydra.testing import Harness, crash_matrix
from hydra.workflow import registry

SEARCH: dict[str, type] = {"customer": str, "state": str, "count": int}


@hydra.step
def searched_charge(customer: str) -> str:
    return customer


def published(harness: Harness, id: str) -> dict[str, Any]:
    return harness.engine.get(id).execution().attributes


def test_a_body_publishes_how_far_it_is(harness: Harness) -> None:
    seen = []

    @hydra.step
    def look(id: str) -> None:
        seen.append(published(harness, id))

    @hydra.workflow(search=SEARCH)
    def publishing(customer: str) -> None:
        hydra.set_attributes(state="charging", count=1)
        look(hydra.current().id)
        hydra.set_attributes(state="waiting", count=None)
        hydra.sleep(10)
        hydra.set_attributes(state="done")

    handle = harness.submit(publishing.bind("c-17"))
    harness.advance(1)
    assert seen == [{"customer": "c-17", "state": "charging", "count": 1}], "before the next step starts"
    assert published(harness, handle.id) == {"customer": "c-17", "state": "waiting"}
    (found,) = harness.engine.executions(attributes={"state": "waiting"}, status="sleeping")
    assert found.id == handle.id
    harness.advance(10)
    assert handle.status() is Status.COMPLETED
    assert published(harness, handle.id) == {"customer": "c-17", "state": "done"}
    assert sum(record.name == ATTRIBUTES for record in handle.records()) == 3


def test_an_async_body_does_too(harness: Harness) -> None:
    @hydra.workflow(search=SEARCH)
    async def publishing_later(customer: str) -> None:
        await hydra.aio.set_attributes(state="begun")
        await hydra.aio.sleep(10)
        await hydra.aio.set_attributes(state="done")

    handle = harness.submit(publishing_later.bind("c-17"))
    harness.advance(1)
    assert published(harness, handle.id) == {"customer": "c-17", "state": "begun"}
    harness.advance(10)
    assert published(harness, handle.id) == {"customer": "c-17", "state": "done"}


def test_a_replay_changes_nothing_back(harness: Harness) -> None:
    @hydra.workflow(search=SEARCH)
    def resting(customer: str) -> None:
        hydra.set_attributes(state="resting")
        hydra.sleep(10)
        searched_charge(customer)

    handle = harness.submit(resting.bind("c-17"))
    harness.advance(1)
    handle.set_attributes({"state": "seen", "count": 5}, reason="ticket 81")
    assert published(harness, handle.id) == {"customer": "c-17", "state": "seen", "count": 5}
    (act,) = handle.acts()
    assert (act.kind, act.reason, act.detail) == ("attributes", "ticket 81", "`count`, `state`")
    harness.advance(10)
    assert handle.status() is Status.COMPLETED
    assert published(harness, handle.id)["state"] == "seen"
    with pytest.raises(PayloadError, match="declares no attribute `stat`"):
        handle.set_attributes({"stat": "seen"})


@pytest.mark.parametrize("is_async", [False, True])
def test_a_body_that_sets_something_else_there_differs_from_its_records(harness: Harness, is_async: bool) -> None:
    def deploy(state: str) -> Any:
        registry.workflows.pop("redeployed", None)

        def body() -> None:
            hydra.set_attributes(state=state)
            hydra.sleep(10)

        async def async_body() -> None:
            await hydra.aio.set_attributes(state=state)
            await hydra.aio.sleep(10)

        return hydra.workflow(name="redeployed", search=SEARCH)(async_body if is_async else body)

    handle = harness.submit(deploy("old").bind())
    harness.advance(1)
    deploy("new")
    harness.advance(20)
    assert handle.status() is Status.PARKED
    assert "hydra.attributes" in handle.execution().reason
    assert published(harness, handle.id) == {"state": "old"}


def test_a_crash_at_any_boundary_leaves_what_the_journal_says() -> None:
    runs: list[Harness] = []

    @hydra.workflow(search=SEARCH)
    def crashing(customer: str) -> str:
        for number in range(2):
            hydra.set_attributes(state=f"step {number}", count=number)
            searched_charge(customer)
        hydra.set_attributes(state="done")
        return "done"

    seen: list[list[dict[str, Any]]] = []

    def found() -> list[dict[str, Any]]:
        seen.append([each.attributes for each in runs[-1].engine.executions(attributes={"state": "done"})])
        return seen[-1]

    report = crash_matrix(crashing.bind("c-17"), effects=found, setup=runs.append)
    assert report.result == "done" and len(runs) == len(report.boundaries) + 1
    assert seen == [[{"customer": "c-17", "state": "done", "count": 1}]] * len(runs)


def test_where_it_belongs_is_said_in_a_sentence(harness: Harness) -> None:
    @hydra.step
    def setting_step() -> None:
        hydra.set_attributes(state="x")

    @hydra.workflow(search=SEARCH)
    def misplaced() -> None:
        setting_step()

    @hydra.workflow(search=SEARCH)
    def undeclared() -> None:
        hydra.set_attributes(custmer="x")

    @hydra.workflow(search=SEARCH)
    async def blocking() -> None:
        hydra.set_attributes(state="x")

    for workflow, sentence in (
        (misplaced, "belongs in a workflow's body, not in step `setting_step`"),
        (undeclared, "declares no attribute `custmer`"),
        (blocking, "await hydra.aio.set_attributes"),
    ):
        with pytest.raises(WorkflowFailed, match=sentence):
            harness.submit(workflow.bind()).result()
    with pytest.raises(HydraError, match="works only inside an execution"):
        hydra.set_attributes(state="x")


def test_what_follows_from_a_submission_begins_with_its_own(harness: Harness) -> None:
    @hydra.workflow(search=SEARCH)
    def followed(customer: str) -> str:
        hydra.set_attributes(state="one")
        searched_charge(customer)
        hydra.set_attributes(state="two")
        return customer

    @hydra.workflow
    def parent_of_followed() -> str:
        return hydra.spawn(followed.bind("child")).result()

    engine = harness.engine
    harness.submit(parent_of_followed.bind()).result()
    (child,) = engine.executions(attributes={"customer": "child"})
    again = engine.rerun(child.id, force=True)
    assert published(harness, again.id) == {"customer": "child"}
    fork = engine.fork(child.id, "searched_charge")
    assert published(harness, fork.id) == {"customer": "child", "state": "one"}
    other = engine.fork(child.id, "searched_charge", input=followed.bind("child"))
    assert published(harness, other.id) == {"customer": "child", "state": "one"}
    engine.submit_many([followed.bind(f"c-{n}") for n in range(3)])
    assert engine.select(attributes=["customer=c-1"]).count() == 1
    with pytest.raises(PayloadError, match="workflow `followed` cannot be submitted like this: the value"):
        engine.submit(followed.bind("x" * 300))


def test_a_child_by_its_name_begins_with_the_same(harness: Harness) -> None:
    @hydra.workflow(search=SEARCH)
    def defaulted(customer: str = "nobody", count: int = 3) -> str:
        return customer

    @hydra.workflow
    def parent_of_defaulted() -> None:
        hydra.spawn(defaulted.bind()).result()
        hydra.spawn(hydra.named("defaulted").bind()).result()
        hydra.spawn(hydra.named("defaulted").bind("c-17")).result()

    assert harness.submit(parent_of_defaulted.bind()).result() is None
    found = harness.engine.executions(workflow="defaulted")
    assert [each.attributes["customer"] for each in found] == ["c-17", "nobody", "nobody"]
    assert harness.engine.select(attributes={"count": 3}).count() == 3
