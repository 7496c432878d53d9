"""Waits for events: what a signal says comes to exactly one wait, before or after it began; replay sees the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hydra import aio
from hydra.context import sleep, wait_event
from hydra.errors import EventTimeout, HydraError, PayloadError
from hydra.execution import Ending
from hydra.workflow import step, workflow
from supervising import Supervisor

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
    assert execution.kinds() == []
    supervisor.signal(execution, "approved", {"by": "ops"})
    supervisor.run()
    assert execution.result(Approval) == Approval("ops")
    assert execution.kinds() == ["event"]


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


def test_a_payload_that_does_not_fit_the_type_raises_in_the_body(supervisor: Supervisor) -> None:
    @workflow
    def approve() -> Approval:
        return wait_event("approved", type=Approval)

    execution = supervisor.submit(approve.bind())
    supervisor.signal(execution, "approved", [1, 2])
    supervisor.run()
    assert isinstance(execution.error(), PayloadError)


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
