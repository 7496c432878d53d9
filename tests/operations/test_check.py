"""`hydra check`: which open executions new code could not go on with, found without any effect."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import hydra
import pytest
from hydra.checking import PAGE_SIZE, ReplayCheck
from hydra.testing import Harness, check_replays
from hydra.workflow import registry

DAY = 86_400.0
effects: list[str] = []


def deploy(function: Callable[..., Any], **options: Any) -> Any:
    """What a restart with other code does: the name stands for another function from now on."""
    registry.workflows.pop("deal", None)
    return hydra.workflow(name="deal", **options)(function)


@hydra.step
def act(name: str) -> str:
    effects.append(name)
    return name


@hydra.step
async def act_later(name: str) -> str:
    effects.append(name)
    return name


@hydra.step(name="check_give_back")
def give_back(name: str) -> None:
    effects.append(f"not {name}")


def old(name: str) -> str:
    act(name)
    hydra.wait_event("go")
    return act("last")


def new(name: str) -> str:
    act(name)
    hydra.now()
    hydra.wait_event("go")
    return act("last")


def longer(name: str) -> str:
    act(name)
    if hydra.patched("more"):
        act("more")
        hydra.spawn(hydra.named("deal").bind("child"))
        hydra.gather(act.bind("a"), act.bind("b"))
    hydra.sleep(DAY)
    hydra.wait_event("go")
    return act("last")


async def later(name: str) -> str:
    await asyncio.gather(act_later(name), act_later("beside"))
    await hydra.aio.sleep(DAY)
    return await act_later("last")


async def later_renamed(name: str) -> str:
    await asyncio.gather(act_later(name), act_later("aside"))
    await hydra.aio.sleep(DAY)
    return await act_later("last")


class Counting:
    """A store that counts what it is asked, verb by verb."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        if callable(found := getattr(self._store, name)):
            self.asked[name] += 1
        return found


def everything_of(harness: Harness) -> list[Any]:
    """What the database holds of each execution."""
    executions = harness.engine.executions()
    return [
        (execution, handle.records(), handle.attempts())
        for execution in executions
        for handle in [harness.engine.get(execution.id)]
    ]


def test_it_names_what_differs_with_record_code_and_line_and_changes_nothing(harness: Harness) -> None:
    workflow = deploy(old)
    waiting = harness.submit(workflow.bind("first"))
    harness.run_until_idle()
    fresh = harness.submit(workflow.bind("fresh"), delay=DAY)
    assert check_replays(harness.engine) == []

    def first_of_all(name: str) -> str:
        act("before")
        return old(name)

    deploy(first_of_all)
    effects.clear()
    before = everything_of(harness)
    (found,) = check_replays(harness.engine)
    assert found.execution_id == waiting.id
    assert found.workflow == "deal"
    assert "act` number 1 with arguments of digest" in found.record
    assert found.code.startswith("`act` number 1 with other arguments: a value differs")
    line = first_of_all.__code__.co_firstlineno + 1
    assert found.place == f"{__file__}:{line} in `first_of_all`"
    assert f"no longer matches the records of execution `{waiting.id}`" in found.reason
    assert effects == []
    assert everything_of(harness) == before
    assert fresh.status() == "pending"


def undone(name: str) -> str:
    hydra.on_failure(give_back.bind(name))
    act(name)
    hydra.wait_event("go")
    raise ValueError("no goods")


def ends_before_its_undo_step(name: str) -> str:
    raise ValueError("no goods")


def parts_again_on_its_way_out(name: str) -> str:
    try:
        return act("other")
    finally:
        hydra.spawn(hydra.named("deal").bind("never"))


async def waits_later(name: str) -> str:
    await act_later(name)
    await hydra.aio.wait_event("go")
    return await act_later("last")


async def undone_later(name: str) -> str:
    await hydra.aio.on_failure(give_back.bind(name))
    await waits_later(name)
    raise ValueError("no goods")


async def ends_at_once(name: str) -> str:
    raise ValueError("no goods")


async def parts_again_later_on_its_way_out(name: str) -> str:
    try:
        return await act_later("other")
    finally:
        hydra.spawn(hydra.named("deal").bind("never"))


