"""Bulk steps, endless workflows and callbacks through Engine and Handle, on every database, with a worker at work."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import hydra
import pytest

WAIT_SECONDS = 60


@hydra.step(name="flow-charge", max_attempts=2, backoff=hydra.Backoff(initial=0.01))
def charge(item: int, rate: Decimal) -> Decimal:
    if item % 10 == 3 and hydra.current().attempt == 1:
        raise ConnectionError("try again")
    if item % 10 == 7:
        raise ValueError(f"no {item}")
    return item * rate


@hydra.step(name="flow-fetch")
async def fetch(item: int) -> int:
    await asyncio.sleep(0)
    return item


@hydra.workflow(name="flow-bulk")
def bulk(count: int) -> tuple[Decimal, int]:
    outcomes = hydra.map(charge.bind_each(range(count), Decimal("0.5")), chunk=20, concurrency=8)
    hydra.sleep(1.1)  # what follows is a replay
    return sum((each.result() for each in outcomes if not each.is_failed), Decimal(0)), outcomes.failed_count


@hydra.workflow(name="flow-async-bulk")
async def async_bulk(count: int) -> int:
    outcomes, more = await asyncio.gather(
        hydra.aio.map(fetch.bind_each(range(count)), chunk=20), hydra.aio.map(fetch.bind_each(range(5)))
    )
    await hydra.aio.sleep(1.1)
    return sum(outcomes.results()) + sum(more.results())


@hydra.workflow(name="flow-poll")
def poll(seen: list[str]) -> list[str]:
    seen = [*seen, hydra.wait_event("word", type=str)]
    if len(seen) < 4:
        hydra.continue_as_new(poll.bind(seen))
    return seen


@hydra.workflow(name="flow-async-poll")
async def async_poll(seen: list[str]) -> list[str]:
    seen = [*seen, await hydra.aio.wait_event("word", type=str)]
    if len(seen) < 2:
        await hydra.aio.continue_as_new(async_poll.bind(seen))
    return seen


tokens: dict[str, str] = {}


@hydra.step(name="flow-hand-out")
def hand_out(name: str, token: str) -> None:
    tokens[name] = token


@hydra.workflow(name="flow-pay")
def pay(name: str, timeout: float | None = None) -> Decimal:
    token = hydra.callback_token()
    hand_out(name, token)
    first = hydra.wait_callback(token, type=Decimal, timeout=timeout)
    assert hydra.wait_callback(token, type=Decimal) == first
    hydra.wait_event("enough")
    return first


@hydra.workflow(name="flow-async-pay")
async def async_pay(name: str) -> int:
    one, two = hydra.callback_token(), hydra.callback_token()
    await hydra.aio.call(hand_out.bind(name, two))
    await hydra.aio.call(hand_out.bind(f"{name}-one", one))
    answers = await asyncio.gather(hydra.aio.wait_callback(one, type=int), hydra.aio.wait_callback(two, type=int))
    return answers[0] - answers[1]


@hydra.workflow(name="flow-late")
def late(name: str) -> str:
    token = hydra.callback_token(key="the one")
    hand_out(name, token)
    try:
        return hydra.wait_callback(token, type=str, timeout=0.05)
    except hydra.EventTimeout:
        pass
    try:
        return hydra.wait_callback(token, type=str)
    except hydra.EventTimeout:
        hydra.wait_event("enough")
        return "expired"


@pytest.fixture
def name() -> str:
    return str(uuid.uuid4())


def token_of(name: str) -> str:
    deadline = 6000
    while name not in tokens and deadline:
        deadline -= 1
        asyncio.run(asyncio.sleep(0.01))
    return tokens[name]


def test_bulk_steps_end_and_are_replayed(working: hydra.Engine) -> None:
    handle = working.submit(bulk.bind(95))
    expected = sum((Decimal(item) / 2 for item in range(95) if item % 10 != 7), Decimal(0))
    other = working.submit(async_bulk.bind(50))
    assert handle.result(timeout=WAIT_SECONDS) == (expected, 9)
    assert other.result(timeout=WAIT_SECONDS) == sum(range(50)) + sum(range(5))
    assert len(handle.records()) < 20
    assert handle.steps() == []


def test_r17_a_signal_repeated_in_a_later_generation_arrives_once(working: hydra.Engine) -> None:
    handle = working.submit(poll.bind([]))
    first = str(uuid.uuid4())
    handle.signal("word", "a", id=first)
    while "continued" not in {attempt.ending for attempt in handle.attempts()}:
        working.read(lambda store: store.wait_for_change(0.1))
    handle.signal("word", "a", id=first)
    for word in "bcd":
        handle.signal("word", word)
    assert handle.result(timeout=WAIT_SECONDS) == ["a", "b", "c", "d"]


def test_a_handle_follows_an_execution_that_begins_anew(working: hydra.Engine) -> None:
    handle = working.submit(poll.bind([]), key="k")
    other = working.submit(async_poll.bind([]))
    for word in ("a", "b", "c", "d"):
        handle.signal("word", word)
    for word in ("a", "b"):
        other.signal("word", word)
    assert handle.result(timeout=WAIT_SECONDS) == ["a", "b", "c", "d"]
    assert other.result(timeout=WAIT_SECONDS) == ["a", "b"]
    assert working.submit(poll.bind([]), key="k").id == handle.id
    with pytest.raises(hydra.IdempotencyConflict):
        working.submit(poll.bind(["x"]), key="k")
    assert [attempt.ending for attempt in handle.attempts()].count("continued") == 3


def test_a_cancel_reaches_the_generation_that_runs(working: hydra.Engine) -> None:
    handle = working.submit(poll.bind([]))
    handle.signal("word", "a")
    while "continued" not in {attempt.ending for attempt in handle.attempts()}:
        working.read(lambda store: store.wait_for_change(0.1))
    handle.cancel()
    with pytest.raises(hydra.WorkflowCancelled):
        handle.result(timeout=WAIT_SECONDS)


def test_a_callback_is_completed_once(working: hydra.Engine, name: str) -> None:
    handle = working.submit(pay.bind(name))
    token = token_of(name)
    working.complete(token, Decimal("1.10"))
    working.complete(token, Decimal("1.10"))
    with pytest.raises(hydra.IllegalMove, match="completed before, with something else"):
        working.complete(token, Decimal("2"))
    with pytest.raises(hydra.IllegalMove, match="completed before"):
        working.fail(token, "no")
    handle.signal("enough")
    assert handle.result(timeout=WAIT_SECONDS) == Decimal("1.10")
    working.complete(token, Decimal("1.10"))
    with pytest.raises(hydra.IllegalMove, match="completed before"):
        working.complete(token, Decimal("3"))


def test_of_many_completions_at_once_one_counts(working: hydra.Engine, name: str) -> None:
    handle = working.submit(pay.bind(name))
    token = token_of(name)

    def complete(value: int) -> int | None:
        try:
            working.complete(token, Decimal(value))
        except hydra.IllegalMove:
            return None
        return value

    with ThreadPoolExecutor(8) as pool:
        won = [value for value in pool.map(complete, range(8)) if value is not None]
    handle.signal("enough")
    assert [handle.result(timeout=WAIT_SECONDS)] == [Decimal(value) for value in won]


def test_async_bodies_wait_for_callbacks_and_json_is_read_as_the_type(working: hydra.Engine, name: str) -> None:
    handle = working.submit(async_pay.bind(name))
    working.complete(token_of(name), 2)
    working.complete(token_of(f"{name}-one"), 44)
    assert handle.result(timeout=WAIT_SECONDS) == 42
    plain = working.submit(pay.bind(f"{name}-json"))
    working.complete(token_of(f"{name}-json"), "3.50")
    plain.signal("enough")
    assert plain.result(timeout=WAIT_SECONDS) == Decimal("3.50")


def test_a_failed_callback_raises_in_the_body(working: hydra.Engine, name: str) -> None:
    handle = working.submit(pay.bind(name))
    working.fail(token_of(name), "the bank said no")
    with pytest.raises(hydra.WorkflowFailed, match="the bank said no") as failed:
        handle.result(timeout=WAIT_SECONDS)
    assert isinstance(failed.value.__cause__, hydra.CallbackFailed)
    with pytest.raises(hydra.IllegalMove):
        working.complete(token_of(name), 1)


def test_an_expired_callback_stays_expired(working: hydra.Engine, name: str) -> None:
    handle = working.submit(late.bind(name))
    while handle.status() != "waiting" or len(handle.records()) < 4:
        working.read(lambda store: store.wait_for_change(0.1))
    with pytest.raises(hydra.IllegalMove, match="has expired"):
        working.complete(token_of(name), "late")
    handle.signal("enough")
    assert handle.result(timeout=WAIT_SECONDS) == "expired"


def test_unknown_tokens_are_refused_in_one_sentence(working: hydra.Engine, name: str) -> None:
    handle = working.submit(pay.bind(name))
    token = token_of(name)
    for unknown in ("", "x", 5, f"{uuid.uuid4()}.abc"):
        with pytest.raises(hydra.NotFound, match="callback token"):
            working.complete(unknown, 1)  # type: ignore[arg-type]
    with pytest.raises(hydra.NotFound, match="unknown or has expired"):
        working.complete(f"{token}x", 1)
    handle.cancel()
    with pytest.raises(hydra.WorkflowCancelled):
        handle.result(timeout=WAIT_SECONDS)
    with pytest.raises(hydra.IllegalMove, match="cannot be completed any more"):
        working.complete(token, 1)


def test_the_async_engine_completes_callbacks(working: hydra.Engine, name: str) -> None:
    async def program() -> Decimal:
        async with hydra.AsyncEngine(working.url) as engine:
            handle = await engine.submit(pay.bind(name))
            token = await asyncio.to_thread(token_of, name)
            await engine.complete(token, Decimal(7))
            with pytest.raises(hydra.IllegalMove):
                await engine.fail(token, "no")
            await handle.signal("enough")
            return await handle.result(timeout=WAIT_SECONDS)

    assert asyncio.run(program()) == Decimal(7)
