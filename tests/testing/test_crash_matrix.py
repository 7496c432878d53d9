"""`crash_matrix`: a crash at every boundary of a user's own workflow."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
from datetime import timedelta
from typing import Any

import hydra
import pytest
from hydra.testing import Harness, crash_matrix


def test_a_workflow_that_uses_its_idempotency_keys_passes() -> None:
    ledger: dict[str, int] = {}

    @hydra.step
    def charge(amount: int) -> int:
        ledger.setdefault(hydra.idempotency_key(), amount)
        return amount

    @hydra.workflow
    def bill(amount: int) -> int:
        total = charge(amount)
        hydra.sleep(timedelta(days=30))
        return total + sum(hydra.gather(charge.bind(1), charge.bind(2)))

    report = crash_matrix(bill.bind(5), effects=lambda: (sorted(ledger.values()), ledger.clear()))
    assert report.result == 8
    assert report.crash_count >= 6 + 4
    assert "before step charge" in report.boundaries
    assert report.repeated["before step charge"] > 0


def test_a_workflow_that_charges_twice_is_found_out() -> None:
    charged: list[int] = []

    @hydra.step
    def charge(amount: int) -> None:
        charged.append(amount)

    @hydra.workflow
    def bill(amount: int) -> None:
        charge(amount)

    def effects() -> list[int]:
        seen = list(charged)
        charged.clear()
        return seen

    with pytest.raises(AssertionError, match=r"after a crash at boundary \d+ of \d+ \(after step charge\)"):
        crash_matrix(bill.bind(5), effects=effects)


def test_a_failure_is_the_same_failure_after_every_crash() -> None:
    @hydra.step(max_attempts=2, backoff=hydra.Backoff(initial=60.0, jitter=0.0))
    def refuse() -> None:
        raise ValueError("no money")

    @hydra.workflow
    def bill() -> None:
        refuse()

    assert "no money" in crash_matrix(bill.bind()).result


def test_bulk_steps_generations_and_undo_steps_bear_a_crash_anywhere() -> None:
    ledger: dict[str, tuple[int, int]] = {}

    @hydra.step(max_attempts=2, backoff=hydra.Backoff(initial=60.0, jitter=0.0))
    def charge(item: int, turn: int) -> int:
        if item == 3 and hydra.current().attempt == 1:
            raise ConnectionError("not yet")
        ledger.setdefault(hydra.idempotency_key(), (turn, item))
        return item

    @hydra.workflow
    def bill(turn: int, total: int) -> int:
        total += sum(hydra.map(charge.bind_each(range(5), turn), chunk=2, concurrency=1).results())
        if turn < 2:
            hydra.continue_as_new(turn + 1, total)
        return total

    report = crash_matrix(bill.bind(0, 0), effects=lambda: (sorted(ledger.values()), ledger.clear()))
    assert report.result == 30
    assert report.crash_count > 30


def test_async_steps_bear_a_crash_anywhere() -> None:
    ledger: dict[str, int] = {}

    @hydra.step
    async def charge(amount: int) -> int:
        ledger.setdefault(hydra.idempotency_key(), amount)
        return amount

    @hydra.workflow
    async def bill(amount: int) -> int:
        total = await charge(amount)
        await hydra.aio.sleep(timedelta(days=30))
        return total + sum(await asyncio.gather(charge(1), charge(2)))

    report = crash_matrix(bill.bind(5), effects=lambda: (sorted(ledger.values()), ledger.clear()))
    assert report.result == 8
    assert report.boundaries.count("before step charge") == report.boundaries.count("after step charge") == 3
    assert report.repeated["before step charge"] > 0


def test_a_race_is_decided_once_whatever_is_lost_after_it() -> None:
    ledger: dict[str, str] = {}
    world: list[Harness] = []

    @hydra.step
    async def quote(bank: str, seconds: float) -> str:
        await world[-1].clock.wait_async(seconds)
        return bank

    @hydra.step
    async def charge(bank: str) -> str:
        assert ledger.setdefault(hydra.idempotency_key(), bank) == bank, "two banks under one key"
        return bank

    @hydra.workflow
    async def bill() -> list[str]:
        quotes = [asyncio.create_task(quote("slow", 0.5)), asyncio.create_task(quote("fast", 0.1))]
        for first in asyncio.as_completed(quotes):
            winner = await first
            break
        return [await charge(winner), *await asyncio.gather(*quotes), await charge(winner)]

    report = crash_matrix(bill.bind(), effects=lambda: (sorted(ledger.values()), ledger.clear()), setup=world.append)
    assert report.result == ["fast", "slow", "fast", "fast"]
    assert report.repeated["before step quote"] > 0
    assert report.repeated["before step charge"] > 0


def test_many_crashes_and_harnesses_use_up_no_descriptors() -> None:
    @hydra.step
    def look(number: int) -> int:
        return number

    @hydra.workflow
    def looks() -> int:
        return sum(look(number) for number in range(3))

    @hydra.step
    async def look_async(number: int) -> int:
        return number

    @hydra.workflow
    async def looks_async() -> int:
        return sum([await look_async(number) for number in range(3)])

    crash_matrix(looks.bind())
    crash_matrix(looks_async.bind())
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    assert crash_matrix(looks.bind()).crash_count >= 8
    assert crash_matrix(looks_async.bind()).crash_count >= 8
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_race_holds_though_chance_decides_how_far_its_losers_came() -> None:
    @hydra.step
    async def quote(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @hydra.step
    def charge(seconds: float) -> str:
        return f"charged {seconds}"

    @hydra.workflow
    def buy() -> str:
        return charge(hydra.wait_first(quote.bind(0.3), quote.bind(0.02)).result())

    assert crash_matrix(buy.bind()).result == "charged 0.02"


class Chance:
    """A step that is asked to stop ends in every other run, as if it had been quicker."""

    def __init__(self) -> None:
        self.run_count = 0

    def begin_run(self, harness: Harness) -> None:
        self.run_count += 1

    async def lose(self) -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if self.run_count % 2:
                raise
        return "late"


def test_a_loser_that_ends_sometimes_never_fails_a_right_program() -> None:
    chance = Chance()

    @hydra.step
    async def quote(bank: str) -> str:
        return bank if bank == "fast" else await chance.lose()

    @hydra.step
    def charge(bank: str) -> str:
        return f"charged {bank}"

    @hydra.workflow
    def buy() -> str:
        return charge(hydra.wait_first(quote.bind("slow"), quote.bind("fast")).result())

    report = crash_matrix(buy.bind(), setup=chance.begin_run)
    assert report.result == "charged fast"
    assert report.crash_count > 6


def test_what_a_lost_task_did_before_it_was_given_up_is_chance_too() -> None:
    chance = Chance()

    @hydra.step
    async def look(place: str) -> str:
        return place if place == "near" else await chance.lose()

    @hydra.step
    async def book(place: str) -> str:
        return f"booked {place}"

    @hydra.workflow
    async def travel() -> str:
        async def search(place: str) -> str:
            try:
                return await look(place)
            except asyncio.CancelledError:
                if chance.run_count % 3 == 0:
                    await book(place)
                raise

        searches = [asyncio.create_task(search(place)) for place in ("far", "near")]
        done, others = await asyncio.wait(searches, return_when=asyncio.FIRST_COMPLETED)
        for each in others:
            each.cancel()
        return await book(await done.pop())

    assert crash_matrix(travel.bind(), setup=chance.begin_run).result == "booked near"


def test_beside_a_race_a_step_that_only_some_runs_take_is_found_out() -> None:
    chance = Chance()

    @hydra.step
    async def quote(bank: str) -> str:
        return bank if bank == "fast" else await chance.lose()

    @hydra.step
    def tell() -> None:
        pass

    @hydra.workflow
    def buy() -> str:
        winner = hydra.wait_first(quote.bind("slow"), quote.bind("fast")).result()
        if chance.run_count == 3:
            tell()
        return winner

    with pytest.raises(AssertionError, match=r"recorded .*'tell'.*completed"):
        crash_matrix(buy.bind(), setup=chance.begin_run)


def test_a_workflow_that_is_cancelled_is_undone_after_a_crash_anywhere() -> None:
    undone: set[str] = set()

    @hydra.step(name="crash_matrix.give_back")
    def give_back(room: str) -> None:
        undone.add(room)

    @hydra.step(name="crash_matrix.cancel_itself")
    def cancel_itself() -> None:
        handles[-1].cancel()

    @hydra.workflow(name="crash_matrix.booking")
    def booking() -> None:
        hydra.on_failure(give_back.bind("sea view"))
        cancel_itself()
        hydra.sleep(60)

    def clear(harness: Harness) -> None:
        undone.clear()

    handles: list[hydra.Handle[None]] = []
    report = crash_matrix(booking.bind(), effects=lambda: set(undone), setup=clear, submitted=handles.append)
    assert report.result == "execution `…` of `crash_matrix.booking` was cancelled"
    assert report.crash_count > 4
    assert undone == {"sea view"}


def test_r29_limits_bear_a_crash_anywhere() -> None:
    """Who comes first begins first, no sooner than the rate says, and no place is left over or had twice."""
    worlds: list[Harness] = []
    began: dict[int, int] = {}
    paid: dict[str, int] = {}
    under_way: set[int] = set()
    overlaps: list[int] = []

    @hydra.step(limits=[hydra.Concurrency(1, name="matrix_till"), hydra.Rate(5, per=1.0, burst=1, name="matrix_pay")])
    def pay(number: int) -> int:
        paid.setdefault(hydra.idempotency_key(), number)
        return number

    @hydra.step
    def begin(number: int) -> None:
        began.setdefault(number, worlds[-1].clock.now())
        under_way.add(number)  # once more, where its node died
        overlaps.extend(under_way if len(under_way) > 1 else ())
        if number == 0:  # somebody looks for a place while it is held
            worlds[-1].engine.submit(limited.bind("acme", 2), key="third")
        worlds[-1].clock.wait(0.5)  # others would begin, if they had one
        under_way.discard(number)

    @hydra.workflow(
        limits=[
            hydra.Fair("tenant", name="matrix_turns"),
            hydra.Concurrency(1, name="matrix_places"),
            hydra.Rate(10, per=1.0, burst=1, name="matrix_starts"),
        ]
    )
    def limited(tenant: str, number: int) -> int:
        begin(number)
        hydra.sleep(2)
        return pay(number)

    def before(harness: Harness) -> None:
        worlds.append(harness)
        harness.submit(limited.bind("acme", 0))

    def effects() -> Any:
        harness = worlds[-1]
        harness.run_until_idle()
        harness.advance(60)
        names = ("matrix_till", "matrix_pay", "matrix_turns", "matrix_places", "matrix_starts")
        uses = {name: [(use.held or 0, use.waiting) for use in harness.engine.limit_keys(name)] for name in names}
        assert set(map(tuple, uses.values())) == {((0, 0),)}, uses
        starts = list(began.values())
        assert all(later - earlier >= 100_000 for earlier, later in itertools.pairwise(starts)), began
        assert not overlaps, f"{overlaps} had one place"
        seen = list(began), sorted(paid.values())
        began.clear()
        paid.clear()
        return seen

    report = crash_matrix(limited.bind("acme", 1), setup=before, effects=effects)
    assert report.result == 1
    assert report.crash_count > 20
    assert report.repeated["before step begin"] > 0
