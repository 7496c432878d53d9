"""What failed of its children, or of several things at once, is mended by one retry; forks past children; time-outs."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import hydra
import pytest
from hydra.execution import RecordKind
from hydra.testing import Harness

HOUR = 3600.0
effects: Counter[str] = Counter()
broken: set[str] = set()


@pytest.fixture(autouse=True)
def all_is_broken() -> None:
    effects.clear()
    broken.clear()
    broken.update(("settle", "left", "right", "third"))


@hydra.step
def mend(name: str) -> str:
    effects[name] += 1
    if name in broken:
        raise ConnectionError(f"{name} is down")
    return name


@hydra.step
async def mend_later(name: str) -> str:
    effects[name] += 1
    if name in broken:
        raise ConnectionError(f"{name} is down")
    return name


def family(harness: Harness, is_async: bool = False) -> tuple[hydra.Handle[Any], hydra.Handle[Any]]:
    """A parent that failed of its child."""

    @hydra.workflow
    def settle() -> str:
        return mend("settle")

    @hydra.workflow
    def order() -> list[str]:
        first = mend("first")
        child = hydra.spawn(settle.bind())
        return [first, child.result(), mend("last")]

    @hydra.workflow
    async def order_later() -> list[str]:
        first = await mend_later("first")
        child = await hydra.aio.spawn(settle.bind())
        return [first, await child.result(), await mend_later("last")]

    parent = harness.submit((order_later if is_async else order).bind())
    harness.run_until_idle()
    assert parent.status() == "failed"
    (child,) = harness.engine.executions(workflow="settle")
    return parent, harness.engine.get(child.id)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_parent_goes_on_once_the_child_it_failed_of_was_mended(harness: Harness, is_async: bool) -> None:
    parent, child = family(harness, is_async)
    broken.clear()
    child.retry()
    harness.run_until_idle()
    assert child.result() == "settle"
    parent.retry()
    harness.run_until_idle()
    assert parent.result() == ["first", "settle", "last"]
    assert effects == {"first": 1, "settle": 2, "last": 1}, "what was recorded before stays"


def test_a_mended_parent_replays_as_what_it_is(harness: Harness) -> None:
    parent, child = family(harness)
    broken.clear()
    child.retry()
    harness.run_until_idle()
    parent.retry()
    harness.crash()
    harness.run_until_idle()
    assert parent.result() == ["first", "settle", "last"]
    assert [record.kind for record in parent.records()].count(RecordKind.SUPERSEDE) == 1


def test_a_parent_is_not_retried_while_its_child_has_not_completed(harness: Harness) -> None:
    parent, child = family(harness)
    with pytest.raises(hydra.IllegalMove, match=f"failed of its child `{child.id}`, which is failed; retry that first"):
        parent.retry()
    child.retry()
    with pytest.raises(hydra.IllegalMove, match="which is pending; wait for its end"):
        parent.retry()
    assert parent.status() == "failed"


def test_a_keyed_child_that_was_adopted_is_found_again(harness: Harness) -> None:
    @hydra.workflow
    def settle() -> str:
        return mend("settle")

    @hydra.workflow
    def order() -> str:
        return hydra.spawn(settle.bind(), key="invoice-1").result()

    adopted = harness.submit(settle.bind(), key="invoice-1")
    parent = harness.submit(order.bind())
    harness.run_until_idle()
    broken.clear()
    adopted.retry()
    harness.run_until_idle()
    parent.retry()
    harness.run_until_idle()
    assert parent.result() == "settle"


def test_all_failures_of_a_gather_are_superseded_by_one_retry(harness: Harness) -> None:
    @hydra.workflow
    def gathers() -> Any:
        done = mend("first"), *hydra.gather(mend.bind("left"), mend.bind("right"), mend.bind("fine"))
        hydra.sleep(HOUR)
        return done

    handle = harness.submit(gathers.bind())
    harness.run_until_idle()
    assert handle.status() == "failed"
    broken.clear()
    handle.retry()
    harness.run_until_idle()
    harness.crash()
    harness.advance(2 * HOUR)
    assert handle.result() == ("first", "left", "right", "fine")
    assert effects == {"first": 1, "left": 2, "right": 2, "fine": 1}, "also when it is replayed afterwards"
    assert [record.kind for record in handle.records()].count(RecordKind.SUPERSEDE) == 2


@pytest.mark.parametrize("is_policy", [False, True])
def test_all_failures_of_a_task_group_are_superseded_by_one_retry(harness: Harness, is_policy: bool) -> None:
    """By a person's, or by the workflow's policy."""

    @hydra.workflow(max_attempts=2 if is_policy else 1, backoff=hydra.Backoff(HOUR, 1.0, HOUR, 0.0))
    async def groups() -> list[str]:
        first = await mend_later("first")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(mend_later(name)) for name in ("left", "right")]
        return [first, *(task.result() for task in tasks)]

    handle = harness.submit(groups.bind())
    harness.run_until_idle()
    broken.clear()
    if not is_policy:
        assert handle.status() == "failed"
        handle.retry()
    harness.advance(HOUR)
    assert handle.result() == ["first", "left", "right"]
    assert effects["first"] == 1


def test_a_failure_that_the_body_caught_is_not_superseded(harness: Harness) -> None:
    @hydra.workflow
    def catches() -> list[str]:
        try:
            hydra.gather(mend.bind("left"), mend.bind("right"))
        except ConnectionError:
            caught = "caught"
        return [caught, mend("third")]

    handle = harness.submit(catches.bind())
    harness.run_until_idle()
    broken.clear()
    handle.retry()
    harness.run_until_idle()
    assert handle.result() == ["caught", "third"]
    assert effects == {"left": 1, "right": 1, "third": 2}


# forks past children


def spawner(harness: Harness) -> hydra.Handle[Any]:
    @hydra.workflow
    def child(name: str) -> str:
        hydra.wait_event("go")
        return mend(name)

    @hydra.workflow
    def parent() -> list[str]:
        one = hydra.spawn(child.bind("one"))
        two = hydra.spawn(child.bind("two"), key="two")
        first = mend(one.result())
        middle = mend("middle")
        return [first, middle, two.result(), mend("end")]

    handle = harness.submit(parent.bind())
    harness.run_until_idle()
    return handle


def test_a_fork_past_children_takes_along_how_they_ended(harness: Harness) -> None:
    source = spawner(harness)
    one, two = sorted(harness.engine.executions(workflow="child"), key=lambda each: each.key or "")
    harness.engine.signal(one.id, "go")
    harness.run_until_idle()
    with pytest.raises(hydra.HydraError, match=f"its child `{two.id}` is waiting, and a fork takes along only"):
        harness.engine.fork(source.id, "mend", number=2)
    harness.engine.signal(two.id, "go")
    harness.run_until_idle()
    assert source.result() == ["one", "middle", "two", "end"]
    effects.clear()
    forks = [
        harness.engine.fork(source.id, "mend", number=2, key="fork"),
        harness.engine.fork(source.id, "mend"),
    ]
    assert harness.engine.fork(source.id, "mend", number=2, key="fork").id == forks[0].id
    harness.run_until_idle()
    assert [fork.result() for fork in forks] == [["one", "middle", "two", "end"]] * 2
    assert effects == {"one": 1, "middle": 2, "end": 2}, "and no child ran again"
    assert len(harness.engine.executions(workflow="child")) == 2


def test_a_fork_past_a_spawn_whose_key_was_anothers_has_no_such_child(harness: Harness) -> None:
    @hydra.workflow
    def child(what: str) -> str:
        return what

    @hydra.workflow
    def parent() -> list[str]:
        done = []
        for what in ("one", "other"):
            with suppress(hydra.IdempotencyConflict):
                done.append(hydra.spawn(child.bind(what), key="key").result())
        return [*done, mend("end")]

    source = harness.submit(parent.bind())
    harness.run_until_idle()
    fork = harness.engine.fork(source.id, "mend")
    harness.run_until_idle()
    assert fork.result() == source.result() == ["one", "end"]


# a parent's time-out


@pytest.mark.parametrize("parent_is", ["waiting", "running", "undone"])
def test_a_parents_time_out_reaches_its_children_like_a_cancel(harness: Harness, parent_is: str) -> None:
    @hydra.workflow
    def grandchild() -> None:
        hydra.wait_event("never")

    @hydra.workflow
    def child() -> None:
        hydra.on_failure(mend.bind("child undone"))
        hydra.spawn(grandchild.bind()).result()

    @hydra.step
    def takes_long() -> None:
        harness.clock.sleep(2 * HOUR)

    @hydra.workflow(timeout=timedelta(hours=1))
    def parent() -> None:
        if parent_is == "undone":
            hydra.on_failure(mend.bind("parent undone"))
        begun = hydra.spawn(child.bind())
        if parent_is == "running":
            hydra.sleep(HOUR / 2)
            takes_long()
        begun.result()

    handle = harness.submit(parent.bind())
    harness.advance(3 * HOUR)
    assert handle.status() == "failed"
    assert "within its time-out" in handle.execution().reason
    statuses = {each.workflow: each.status for each in harness.engine.executions()}
    assert statuses == {"parent": "failed", "child": "cancelled", "grandchild": "cancelled"}
    assert effects["child undone"] == 1


def test_a_parents_other_failure_leaves_its_children_alone(harness: Harness) -> None:
    @hydra.workflow
    def child() -> str:
        hydra.wait_event("go")
        return "went on"

    @hydra.workflow
    def parent() -> None:
        hydra.spawn(child.bind())
        mend("third")

    harness.submit(parent.bind())
    harness.run_until_idle()
    (found,) = harness.engine.executions(workflow="child")
    assert found.status == "waiting"


@pytest.mark.parametrize("is_async", [False, True])
def test_one_retry_is_told_again_of_all_children_that_were_mended(harness: Harness, is_async: bool) -> None:
    """Of the one that it failed of, of one whose failure stood unread, and of one that ended meanwhile."""

    @hydra.workflow
    def settle(name: str) -> str:
        if name == "late":
            hydra.sleep(HOUR)
        return mend(name)

    @hydra.workflow
    def order() -> list[str]:
        children = [hydra.spawn(settle.bind(name)) for name in ("left", "right", "late")]
        return [child.result() for child in children]

    @hydra.workflow
    async def order_later() -> list[str]:
        children = [await hydra.aio.spawn(settle.bind(name)) for name in ("left", "right", "late")]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child.result()) for child in children]
        return [task.result() for task in tasks]

    parent = harness.submit((order_later if is_async else order).bind())
    harness.run_until_idle()
    assert parent.status() == "failed"
    harness.advance(2 * HOUR)
    broken.clear()
    for child in harness.engine.executions(workflow="settle", status="failed"):
        harness.engine.get(child.id).retry()
    harness.run_until_idle()
    parent.retry()
    harness.run_until_idle()
    assert parent.result() == ["left", "right", "late"]
    assert effects == {"left": 2, "right": 2, "late": 1}
