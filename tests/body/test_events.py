"""Waits for events: what a signal says comes to exactly one wait, before or after it began; replay sees the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import hydra
import pytest
from hydra import aio
from hydra.client.awaited import set_aside_of
from hydra.context import sleep, wait_event
from hydra.errors import EventTimeout, HydraError
from hydra.execution import Ending
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor

SECOND = 1_000_000


@dataclass
class Approval:
    by: str


def test_a_wait_ends_the_claim_and_a_signal_lets_it_go_on(supervisor: Supervisor) -> None:
    @workflow
    def approve() -> Approval:
        return wait_event("approved", type=Approval)

    execution = supervisor.submit(approve.bind())
    supervisor.run()
    assert (execution.end.kind, execution.end.wake_at) == (Ending.WAITING, 0)
    assert execution.kinds() == ["wait"], "what it waits for is known to whoever sends it"
    supervisor.signal(execution, "approved", {"by": "ops"})
    supervisor.run()
    assert execution.result(Approval) == Approval("ops")
    assert execution.kinds() == ["wait", "event"]


def test_a_signal_sent_before_the_wait_is_taken_at_once(supervisor: Supervisor) -> None:
    @workflow
    def approve() -> str:
        return wait_event("approved", type=str)

    execution = supervisor.submit(approve.bind())
    supervisor.signal(execution, "approved", "early")
    supervisor.run()
    assert execution.result() == "early"
    assert [end.kind for end in execution.ends] == [Ending.COMPLETED]


def test_two_waits_take_two_signals_in_order_and_leave_other_names_alone(supervisor: Supervisor) -> None:
    @workflow
    def collect() -> list[int]:
        first, second = wait_event("number", type=int), wait_event("number", type=int)
        return [first, second, wait_event("other", type=int)]

    execution = supervisor.submit(collect.bind())
    for name, value in (("other", 9), ("number", 1), ("number", 2), ("number", 3)):
        supervisor.signal(execution, name, value)
    supervisor.run()
    assert execution.result() == [1, 2, 9]
    assert len(execution.messages) == 1


def test_a_wait_past_its_time_raises_and_replay_raises_again(supervisor: Supervisor) -> None:
    outcomes: list[str] = []

    @workflow
    def approve() -> str:
        try:
            wait_event("approved", timeout=7200)
        except EventTimeout as error:
            outcomes.append(str(error))
        sleep(3600)
        return outcomes[-1]

    execution = supervisor.submit(approve.bind())
    supervisor.run()
    began_at = execution.records[0].started_at
    assert (execution.end.kind, execution.end.wake_at) == (Ending.WAITING, began_at + 7200 * SECOND)
    supervisor.finish()
    assert execution.kinds() == ["wait", "expiry", "sleep"]
    assert len(set(outcomes)) == 1
    assert len(outcomes) == 2


def test_what_ends_a_wait_is_fixed_when_it_begins(supervisor: Supervisor) -> None:
    @workflow
    def approve() -> str:
        wait_event("first", timeout=3600)
        return wait_event("approved", type=str, timeout=3600)

    execution = supervisor.submit(approve.bind())
    supervisor.run()
    due_at = execution.end.wake_at
    supervisor.advance(1800 * SECOND)
    supervisor.signal(execution, "unrelated", 0)
    supervisor.run()
    assert execution.end.wake_at == due_at
    supervisor.signal(execution, "first", None)
    supervisor.run()
    assert execution.end.wake_at > due_at, execution.error()


def test_a_message_that_does_not_fit_the_type_is_set_aside_and_the_wait_goes_on() -> None:
    @step(inline=True)
    def note(by: str) -> str:
        return by

    @workflow
    def approve() -> str:
        first = wait_event("approved", type=Approval)
        note(first.by)
        second = wait_event("approved", type=Approval)
        return note(second.by) + first.by

    for crash_after in range(9):
        supervisor = Supervisor()
        execution = supervisor.submit(approve.bind())
        for said in ([1, 2], {"by": "ops"}, "no", {"by": 5}, {"by": "boss"}):
            supervisor.signal(execution, "approved", said)
        supervisor.finish(crash_after=crash_after)
        assert execution.result() == "bossops"
        aside = set_aside_of(execution.records)
        assert [each.value for each in aside] == [[1, 2], "no", {"by": 5}]
        assert "must be an object" in aside[0].reason and "`value.by` must be a string" in aside[2].reason


def test_a_message_that_was_set_aside_is_taken_by_a_later_wait_that_can_read_it(supervisor: Supervisor) -> None:
    @workflow
    async def take() -> list[Any]:
        number = await hydra.aio.wait_event("said", type=int)
        try:
            text = await hydra.aio.wait_event("said", type=str, timeout=5)
        except hydra.EventTimeout:
            text = "none"
        return [number, text]

    execution = supervisor.submit(take.bind())
    supervisor.signal(execution, "said", "seven")
    supervisor.signal(execution, "said", 7)
    supervisor.finish()
    assert execution.result() == [7, "seven"]
    assert set_aside_of(execution.records) == []


def test_a_decimal_that_came_as_json_is_one(supervisor: Supervisor) -> None:
    @workflow
    def pay() -> Decimal:
        return wait_event("amount", type=Decimal) * 2

    execution = supervisor.submit(pay.bind())
    supervisor.signal(execution, "amount", "1.10")
    supervisor.run()
    assert execution.result() == Decimal("2.20")


def test_waits_and_steps_of_an_async_body_run_side_by_side(supervisor: Supervisor) -> None:
    @step
    async def work() -> str:
        return "worked"

    @workflow
    async def both() -> list[str]:
        return list(await asyncio.gather(aio.wait_event("approved", type=str), work()))

    execution = supervisor.submit(both.bind())
    supervisor.run()
    assert execution.end.kind == Ending.WAITING
    supervisor.signal(execution, "approved", "yes")
    supervisor.run()
    assert execution.result() == ["yes", "worked"]


def test_a_message_that_arrives_while_another_branch_works_wakes_its_wait(supervisor: Supervisor) -> None:
    @step
    async def work(number: int) -> int:
        if number == 1:
            supervisor.signal(execution, "stop", None)
            supervisor.tell(execution)
        await asyncio.sleep(0.01)
        return number

    @workflow
    async def until_told() -> int:
        stop = asyncio.ensure_future(aio.wait_event("stop"))
        count = 0
        while not stop.done():
            count = await work(count + 1)
        return count

    execution = supervisor.submit(until_told.bind())
    supervisor.run()
    assert execution.result() >= 1
    assert [end.kind for end in execution.ends] == [Ending.COMPLETED]


def test_a_wait_belongs_in_a_body(supervisor: Supervisor) -> None:
    @step
    def wait() -> None:
        wait_event("approved")

    @workflow
    def wrong() -> None:
        wait()

    execution = supervisor.submit(wrong.bind())
    supervisor.run()
    assert "belongs in a workflow's body" in str(execution.error())
    with pytest.raises(HydraError, match="only inside an execution"):
        wait_event("approved")


def test_g3_killed_at_any_record_each_signal_is_taken_once() -> None:
    @step(inline=True)
    def work(value: str) -> str:
        return value.upper()

    @workflow
    def collect() -> list[str]:
        seen = []
        for _ in range(3):
            try:
                seen.append(work(wait_event("item", type=str, timeout=60)))
            except EventTimeout:
                seen.append("late")
        return seen

    def run(crash_after: int | None) -> tuple[list[str], int]:
        supervisor = Supervisor()
        execution = supervisor.submit(collect.bind())
        for value in ("a", "b"):
            supervisor.signal(execution, "item", value)
        supervisor.finish(crash_after)
        assert execution.messages == []
        return execution.result(), len(execution.records)

    expected, record_count = run(None)
    assert expected == ["A", "B", "late"]
    assert record_count == 2 * 3 + 2
    for crash_after in range(record_count + 1):
        assert run(crash_after) == (expected, record_count)


def test_messages_are_taken_in_the_order_of_arrival_also_by_a_wait_that_is_over(supervisor: Supervisor) -> None:
    @workflow
    async def both() -> list[str]:
        seen: list[str] = []

        async def wait(name: str, timeout: float) -> None:
            seen.append(await aio.wait_event(name, type=str, timeout=timeout))

        await asyncio.gather(wait("paid", 60), wait("shipped", 7200))
        return seen

    execution = supervisor.submit(both.bind())
    supervisor.run()
    supervisor.signal(execution, "shipped", "first")
    supervisor.advance(SECOND)
    supervisor.signal(execution, "paid", "second")
    supervisor.advance(3600 * SECOND)
    supervisor.finish()
    assert execution.result() == ["first", "second"]
