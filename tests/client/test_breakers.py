"""`hydra.Breaker`: steps wait while what they call is down, and go on when a probe says that it is up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import hydra
import pytest
from hydra.errors import ConfigError, HydraError
from hydra.execution import is_postponed
from hydra.testing import Harness, crash_matrix

PSP = hydra.Breaker(
    "test_psp", errors=(ConnectionError,), min_calls=2, max_calls=4, good_probes=1, wait=10, max_wait=60
)


class Bank:
    def __init__(self) -> None:
        self.is_down = False
        self.calls: list[int] = []

    def pay(self, number: int) -> int:
        self.calls.append(number)
        if number < 0:
            raise ValueError("no such card")
        if self.is_down:
            raise ConnectionError("down")
        return number


bank = Bank()


@hydra.step(name="broken_pay", breaker=PSP, max_attempts=2, backoff=hydra.Backoff(0.0, maximum=0.0))
def pay(number: int) -> int:
    return bank.pay(number)


@hydra.workflow(name="broken_settle")
def settle(number: int) -> int:
    return pay(number)


@hydra.step(name="broken_pay_soon", breaker=PSP, max_attempts=2, backoff=hydra.Backoff(0.0, maximum=0.0))
async def pay_soon(number: int) -> int:
    await asyncio.sleep(0)
    return bank.pay(number)


@hydra.workflow(name="broken_settle_soon")
async def settle_soon(number: int) -> int:
    return await pay_soon(number)


@hydra.step(
    name="broken_pay_in_line",
    breaker=PSP,
    max_attempts=2,
    backoff=hydra.Backoff(0.0, maximum=0.0),
    limits=[hydra.Concurrency(1, name="bank_line"), hydra.Rate(1000, burst=100, name="bank_rate")],
)
def pay_in_line(number: int) -> int:
    return bank.pay(number)


@hydra.workflow(name="broken_settle_in_line")
def settle_in_line(number: int) -> int:
    return pay_in_line(number)


@pytest.fixture
def h() -> Iterator[Harness]:
    bank.__init__()  # type: ignore[misc]
    with Harness() as harness:
        yield harness


@pytest.mark.parametrize("workflow", [settle, settle_soon])
def test_while_it_is_open_executions_wait_and_a_probe_lets_them_go_on(h: Harness, workflow: Any) -> None:
    bank.is_down = True
    first = [h.submit(workflow.bind(number)) for number in (1, 2)]
    h.run_until_idle()
    calls = len(bank.calls)
    assert calls <= 4
    waiting = [h.submit(workflow.bind(number)) for number in (3, 4, 5)]
    h.run_until_idle()
    assert len(bank.calls) == calls  # nobody calls
    assert {each.status() for each in waiting} == {hydra.Status.SLEEPING}
    why = h.engine.why(waiting[0].id)
    assert why.reason == "breaker_open"
    assert why.sentence.startswith("a step of it waits for the breaker `test_psp`, which node `")
    assert "calls failed; it asks again at " in why.sentence
    (circuit,) = h.engine.circuits()
    assert (circuit.kind, circuit.name) == ("breaker", "test_psp")
    assert circuit.reason.endswith("calls failed") and circuit.said_by.startswith("node `")
    h.advance(timedelta(minutes=5))
    assert calls < len(bank.calls) <= calls + 30  # probes, with longer and longer pauses
    assert {each.status() for each in waiting} == {hydra.Status.SLEEPING}
    bank.is_down = False
    h.advance(timedelta(minutes=10))
    assert [each.result(timeout=0) for each in waiting] == [3, 4, 5]
    assert h.engine.circuits() == []
    assert all(len(each.steps()) == 1 for each in waiting)
    for each in first:  # what failed while it was still closed has used up attempts
        assert each.status() in (hydra.Status.COMPLETED, hydra.Status.FAILED)


def test_a_try_that_fails_while_it_is_open_uses_up_no_attempt(h: Harness) -> None:
    bank.is_down = True
    handles = [h.submit(settle.bind(number)) for number in (1, 2)]
    h.run_until_idle()
    late = h.submit(settle.bind(3))
    h.advance(timedelta(minutes=10))  # its probes fail
    assert bank.calls.count(3) + sum(bank.calls.count(number) for number in (1, 2)) > 4
    bank.is_down = False
    h.advance(timedelta(minutes=10))
    assert late.result(timeout=0) == 3
    *tries, _ = late.records()  # those that were probes
    assert all(is_postponed(record) for record in tries)
    assert all(each.status() in (hydra.Status.COMPLETED, hydra.Status.FAILED) for each in handles)


def test_r29_a_step_with_limits_asks_its_breaker_once_it_has_its_place_and_holds_none_while_that_is_open(
    h: Harness,
) -> None:
    bank.is_down = True
    handles = [h.submit(settle_in_line.bind(number)) for number in range(1, 6)]
    h.run_until_idle()
    calls = len(bank.calls)
    (line,) = h.engine.limit_keys("bank_line")
    assert (line.held, line.waiting) == (0, 0)  # all were let go, one by one, and sleep
    steps = h.engine.executions(workflow="hydra.step:broken_pay_in_line")
    assert Counter(each.status for each in steps if each.status != hydra.Status.FAILED) == {hydra.Status.SLEEPING: 4}
    assert (
        h.engine.why(next(each.id for each in steps if each.status == hydra.Status.SLEEPING)).reason == "breaker_open"
    )
    h.advance(timedelta(minutes=5))
    assert calls < len(bank.calls) <= calls + 30  # a probe takes its place like any call
    bank.is_down = False
    h.advance(timedelta(minutes=10))
    ended = [each.status() for each in handles]
    assert Counter(ended) == {hydra.Status.COMPLETED: 4, hydra.Status.FAILED: 1}  # who found out had two attempts
    assert h.engine.audit() == []


def test_a_step_that_waits_for_a_place_asks_no_breaker(h: Harness) -> None:
    h.run_until_idle()  # the node registers its limits
    h.engine.pause_limit("bank_line")
    bank.is_down = True
    (first, second) = (h.submit(settle_in_line.bind(number)) for number in (1, 2))
    h.run_until_idle()
    assert bank.calls == []
    assert h.engine.circuits() == []
    assert {first.status(), second.status()} == {hydra.Status.WAITING}


@pytest.mark.parametrize("workflow", [settle, settle_in_line])
def test_g4_a_crash_at_any_boundary_changes_nothing(workflow: Any) -> None:
    report = crash_matrix(workflow.bind(1), setup=lambda harness: bank.__init__())  # type: ignore[misc]
    assert report.result == 1
    assert report.crash_count >= 2


def test_answers_that_are_errors_open_nothing(h: Harness) -> None:
    handles = [h.submit(settle.bind(-number)) for number in range(1, 9)]
    h.run_until_idle()
    assert {each.status() for each in handles} == {hydra.Status.FAILED}
    assert h.submit(settle.bind(1)) is not None
    h.run_until_idle()
    assert bank.calls[-1] == 1


def test_what_waits_for_it_is_cancelled_at_once_and_a_step_outside_a_worker_is_a_plain_call(h: Harness) -> None:
    bank.is_down = True
    for number in (1, 2):
        h.submit(settle.bind(number))
    h.run_until_idle()
    waiting = h.submit(settle.bind(3))
    h.run_until_idle()
    waiting.cancel()
    h.run_until_idle()
    assert waiting.status() == hydra.Status.CANCELLED
    bank.is_down = False
    assert pay(7) == 7


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": ""}, "the name of a breaker must be 1 to 100 printable characters"),
        ({"name": "a:b"}, "the name of a breaker must be"),
        ({"error_rate": 0}, "`error_rate` of breaker `x` must lie above 0 and not above 1, not 0"),
        ({"slow_rate": 2}, "`slow_rate` of breaker `x` must lie above 0 and not above 1, not 2"),
        ({"min_calls": 0}, "`min_calls` of breaker `x` must be a whole number from 1 to 1000, not 0"),
        ({"max_calls": 2}, "`max_calls` of breaker `x` must not be below `min_calls`"),
        ({"wait": 0}, "`wait` of breaker `x` must be more than 0 seconds"),
        ({"wait": 10, "max_wait": 5}, "`max_wait` of breaker `x` must not be shorter than `wait`"),
        ({"errors": ConnectionError}, "`errors` of breaker `x` must be a tuple of exception classes"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        hydra.Breaker(**{"name": "x", **options})
    assert sentence in str(caught.value)


def test_a_step_that_cannot_have_it_is_refused_at_its_definition() -> None:
    with pytest.raises(ConfigError, match=r"`breaker` of step `odd` must be a hydra\.Breaker, not 'psp'"):
        hydra.step(name="odd", breaker="psp")(_odd)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="step `odd` has a `lookup`, which waits for no `breaker`"):
        hydra.step(name="odd", breaker=PSP, lookup=_odd)(_odd)
    with pytest.raises(HydraError, match="step `broken_pay` has a `breaker`, for which no item can wait"):
        pay.bind_each([1])
    with pytest.raises(ConfigError, match="the breaker `test_psp` of step `odd` differs from that of step `broken_pay"):
        hydra.step(name="odd", breaker=hydra.Breaker("test_psp"))(_odd)


def _odd(key: str) -> str:
    return key
