"""Correct user code: mypy --strict accepts every line of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, assert_type

import hydra


@dataclass
class Receipt:
    amount: Decimal


@hydra.step
def charge(card: str, amount: Decimal) -> Receipt:
    return Receipt(amount)


@hydra.step(max_attempts=5, backoff=hydra.Backoff(initial=1.0), timeout=30.0, retry_on=(ConnectionError,))
def notify(card: str) -> bool:
    return hydra.idempotency_key() != card


def is_passing(error: ConnectionError) -> bool:
    return error.errno is not None


@hydra.step(
    max_attempts=5,
    retry_if=is_passing,
    retry_delay=hydra.retry_after_header,
    deadline=timedelta(hours=1),
    on_exhausted="park",
)
def remind(card: str) -> bool:
    raise hydra.RetryAfter(timedelta(seconds=30), "closed")


@hydra.step
async def fetch(card: str) -> int:
    return len(card)


@hydra.workflow
def bill(card: str, amount: Decimal = Decimal(1)) -> Receipt:
    receipt = charge(card, amount)
    assert_type(receipt, Receipt)
    hydra.sleep(timedelta(days=30))
    both = hydra.gather(charge.bind(card, amount), notify.bind(card))
    assert_type(both, tuple[Receipt, bool])
    first = hydra.wait_first(charge.bind(card, amount), hydra.on_event("stop", str), hydra.after(5), losers="run")
    assert_type(first.result(), Receipt | str | None)
    five = hydra.gather(fetch.bind(card), notify.bind(card), fetch.bind(card), notify.bind(card), fetch.bind(card))
    assert_type(five, tuple[int, bool, int, bool, int])
    outcomes = hydra.map(charge.bind_each(["4242", "4343"], amount), chunk=100)
    assert_type(outcomes, hydra.Outcomes[Receipt])
    assert_type(outcomes[0].result(), Receipt)
    assert_type(list(outcomes.results()), list[Receipt])
    assert_type(hydra.wait_callback(hydra.callback_token(), type=Receipt, timeout=60), Receipt)
    approval = hydra.wait_event("approved", type=Receipt, timeout=60)
    assert_type(approval, Receipt)
    return receipt


@hydra.workflow(max_attempts=3, timeout=timedelta(days=60), deadline=90.0, version=("2", "1", None))
async def collect(card: str) -> int:
    await hydra.aio.sleep(1)
    assert_type(hydra.patched("size first"), bool)
    assert_type(hydra.current().version, str | None)
    size = await fetch(card)
    assert_type(size, int)
    assert_type(await hydra.aio.call(notify.bind(card)), bool)
    assert_type(await hydra.aio.map(fetch.bind_each(iter(["4242"]))), hydra.Outcomes[int])
    assert_type(await hydra.aio.gather(fetch.bind(card), notify.bind(card), concurrency=1), tuple[int, bool])
    assert_type(await hydra.aio.gather(*[fetch.bind(card)], concurrency=1), tuple[int, ...])
    three = fetch.bind(card), notify.bind(card), charge.bind(card, Decimal(1))
    assert_type(await hydra.aio.gather(*three, *three), tuple[Any, ...])
    assert_type(await hydra.aio.wait_callback("token", type=int), int)
    child = await hydra.aio.spawn(bill.bind(card))
    assert_type(await child.result(), Receipt)
    return size


@hydra.workflow(
    schedule=hydra.Cron("0 6 1 * *", timezone="Europe/Berlin", catch_up="last", jitter=timedelta(minutes=5))
)
def month_end() -> str:
    return hydra.current().tags["tick"]


@hydra.workflow
def poll(cursor: int) -> int:
    both = hydra.gather(notify.bind("4242"), notify.bind("4343"), concurrency=1)
    assert_type(both, tuple[bool, bool])
    child = hydra.spawn(bill.bind("4242"))
    assert_type(child.result(), Receipt)
    if cursor < 9:
        hydra.continue_as_new(poll.bind(cursor + 1))
    return cursor


@hydra.workflow
async def poll_async(cursor: int) -> int:
    if cursor > 9:
        return cursor
    return await hydra.aio.continue_as_new(poll_async.bind(cursor + 1))


def program() -> None:
    with hydra.Engine("sqlite:///billing.db") as engine:
        handle = engine.submit(bill.bind("4242", amount=Decimal(5)), key="inv-1", tags={"run": "1"})
        assert_type(handle, hydra.Handle[Receipt])
        assert_type(handle.result(timeout=10), Receipt)
        assert_type(engine.submit(collect.bind("4242")).result(), int)
        engine.fork(handle.id, "charge", input=bill.bind("4343"))
        handles = engine.submit_many([bill.bind("1"), bill.bind("2")], keys=["a", "b"])
        assert_type(handles, list[hydra.Handle[Receipt]])
        assert_type(engine.find(bill, key="inv-1"), hydra.Handle[Receipt])
