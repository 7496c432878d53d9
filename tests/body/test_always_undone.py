"""Whatever ends an execution, and wherever it stands then: what it registered to be undone is undone, once."""

from __future__ import annotations

from datetime import timedelta

import hydra
import pytest
from hydra import aio
from hydra.definitions import Workflow
from hydra.testing import Harness
from hydra.workflow import registry

HOUR = timedelta(hours=1)


class Hotel:
    """The world: what is booked, and what happened."""

    def __init__(self) -> None:
        self.log: list[str] = []

        @hydra.step
        def book(room: str) -> None:
            self.log.append(f"book {room}")

        @hydra.step
        def release(room: str) -> None:
            self.log.append(f"release {room}")

        self.book, self.release = book, release


@pytest.fixture
def hotel() -> Hotel:
    return Hotel()


def stay(hotel: Hotel, *, waits: bool = False) -> Workflow[[], None]:
    """Two rooms, and a long rest."""

    @hydra.workflow(name="stay", timeout=HOUR)
    def stay() -> None:
        for room in ("red", "blue"):
            hydra.on_failure(hotel.release.bind(room))
            hotel.book(room)
        if waits:
            hydra.wait_event("checkout")
        else:
            hydra.sleep(timedelta(days=1))

    return stay


BOTH = ["book red", "book blue", "release blue", "release red"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_time_out_that_strikes_at_rest_undoes(harness: Harness, hotel: Hotel, waits: bool) -> None:
    handle = harness.submit(stay(hotel, waits=waits).bind())
    harness.run_until_idle()
    assert handle.status() == ("waiting" if waits else "sleeping")
    harness.advance(HOUR)
    assert handle.status() == "failed"
    assert hotel.log == BOTH
    with pytest.raises(hydra.WorkflowFailed) as failed:
        handle.result()
    assert failed.value.cause == "timeout"
    harness.advance(timedelta(days=2))
    assert hotel.log == BOTH


def test_a_time_out_at_rest_undoes_an_async_body(harness: Harness) -> None:
    log: list[str] = []

    @hydra.step
    async def release(room: str) -> None:
        log.append(room)

    @hydra.workflow(timeout=HOUR)
    async def trip() -> None:
        await aio.on_failure(release.bind("red"))
        await aio.on_failure(release.bind("blue"))
        await aio.wait_event("checkout")

    handle = harness.submit(trip.bind())
    harness.advance(HOUR)
    assert handle.status() == "failed"
    assert log == ["blue", "red"]


def test_a_node_lost_while_it_undoes_a_time_out_leaves_the_rest_to_the_next(harness: Harness, hotel: Hotel) -> None:
    class Lost(BaseException):
        pass

    def die_at(boundary: str) -> None:
        if "release red" not in hotel.log and hotel.log[-1] == "release blue":
            raise Lost

    handle = harness.submit(stay(hotel).bind())
    harness.run_until_idle()
    harness.watch(die_at)
    with pytest.raises(Lost):
        harness.advance(HOUR)
    harness.watch(None)
    harness.crash()
    harness.advance(timedelta(minutes=1))
    assert handle.status() == "failed"
    assert hotel.log[:2] == BOTH[:2]
    assert hotel.log[-1] == "release red"
    assert set(hotel.log) == set(BOTH)


def break_code() -> None:
    """A deploy whose `stay` asks for something else first."""
    registry.workflows.clear()

    @hydra.workflow(name="stay", timeout=HOUR)
    def stay() -> None:
        hydra.sleep(1)
        hydra.sleep(1)


def mend_code(hotel: Hotel) -> None:
    registry.workflows.clear()
    stay(hotel)


def strike(harness: Harness, handle: hydra.Handle[None], how: str) -> None:
    if how == "cancel":
        handle.cancel()
        harness.run_until_idle()
    else:
        harness.advance(HOUR)


@pytest.mark.parametrize("how", ["cancel", "time out"])
def test_code_that_no_longer_matches_parks_once_and_is_undone_when_it_matches_again(
    harness: Harness, hotel: Hotel, how: str
) -> None:
    handle = harness.submit(stay(hotel).bind())
    harness.run_until_idle()
    break_code()
    harness.restart()
    strike(harness, handle, how)
    assert handle.status() == "parked"
    assert "is not undone yet" in handle.execution().reason
    claim_count = len(handle.attempts())
    harness.advance(timedelta(days=3))
    assert len(handle.attempts()) == claim_count
    assert hotel.log == BOTH[:2]
    mend_code(hotel)
    harness.restart()
    handle.cancel()
    assert handle.status() == "pending"
    harness.run_until_idle()
    assert handle.status() == "cancelled"
    assert hotel.log == BOTH


def test_what_a_person_has_undone_is_cancelled_without_undo(harness: Harness, hotel: Hotel) -> None:
    handle = harness.submit(stay(hotel).bind())
    harness.run_until_idle()
    break_code()
    harness.restart()
    handle.cancel()
    harness.run_until_idle()
    assert handle.status() == "parked"
    assert handle.cancel(undo=False) == "cancelled"
    harness.run_until_idle()
    assert hotel.log == BOTH[:2]


def test_code_that_ends_before_its_undo_steps_parks_instead_of_forgetting_them(harness: Harness, hotel: Hotel) -> None:
    handle = harness.submit(stay(hotel).bind())
    harness.run_until_idle()
    registry.workflows.clear()

    @hydra.workflow(name="stay", timeout=HOUR)
    def returns_at_once() -> None:
        pass

    harness.restart()
    handle.cancel()
    harness.run_until_idle()
    assert handle.status() == "parked"
    assert "what it did is not undone yet" in handle.execution().reason


@pytest.mark.parametrize("is_bodys_own", [False, True])
def test_what_failed_was_undone_and_is_parked_when_retried_can_be_cancelled(
    harness: Harness, hotel: Hotel, is_bodys_own: bool
) -> None:
    @hydra.step
    def pay() -> None:
        if not is_bodys_own:
            raise ValueError("no money")

    @hydra.workflow
    def order() -> None:
        hydra.on_failure(hotel.release.bind("red"))
        pay()
        raise ValueError("no money")

    handle = harness.submit(order.bind())
    harness.run_until_idle()
    with pytest.raises(hydra.IllegalMove, match="were undone when it failed, so what it recorded is true no more"):
        handle.retry()
    assert handle.status() == "failed"
    harness.engine.write(lambda store, now: store.retry([handle.id], now))  # as a program of before would
    harness.run_until_idle()
    assert handle.status() == "parked"
    assert "were undone when it failed, so what it recorded is true no more" in handle.execution().reason
    handle.cancel()
    harness.run_until_idle()
    assert handle.status() == "cancelled"
    assert hotel.log == ["release red"]


def test_a_cancel_that_waits_to_be_undone_is_not_ended_by_the_time_out(harness: Harness, hotel: Hotel) -> None:
    handle = harness.submit(stay(hotel).bind())
    harness.run_until_idle()
    flow = registry.workflows.pop("stay")
    harness.restart()
    handle.cancel()
    harness.advance(2 * HOUR)
    assert handle.status() == "pending"
    registry.workflows["stay"] = flow
    harness.restart()
    harness.run_until_idle()
    assert handle.status() == "cancelled"
    assert hotel.log == BOTH


def test_g3_what_a_time_out_began_to_undo_goes_no_further_when_a_person_gives_it_more_time(
    harness: Harness, hotel: Hotel
) -> None:
    """An undo step in doubt parks it; the person's word makes it due, and starts its time-out again."""

    @hydra.step(lookup=lambda key: hydra.UNSURE)
    def refund() -> None:
        hotel.log.append("refund")
        raise hydra.StepTimeout("late")

    @hydra.workflow(timeout=HOUR)
    def long_stay() -> None:
        hydra.on_failure(refund.bind())
        hydra.on_failure(hotel.release.bind("red"))
        hotel.book("red")
        hydra.sleep(HOUR * 1.5)
        hotel.book("blue")

    handle = harness.submit(long_stay.bind())
    harness.advance(HOUR)
    assert handle.status() == "parked"
    undone = ["book red", "release red", "refund"]
    assert hotel.log == undone
    handle.resolve("refund", value=None)
    harness.advance(timedelta(days=2))
    assert handle.status() == "failed"
    assert hotel.log == undone
    with pytest.raises(hydra.WorkflowFailed) as failed:
        handle.result()
    assert failed.value.cause == "timeout"


def test_g3_what_began_to_undo_a_failure_goes_no_further_under_code_that_would_not_fail(
    harness: Harness, hotel: Hotel
) -> None:
    class Lost(BaseException):
        pass

    has_stock = False

    @hydra.workflow
    def order() -> None:
        for room in ("red", "blue"):
            hydra.on_failure(hotel.release.bind(room))
            hotel.book(room)
        if not has_stock:
            raise ValueError("no stock")
        hotel.book("green")

    def die_at(boundary: str) -> None:
        if hotel.log[-1:] == ["release blue"]:
            raise Lost

    handle = harness.submit(order.bind())
    harness.watch(die_at)
    with pytest.raises(Lost):
        harness.run_until_idle()
    harness.watch(None)
    harness.crash()
    has_stock = True
    harness.advance(timedelta(minutes=1))
    assert handle.status() == "failed"
    assert hotel.log == [*BOTH[:2], "release blue", *BOTH[2:]]
    with pytest.raises(hydra.WorkflowFailed, match="no stock"):
        handle.result()
