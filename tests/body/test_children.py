"""Children: spawned once, waited for without a thread, their ends handed out again on replay, whatever dies."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from typing import Any

import pytest
from hydra import aio, codec
from hydra.body.child_executions import begin as spawn
from hydra.context import wait_event
from hydra.errors import EventTimeout, HydraError, IdempotencyConflict, WorkflowFailed
from hydra.execution import End, Ending, Status
from hydra.records import child_records
from hydra.workflow import step, workflow

from tests.body.supervising import START, Supervisor


def test_a_parent_waits_for_its_child_without_a_thread(supervisor: Supervisor) -> None:
    @workflow
    def child(number: int) -> int:
        return number * 2

    @workflow
    def parent() -> tuple[int, int]:
        begun = spawn(child.bind(21))
        return begun.result(), begun.result()

    execution = supervisor.submit(parent.bind())
    supervisor.run()
    assert execution.end.kind == Ending.WAITING
    supervisor.finish()
    assert execution.result() == (42, 42)
    assert execution.kinds() == ["spawn", "event"]


def test_two_tasks_may_wait_for_one_child(supervisor: Supervisor) -> None:
    @workflow
    def child() -> int:
        return 21

    @workflow
    async def parent() -> int:
        begun = await aio.spawn(child.bind())
        return sum(await asyncio.gather(begun.result(), begun.result()))

    execution = supervisor.submit(parent.bind())
    supervisor.finish()
    assert execution.result() == 42


def test_only_its_parent_waits_for_a_child(supervisor: Supervisor) -> None:
    """The end is told to its parent alone: another execution with the handle would wait for ever."""
    kept: list[Any] = []

    @workflow
    def child() -> int:
        return 21

    @workflow
    def parent() -> int:
        kept.append(spawn(child.bind()))
        return int(kept[0].result())

    @workflow
    def stranger() -> None:
        kept[0].result()

    @workflow
    async def async_stranger() -> None:
        await kept[0].result()

    execution = supervisor.submit(parent.bind())
    supervisor.finish()
    assert execution.result() == 21
    strangers = [supervisor.submit(each.bind()) for each in (stranger, async_stranger)]
    supervisor.finish()
    for each in strangers:
        with pytest.raises(HydraError, match=f"not of execution `{each.claimed.id}` but of `{execution.claimed.id}`"):
            raise each.error()
    with pytest.raises(HydraError, match=f"belongs in the body .* use `engine.get\\('{kept[0].id}'\\)`"):
        kept[0].result()


def test_a_spawn_belongs_in_a_body(supervisor: Supervisor) -> None:
    @workflow
    def child() -> None:
        pass

    @step
    def wrong_step() -> None:
        spawn(child.bind())

    @workflow
    def parent() -> None:
        wrong_step()

    execution = supervisor.submit(parent.bind())
    supervisor.run()
    assert "belongs in a workflow's body" in str(execution.error())
    with pytest.raises(HydraError, match="only inside an execution"):
        spawn(child.bind())


def test_g3_g5_killed_at_any_record_children_and_events_come_once() -> None:
    effects: Counter[str] = Counter()

    @step(inline=True)
    def work(what: str) -> str:
        effects[what] += 1
        return what

    @workflow
    def child(what: str) -> str:
        if what == "bad":
            raise ValueError(what)
        return work(f"child {what}")

    @workflow
    def parent() -> list[str]:
        begun = [spawn(child.bind(what)) for what in ("a", "bad", "b")]
        seen = [work("parent")]
        for each in begun:
            try:
                seen.append(each.result())
            except WorkflowFailed as error:
                seen.append(f"failed {error.__cause__}")
        seen.append(wait_event("go", type=str))
        try:
            wait_event("never", timeout=60)
        except EventTimeout:
            seen.append("late")
        return seen

    def run(crash_after: int | None) -> tuple[list[str], int, int]:
        effects.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(parent.bind())
        supervisor.signal(execution, "go", "now")
        supervisor.finish(crash_after)
        assert execution.messages == []
        assert set(effects) == {"parent", "child a", "child b"}
        assert sum(effects.values()) <= 5, "only what was under way at the kill (two children at most) runs again"
        counts = [len(each.records) for each in supervisor.stored.values()]
        return execution.result(), len(counts), sum(counts)

    expected = run(None)
    assert expected[0] == ["parent", "child a", "failed bad", "child b", "now", "late"]
    assert expected[1:] == (4, 3 + 1 + 3 + 1 + 2 + 2)
    for crash_after in range(expected[2] + 1):
        assert run(crash_after) == expected


def test_a_child_whose_key_stands_for_what_was_purged_parks_its_parent() -> None:
    """Nobody knows how it ended: a parent that took it for failed would refund what was settled."""

    @workflow
    def pays() -> str:
        return "paid"

    @workflow
    def asks() -> str:
        try:
            return spawn(pays.bind()).result()
        except WorkflowFailed:
            return "refunded"

    supervisor = Supervisor()
    parent = supervisor.submit(asks.bind())
    supervisor.run()
    (child,) = [each for each in supervisor.stored.values() if each.parent is parent]
    child.ends.append(End(Ending.COMPLETED))
    gone = child_records.ChildEnd(Status.FAILED, child_records.PURGED, None)
    parent.messages.append(child_records.tell_end(parent.claimed.id, child.claimed.id, gone, START))
    parent.wake_seq += 1
    supervisor.run()
    assert parent.end.kind == Ending.PARKED
    assert parent.end.payload is not None and "was purged" in codec.decode(parent.end.payload)
    assert parent.kinds() == ["spawn"], "nothing is recorded of it: other code may not ask"


@dataclasses.dataclass
class Bill:
    number: int


@dataclasses.dataclass
class GrownBill:
    number: int
    currency: str = "EUR"


@pytest.mark.parametrize("is_async", [False, True])
def test_g3_g5_killed_at_any_record_a_key_finds_the_child_whose_arguments_class_gained_a_field(is_async: bool) -> None:
    """As a second spawn and as a replay: from the kill on, all bills are of the new class."""
    settled: Counter[int] = Counter()

    @step(inline=True)
    def charge(number: int) -> int:
        settled[number] += 1
        return number

    @workflow
    def settle(bill: Any) -> int:
        return charge(bill.number)

    def bill_of(is_grown: bool, currency: str = "EUR") -> Any:
        return GrownBill(1, currency) if is_grown or supervisor.death_count else Bill(1)

    def parent() -> list[Any]:
        found: list[Any] = [spawn(settle.bind(bill_of(each)), "bill-1").result() for each in (False, True, True)]
        try:
            spawn(settle.bind(bill_of(True, "USD")), "bill-1")
        except IdempotencyConflict as error:
            found.append(error.conflicts)
        return found

    async def async_parent() -> list[Any]:
        found: list[Any] = []
        for is_grown in (False, True, True):
            child = await aio.spawn(settle.bind(bill_of(is_grown)), "bill-1")
            found.append(await child.result())
        try:
            await aio.spawn(settle.bind(bill_of(True, "USD")), "bill-1")
        except IdempotencyConflict as error:
            found.append(error.conflicts)
        return found

    asks = workflow(async_parent if is_async else parent)
    crash_after, is_over = 0, False
    while not is_over:
        settled.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(asks.bind())
        supervisor.finish(crash_after)
        assert execution.result() == [1, 1, 1, ["bill-1"]]
        assert execution.messages == []
        assert settled[1] <= 2 and len(supervisor.stored) == 2
        crash_after, is_over = crash_after + 1, supervisor.death_count == 0
    assert crash_after > 12
