"""R13 for async bodies: what a race decided once, it decides again, whatever happens in between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import hydra
import pytest
from hydra import aio
from hydra.definitions import BoundWorkflow
from hydra.execution import Ending
from hydra.workflow import step, workflow

from tests.body.supervising import Stored, Supervisor

HOUR = 3600.0


def killed_at_any_record(
    make: Callable[[], BoundWorkflow[Any]], prepare: Callable[[Supervisor, Stored], None] = lambda *_: None
) -> list[tuple[Any, int]]:
    """Its result and the number of its records, where nothing happens, and where its worker dies after each record."""
    whole = Supervisor()
    stored = whole.submit(make())
    prepare(whole, stored)
    whole.finish()
    found = [(stored.result(), len(stored.records))]
    for crash_after in range(len(stored.records) + 1):
        supervisor = Supervisor()
        stored = supervisor.submit(make())
        prepare(supervisor, stored)
        supervisor.finish(crash_after=crash_after)
        found.append((stored.result(), len(stored.records)))
    return found


def test_r13_the_quote_that_came_first_is_charged_again_after_a_crash() -> None:
    """Case 1. The slow bank's quote is recorded by the time of the crash, too."""
    charged: list[str] = []

    @step
    async def quote(bank: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return bank

    @step(inline=True)
    def charge(bank: str) -> str:
        charged.append(bank)
        if len(charged) == 1:
            supervisor.lose_after(0)
        return bank

    @workflow
    async def buy() -> str:
        tasks = [asyncio.create_task(quote("slow", 0.05)), asyncio.create_task(quote("fast", 0.0))]
        for first in asyncio.as_completed(tasks):
            winner = await first
            break
        await asyncio.gather(*tasks)
        return await aio.call(charge.bind(winner))

    supervisor = Supervisor()
    stored = supervisor.submit(buy.bind())
    supervisor.finish()
    assert charged == ["fast", "fast"]
    assert stored.result() == "fast"


def test_r13_a_time_out_that_won_wins_again_though_the_event_came_since() -> None:
    """Case 2."""
    did: list[str] = []

    @step(inline=True)
    def act(what: str) -> None:
        did.append(what)

    @workflow
    async def sell() -> str:
        paid = asyncio.create_task(aio.wait_event("paid"))
        timer = asyncio.create_task(aio.sleep(50))
        done, _ = await asyncio.wait({paid, timer}, return_when=asyncio.FIRST_COMPLETED)
        what = "ship" if paid in done else "refund"
        await aio.call(act.bind(what))
        await aio.sleep(100)
        return what

    supervisor = Supervisor()
    stored = supervisor.submit(sell.bind())
    supervisor.run()
    supervisor.advance(60_000_000)
    supervisor.run()
    assert stored.end.kind == Ending.WAITING
    supervisor.signal(stored, "paid", 1)
    supervisor.finish()
    assert did == ["refund"]
    assert stored.result() == "refund"


@pytest.mark.parametrize("is_late", [False, True])
def test_r13_the_first_of_three_children_is_the_one_that_ended_first(supervisor: Supervisor, is_late: bool) -> None:
    """Case 3; also where all three have ended before the parent runs again."""

    @workflow
    def child(seconds: float) -> float:
        hydra.sleep(seconds)
        return seconds

    @workflow
    async def parent() -> list[float]:
        children = [await aio.spawn(child.bind(seconds)) for seconds in (30.0, 10.0, 20.0)]
        tasks = [asyncio.create_task(each.result()) for each in children]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return [task.result() for task in done]

    stored = supervisor.submit(parent.bind())
    supervisor.run()
    if is_late:
        del supervisor.stored[stored.claimed.id]
        supervisor.finish()
        supervisor.stored[stored.claimed.id] = stored
    supervisor.finish()
    assert stored.result() == [10.0]


def test_g3_undo_steps_of_tasks_survive_a_crash_in_the_middle_of_undoing() -> None:
    """Case 4."""
    undone: list[int] = []

    @step
    async def pay(number: int) -> int:
        await asyncio.sleep(0.01 * (3 - number))  # the last that is asked for ends first
        return number

    @step(inline=True)
    def refund(number: int) -> None:
        undone.append(number)

    async def one(number: int) -> None:
        await pay(number)
        await aio.on_failure(refund.bind(number))

    @workflow
    async def trip() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(one(number))
        raise ValueError("no seats")

    for crash_after in range(10):
        undone.clear()
        supervisor = Supervisor()
        stored = supervisor.submit(trip.bind())
        supervisor.finish(crash_after=crash_after)
        assert stored.end.kind == Ending.FAILED, stored.end
        assert set(undone) == {0, 1, 2}, "none is left, and the others are not undone in its place"
        assert stored.kinds().count("step") == 6


@pytest.mark.parametrize("via", ["asyncio", "aio", "sync"])
def test_r13_a_failure_caught_around_a_gather_is_the_same_one_on_replay(via: str) -> None:
    """Case 5."""

    @step(inline=True)
    def pay(how: str) -> str:
        return how

    @step
    async def fail(how: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        raise LookupError(how) if how == "A" else KeyError(how)

    @workflow
    async def choose() -> str:
        try:
            if via == "asyncio":
                await asyncio.gather(fail("A", 0.02), fail("B", 0.0))
            else:
                await aio.gather(fail.bind("A", 0.02), fail.bind("B", 0.0))
        except (LookupError, KeyError) as error:
            how = await aio.call(pay.bind(str(error)))
            await aio.sleep(HOUR)  # both have failed by the time it is replayed
            return how
        return "none"

    @workflow
    def choose_sync() -> str:
        try:
            hydra.gather(fail.bind("A", 0.02), fail.bind("B", 0.0))
        except (LookupError, KeyError) as error:
            return pay(str(error))
        return "none"

    expected = "'B'" if via == "asyncio" else "A"
    found = killed_at_any_record((choose_sync if via == "sync" else choose).bind)
    assert {result for result, _ in found} == {expected}


def test_r13_what_tasks_do_in_the_order_of_completion_they_do_again() -> None:
    """Case 6."""

    @step
    async def work(number: int) -> int:
        await asyncio.sleep(0.004 * ((number * 7) % 5))
        return number

    @step(inline=True)
    def keep(order: list[int]) -> list[int]:
        return order

    @workflow
    async def collect() -> list[int]:
        order: list[int] = []

        async def one(number: int) -> None:
            order.append(await work(number))
            order.append(await work(number + 10))

        await asyncio.gather(*(one(number) for number in range(5)))
        await aio.call(keep.bind(order))
        await aio.sleep(HOUR)
        return await aio.call(keep.bind(order))

    for result, _ in killed_at_any_record(collect.bind):
        assert sorted(result) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]


@pytest.mark.parametrize("seconds", [0.05, 30.0])
def test_a_time_out_ends_a_wait_for_an_event_which_takes_none_since(supervisor: Supervisor, seconds: float) -> None:
    """Case 7."""

    @workflow
    async def patient() -> str:
        try:
            async with asyncio.timeout(seconds):
                await aio.wait_event("go")
        except TimeoutError:
            await aio.sleep(HOUR)
        return await aio.wait_event("go")

    stored = supervisor.submit(patient.bind())
    supervisor.run()
    if seconds > 1:
        assert stored.end.kind == Ending.WAITING
        assert stored.end.wake_at > 0
        supervisor.advance(round(seconds * 1e6))
        supervisor.run()
    assert stored.end.kind == Ending.SLEEPING
    supervisor.signal(stored, "go", "late")
    supervisor.finish()
    assert stored.result() == "late"


def test_g4_a_step_that_ran_out_of_the_bodys_time_is_asked_to_stop_and_recorded(supervisor: Supervisor) -> None:
    """Case 7. The backup runs when the charge has been asked to stop; a replay runs neither again."""
    ran: list[str] = []

    @step
    async def charge() -> str:
        ran.append("charge")
        try:
            await asyncio.Event().wait()
        finally:
            ran.append("stopped")
        return "charged"

    @step(inline=True)
    def backup() -> str:
        ran.append("backup")
        return "backup"

    @workflow
    async def pay() -> str:
        try:
            how = await asyncio.wait_for(charge(), 1.0)
        except TimeoutError:
            how = await aio.call(backup.bind())
        await aio.sleep(HOUR)
        return how

    stored = supervisor.submit(pay.bind())
    supervisor.run()
    assert stored.end.kind == Ending.SLEEPING
    assert "crash" in stored.kinds()
    supervisor.finish()
    assert sorted(ran) == ["backup", "charge", "stopped"]
    assert stored.result() == "backup"


@pytest.mark.parametrize("via", ["gather", "group", "cancel"])
def test_an_execution_suspends_though_one_of_its_steps_was_given_up(supervisor: Supervisor, via: str) -> None:
    """Case 8."""
    ran: list[str] = []

    @step
    async def slow() -> str:
        ran.append("slow")
        await asyncio.sleep(0.05 if via == "gather" else HOUR)
        return "slow"

    @step
    async def bad() -> None:
        while not ran:
            await asyncio.sleep(0.001)
        raise ValueError("bad")

    @workflow
    async def go_on() -> str:
        try:
            if via == "gather":
                await asyncio.gather(slow(), bad())
            elif via == "group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(slow())
                    group.create_task(bad())
            else:
                task = asyncio.create_task(slow())
                await bad_then_cancel(task)
        except (ValueError, ExceptionGroup):
            pass
        await aio.sleep(HOUR)
        return "slept"

    async def bad_then_cancel(task: asyncio.Task[str]) -> None:
        try:
            await bad()
        finally:
            task.cancel()

    stored = supervisor.submit(go_on.bind())
    supervisor.run()
    assert stored.end.kind == Ending.SLEEPING
    supervisor.finish()
    assert stored.result() == "slept"
    assert ran == ["slow"]


def test_a_step_that_is_given_up_before_it_begins_never_begins(supervisor: Supervisor) -> None:
    """It is on its way to the thread that would run it when its task is cancelled."""
    began: list[str] = []
    is_blocked, gate = threading.Event(), threading.Event()

    def block() -> None:
        is_blocked.set()
        gate.wait(5)

    @step
    async def block_steps() -> None:
        asyncio.get_running_loop().call_later(0.001, block)

    @step
    async def charge() -> None:
        began.append("charge")

    @step(inline=True)
    def change_mind() -> None:
        threading.Timer(0.05, gate.set).start()

    @workflow
    async def hesitate() -> str:
        await block_steps()
        is_blocked.wait(5)
        task = asyncio.create_task(charge())
        await asyncio.sleep(0)
        await aio.call(change_mind.bind())
        task.cancel()
        await aio.sleep(0.2)
        await aio.sleep(HOUR)
        return "kept"

    stored = supervisor.submit(hesitate.bind())
    supervisor.finish()
    assert stored.result() == "kept"
    assert began == []


def test_as_completed_makes_its_tasks_in_the_order_given() -> None:
    @step
    async def work(number: int) -> int:
        await asyncio.sleep(0.001 * ((number * 7) % 5))
        return number

    @step(inline=True)
    def keep(order: list[int]) -> list[int]:
        return order

    @workflow
    async def collect() -> list[int]:
        order = [await each for each in asyncio.as_completed([work(number) for number in range(8)])]
        await aio.call(keep.bind(order))
        await aio.sleep(HOUR)
        return order

    for result, record_count in killed_at_any_record(collect.bind):
        assert sorted(result) == list(range(8))
        assert record_count == 10