async def parts_in_two_tasks(name: str) -> str:
    found = await asyncio.gather(act_later("other"), act_later("another"), return_exceptions=True)
    return await act_later(str(found))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (waits_later, parts_again_later_on_its_way_out),
        (undone_later, ends_at_once),
        (waits_later, parts_in_two_tasks),
        (undone_later, parts_in_two_tasks),
        (old, parts_again_on_its_way_out),
        (undone, parts_again_on_its_way_out),
        (undone, ends_before_its_undo_step),
        (old, ends_before_its_undo_step),
    ],
    ids=lambda function: function.__name__,
)
def test_it_names_what_the_park_will_name(
    harness: Harness, before: Callable[[str], str], after: Callable[[str], str]
) -> None:
    handle = harness.submit(deploy(before).bind("first"))
    harness.run_until_idle()
    deploy(after)
    (found,) = check_replays(harness.engine)
    handle.signal("go")
    harness.run_until_idle()
    execution = handle.execution()
    assert execution.status == "parked"
    assert found.reason == execution.reason
    assert found.record.partition(" with arguments")[0] in found.reason, "of the same difference, not of a later one"
    assert found.code.partition(" with other")[0] in found.reason


def test_a_patch_is_no_difference(harness: Harness) -> None:
    workflow = deploy(lambda name: (act(name), hydra.sleep(2 * DAY)))
    harness.submit(workflow.bind("first"))
    harness.run_until_idle()
    effects.clear()
    deploy(longer)
    assert check_replays(harness.engine) == []
    assert effects == []


def test_steps_waits_and_values_that_are_new_are_not_done(harness: Harness) -> None:
    workflow = deploy(old)
    harness.submit(workflow.bind("first"))
    harness.run_until_idle()
    effects.clear()
    deploy(new)
    before = everything_of(harness)
    assert check_replays(harness.engine) == []

    def spawns(name: str) -> Any:
        act(name)
        child = hydra.spawn(hydra.named("deal").bind("child"))
        hydra.gather(act.bind("a"), act.bind("b"))
        return child.result()

    deploy(spawns)
    assert check_replays(harness.engine) == []
    assert everything_of(harness) == before
    assert effects == []


def test_async_bodies_are_checked_too(harness: Harness) -> None:
    workflow = deploy(later)
    handle = harness.submit(workflow.bind("first"))
    harness.run_until_idle()
    effects.clear()
    assert check_replays(harness.engine) == []
    deploy(later_renamed)
    (found,) = check_replays(harness.engine)
    assert found.execution_id == handle.id
    assert found.code.startswith("`act_later` number 2 with other arguments: a value differs")
    assert effects == []


def test_versions_inputs_and_unknown_workflows(harness: Harness) -> None:
    workflow = deploy(old, version="1")
    handle = harness.submit(workflow.bind("first"))
    harness.run_until_idle()
    deploy(old, version="2")
    (found,) = check_replays(harness.engine)
    assert (found.code, found.record) == ("`2`", "under version `1`")

    def renamed(title: str, amount: int) -> None: ...

    deploy(renamed, version="1")
    (found,) = check_replays(harness.engine)
    assert (found.execution_id, found.code, found.record) == (handle.id, "its parameters", "its input")
    assert "its input does not fit the code's parameters" in found.reason
    assert found.place.endswith("in `renamed`")

    fresh = harness.submit(hydra.named("deal").bind("second"))
    assert {each.execution_id for each in check_replays(harness.engine)} == {handle.id, fresh.id}
    harness.run_until_idle()
    assert fresh.status() == "failed"
    handle.signal("go")
    harness.run_until_idle()
    assert handle.execution().status == "parked", "what other code began does not fail for what has changed since"

    registry.workflows.clear()
    assert check_replays(harness.engine) == []


def test_it_pages_through_more_than_one_listing(harness: Harness) -> None:
    workflow = deploy(old)
    handles = harness.engine.submit_many([workflow.bind(f"{number}") for number in range(450)])
    harness.run_until_idle()
    deploy(lambda name: hydra.now())
    found = check_replays(harness.engine)
    assert {each.execution_id for each in found} == {handle.id for handle in handles}
    assert len(found) == 450


def test_a_page_of_executions_is_read_at_once(harness: Harness) -> None:
    deal = deploy(old)
    harness.engine.submit_many([deal.bind(str(number)) for number in range(PAGE_SIZE + 5)])
    harness.run_until_idle()
    asked, checked_count = harness.engine.read(look_at_all)
    assert checked_count == PAGE_SIZE + 5
    assert asked["histories"] == 2
    assert asked["input"] == asked["records"] == asked["get"] == 0


def look_at_all(store: Any) -> tuple[Counter[str], int]:
    counting: Any = Counting(store)
    replays = ReplayCheck(counting, registry)
    assert list(replays.run()) == []
    return counting.asked, replays.checked_count
