"""`hydra.wait_first`: a sync body takes what ends first, and again after any crash; what becomes of the others."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import hydra
import pytest
from hydra.errors import HydraError
from hydra.execution import Ending
from hydra.frames import Listening
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor

HOUR = 3600.0


def test_r13_what_came_first_comes_first_again_whenever_the_worker_dies() -> None:
    charged: list[str] = []

    @step
    async def quote(bank: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return bank

    @step(inline=True)
    def charge(bank: str) -> str:
        charged.append(bank)
        return bank

    @workflow
    def buy() -> str:
        first = hydra.wait_first(quote.bind("slow", 0.02), quote.bind("fast", 0.0), losers="run")
        hydra.sleep(HOUR)
        return charge(first.result())

    for crash_after in range(6):
        charged.clear()
        supervisor = Supervisor()
        stored = supervisor.submit(buy.bind())
        supervisor.finish(crash_after=crash_after)
        assert stored.result() == "fast"
        assert set(charged) == {"fast"}


@pytest.mark.parametrize("comes", [True, False])
def test_an_event_and_a_time_out_race_and_the_loser_is_not_there_any_more(supervisor: Supervisor, comes: bool) -> None:
    @workflow
    def sell() -> list[Any]:
        first = hydra.wait_first(hydra.on_event("paid", int), hydra.after(50))
        hydra.sleep(HOUR)
        return [first.index, first.result(), hydra.wait_event("paid", int)]

    stored = supervisor.submit(sell.bind())
    supervisor.run()
    assert stored.end.kind == Ending.WAITING
    assert stored.end.wake_at > 0
    if comes:
        supervisor.signal(stored, "paid", 1)
    else:
        supervisor.advance(60_000_000)
    supervisor.run()
    assert stored.end.kind == Ending.SLEEPING
    supervisor.signal(stored, "paid", 2)
    supervisor.finish()
    assert stored.result() == ([0, 1, 2] if comes else [1, None, 2])


@pytest.mark.parametrize("is_late", [False, True])
def test_the_first_of_three_children_is_the_one_that_ended_first(supervisor: Supervisor, is_late: bool) -> None:
    @workflow
    def child(seconds: float) -> float:
        hydra.sleep(seconds)
        return seconds

    @workflow
    def parent() -> list[float]:
        children = [hydra.spawn(child.bind(seconds)) for seconds in (30.0, 10.0, 20.0)]
        first = hydra.wait_first(*children).result()
        hydra.sleep(HOUR)
        return [first, *(each.result() for each in children)]

    stored = supervisor.submit(parent.bind())
    supervisor.run()
    if is_late:
        del supervisor.stored[stored.claimed.id]
        supervisor.finish()
        supervisor.stored[stored.claimed.id] = stored
    supervisor.finish()
    assert stored.result() == [10.0, 30.0, 10.0, 20.0]


@pytest.mark.parametrize("is_async", [False, True])
def test_g4_a_step_that_lost_is_asked_to_stop_recorded_and_not_run_again(
    supervisor: Supervisor, is_async: bool
) -> None:
    ran: list[str] = []

    @step
    def slow() -> str:
        ran.append("slow")
        while not hydra.cancelled():
            threading.Event().wait(0.001)
        ran.append("told")
        return "tidy"

    @step
    async def slow_async() -> str:
        ran.append("slow")
        try:
            await asyncio.Event().wait()
        finally:
            ran.append("told")
        return "never"

    @step
    def fast() -> str:
        while not ran:
            threading.Event().wait(0.001)
        return "fast"

    @workflow
    def race() -> str:
        first = hydra.wait_first(slow_async.bind() if is_async else slow.bind(), fast.bind())
        hydra.sleep(HOUR)
        return first.result()

    stored = supervisor.submit(race.bind())
    supervisor.run()
    assert stored.end.kind == Ending.SLEEPING
    assert ("crash" in stored.kinds()) is is_async
    supervisor.finish()
    assert stored.result() == "fast"
    assert ran == ["slow", "told"]


def test_a_failure_that_comes_first_is_raised_by_result(supervisor: Supervisor) -> None:
    @step
    def bad() -> None:
        raise LookupError("no such bank")

    @workflow
    def race() -> str:
        first = hydra.wait_first(hydra.after(HOUR), bad.bind())
        try:
            first.result()
        except LookupError as error:
            return str(error)
        return "none"

    stored = supervisor.submit(race.bind())
    supervisor.finish()
    assert stored.result() == "no such bank"


def test_what_lost_was_asked_for_though_the_body_ends_before_anyone_asks_again(supervisor: Supervisor) -> None:
    """The worker dies when the event is taken, and which came first is not recorded yet."""

    @workflow
    def race() -> int:
        return hydra.wait_first(hydra.after(HOUR), hydra.on_event("paid")).index

    stored = supervisor.submit(race.bind())
    supervisor.run()
    supervisor.signal(stored, "paid", 1)
    supervisor.finish(crash_after=1)
    assert supervisor.death_count == 1
    assert stored.result() == 1


def test_of_two_messages_the_one_that_arrived_first_is_first_whoever_was_woken_first(supervisor: Supervisor) -> None:
    @step
    def hold() -> None:
        while not hydra.cancelled():
            threading.Event().wait(0.001)

    @workflow
    def race() -> list[Any]:
        first = hydra.wait_first(hydra.on_event("b"), hydra.on_event("a"), hold.bind())
        return [first.index, first.result(), hydra.wait_event("b")]

    def on_send(frames: list[Any]) -> None:
        if any(isinstance(frame, Listening) for frame in frames) and not stored.messages and not stored.ends:
            supervisor.holds_acks = False
            supervisor.acknowledge()  # wakes those who wait, in the order in which they were given
            supervisor.signal(stored, "a", 1)
            supervisor.signal(stored, "b", 2)
            supervisor.tell(stored)

    supervisor.holds_acks = True
    supervisor.on_send = on_send
    stored = supervisor.submit(race.bind())
    supervisor.finish()
    assert stored.result() == [1, 1, 2]


def test_other_contenders_than_recorded_are_a_divergence(supervisor: Supervisor) -> None:
    seconds = 10.0

    @workflow
    def race() -> int:
        first = hydra.wait_first(hydra.on_event("go"), hydra.after(seconds))
        hydra.sleep(HOUR)
        return first.index

    stored = supervisor.submit(race.bind())
    supervisor.run()
    supervisor.advance(20_000_000)
    supervisor.run()
    seconds = 11.0
    supervisor.finish()
    assert stored.end.kind == Ending.PARKED


def test_where_it_does_not_belong_it_says_what_to_use(supervisor: Supervisor) -> None:
    @workflow
    async def wrong() -> str:
        with pytest.raises(HydraError) as caught:
            hydra.wait_first(hydra.after(1))
        return str(caught.value)

    stored = supervisor.submit(wrong.bind())
    supervisor.finish()
    assert "asyncio.wait" in stored.result()
    for wrong_call in (
        lambda: hydra.wait_first(),
        lambda: hydra.wait_first(1),
        lambda: hydra.wait_first(hydra.after(1)),
    ):  # type: ignore[call-overload]
        with pytest.raises(HydraError):
            wrong_call()
    with pytest.raises(HydraError, match="losers"):
        hydra.wait_first(hydra.after(1), losers="kill")  # type: ignore[call-overload]
