"""`crash_matrix`: a crash at every boundary of a user's own workflow."""

from __future__ import annotations

import gc
import os
from datetime import timedelta

import hydra
import pytest
from hydra.testing import crash_matrix


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


def test_many_crashes_and_harnesses_use_up_no_descriptors() -> None:
    @hydra.step
    def look(number: int) -> int:
        return number

    @hydra.workflow
    def looks() -> int:
        return sum(look(number) for number in range(3))

    crash_matrix(looks.bind())
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    assert crash_matrix(looks.bind()).crash_count >= 8
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before
