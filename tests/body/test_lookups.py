"""Steps with a lookup: an effect that was started is looked up before it runs again; a person settles the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import hydra
import pytest
from hydra.testing import Harness
from hydra.workflow import registry


class Died(BaseException):
    """The node's end, in a step."""


class Bank:
    """An outside world: what was paid, by key; and what it answers when it is asked."""

    def __init__(self) -> None:
        self.paid: dict[str, Decimal] = {}
        self.log: list[str] = []
        self.answer: Callable[[str], Any] = self.find

    def pay(self, key: str, amount: Decimal) -> Decimal:
        self.log.append("pay")
        assert key not in self.paid, "paid twice"
        self.paid[key] = amount
        return amount

    def find(self, key: str) -> Any:
        self.log.append("find")
        return hydra.Found(self.paid[key]) if key in self.paid else hydra.NOT_FOUND

    def ask(self, key: str) -> Any:
        return self.answer(key)

    def unsure(self, key: str) -> Any:
        self.log.append("find")
        return hydra.UNSURE

    def down(self, key: str) -> Any:
        self.log.append("find")
        raise ConnectionError("the bank is closed")


@pytest.fixture
def bank() -> Bank:
    return Bank()


def paying(bank: Bank, is_async: bool = False, before: Any = None, after: Any = None, **options: Any) -> Any:
    """A workflow that pays 3.20 once. `before` and `after` the payment something may happen, once each."""
    happens = {"before": before, "after": after}

    def happen(what: str) -> None:
        event = happens.pop(what, None)
        if event is not None:
            raise event

    def transfer(amount: Decimal) -> Decimal:
        happen("before")
        paid = bank.pay(hydra.idempotency_key(), amount)
        happen("after")
        return paid

    if not is_async:

        @hydra.step(name="transfer", lookup=bank.ask, **options)
        def pay(amount: Decimal) -> Decimal:
            return transfer(amount)

        @hydra.workflow
        def invoice() -> Decimal:
            return pay(Decimal("3.20"))

        return invoice

    async def ask(key: str) -> Any:
        await asyncio.sleep(0)
        return bank.ask(key)

    @hydra.step(name="transfer", lookup=ask, **options)
    async def pay_async(amount: Decimal) -> Decimal:
        await asyncio.sleep(0)
        return transfer(amount)

    @hydra.workflow(name="invoice")
    async def invoice_async() -> Decimal:
        return await pay_async(Decimal("3.20"))

    return invoice_async


def kinds(handle: Any) -> list[str]:
    return [record.kind for record in handle.records()]


@pytest.mark.parametrize("is_async", [False, True])
def test_g4_it_is_started_durably_before_the_effect_and_nothing_is_looked_up_where_nothing_happened(
    harness: Harness, bank: Bank, is_async: bool
) -> None:
    handle = harness.submit(paying(bank, is_async).bind())
    assert handle.result() == Decimal("3.20")
    assert kinds(handle) == ["start", "step"]
    assert bank.log == ["pay"]


def lose_node(harness: Harness, bank: Bank, when: str) -> Any:
    """The node dies right at its step: with its start durable, before the effect or before the effect's record."""
    handle = harness.submit(paying(bank).bind())

    def watch(boundary: str) -> None:
        if boundary == f"{when} step transfer":
            raise Died(boundary)

    harness.watch(watch)
    with pytest.raises(Died):
        harness.run_until_idle()
    harness.watch(None)
    harness.crash()
    return handle


def test_g4_an_effect_whose_record_was_lost_is_found_and_does_not_run_again(harness: Harness, bank: Bank) -> None:
    handle = lose_node(harness, bank, "after")
    assert kinds(handle) == ["start"]
    harness.advance(60)
    assert handle.result() == Decimal("3.20")
    assert bank.log == ["pay", "find"]
    assert kinds(handle) == ["start", "step"]


def test_g4_an_effect_that_is_not_found_runs(harness: Harness, bank: Bank) -> None:
    handle = lose_node(harness, bank, "before")
    harness.advance(60)
    assert handle.result() == Decimal("3.20")
    assert bank.log == ["find", "pay"]


def in_doubt(harness: Harness, bank: Bank, answer: Callable[[str], Any]) -> Any:
    handle = lose_node(harness, bank, "after")
    bank.answer = answer
    harness.advance(60)
    assert handle.status() == "parked"
    return handle


def test_what_nobody_knows_is_parked_and_says_how_to_settle_it(harness: Harness, bank: Bank) -> None:
    handle = in_doubt(harness, bank, bank.unsure)
    reason = handle.execution().reason
    assert "in doubt" in reason
    assert f"hydra resolve {handle.id} transfer" in reason
    handle.resume()
    harness.run_until_idle()
    assert handle.status() == "parked", "a resume only asks once more"


@pytest.mark.parametrize("value", [Decimal("3.20"), "3.20"])
def test_a_person_says_what_it_returned(harness: Harness, bank: Bank, value: Any) -> None:
    handle = in_doubt(harness, bank, bank.unsure)
    handle.resolve("transfer", value=value)
    assert handle.status() == "pending"
    assert harness.run_until_done(handle) == Decimal("3.20")
    assert bank.log == ["pay", "find"]
    assert kinds(handle) == ["start", "resolution"]
    assert [(step.name, step.status) for step in handle.steps()] == [("transfer", "resolved")]


def test_a_person_has_it_run_again(harness: Harness, bank: Bank) -> None:
    handle = in_doubt(harness, bank, bank.unsure)
    bank.paid.clear()
    handle.resolve("transfer", rerun=True)
    assert harness.run_until_done(handle) == Decimal("3.20")
    assert bank.log == ["pay", "find", "pay"]
    assert kinds(handle) == ["start", "resolution", "start", "step"]


@pytest.mark.parametrize("unfit", ["three", 3.2])
def test_a_value_that_does_not_fit_parks_again_and_is_corrected(harness: Harness, bank: Bank, unfit: Any) -> None:
    handle = in_doubt(harness, bank, bank.unsure)
    handle.resolve("transfer", value=unfit)
    harness.run_until_idle()
    assert handle.status() == "parked"
    assert "does not fit" in handle.execution().reason
    with pytest.raises(hydra.IllegalMove):
        handle.resolve("transfer", rerun=True)
    handle.resolve("transfer", value="3.20")
    assert harness.run_until_done(handle) == Decimal("3.20")


def test_only_a_step_in_doubt_of_a_parked_execution_is_resolved(harness: Harness, bank: Bank) -> None:
    done = harness.submit(paying(bank).bind())
    harness.run_until_idle()
    with pytest.raises(hydra.IllegalMove, match="completed"):
        done.resolve("transfer", rerun=True)
    bank.paid.clear()
    bank.log.clear()
    registry.workflows.clear()
    registry.steps.clear()
    handle = in_doubt(harness, bank, bank.unsure)
    with pytest.raises(hydra.NotFound):
        handle.resolve("other", rerun=True)
    with pytest.raises(hydra.ConfigError):
        handle.resolve("transfer")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_try_that_timed_out_is_looked_up_even_when_it_was_the_last(
    harness: Harness, bank: Bank, is_async: bool
) -> None:
    handle = harness.submit(paying(bank, is_async, after=hydra.StepTimeout("late")).bind())
    assert harness.run_until_done(handle) == Decimal("3.20")
    assert bank.log == ["pay", "find"]
    assert kinds(handle) == ["start", "try", "step"]


def test_a_last_try_that_timed_out_and_did_nothing_fails_for_that(harness: Harness, bank: Bank) -> None:
    handle = harness.submit(paying(bank, before=hydra.StepTimeout("late")).bind())
    with pytest.raises(hydra.WorkflowFailed, match="late"):
        harness.run_until_done(handle)
    assert bank.log == ["find"]
    assert kinds(handle) == ["start", "try", "failure"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_try_that_failed_is_looked_up_before_the_next(harness: Harness, bank: Bank, when: str) -> None:
    flow = paying(bank, max_attempts=2, **{when: ConnectionError("reset")})
    assert harness.run_until_done(harness.submit(flow.bind())) == Decimal("3.20")
    assert bank.log == (["find", "pay"] if when == "before" else ["pay", "find"])


def test_a_lookup_is_tried_by_the_steps_policy_and_then_a_person_is_asked(harness: Harness, bank: Bank) -> None:
    bank.answer = bank.down
    backoff = hydra.Backoff(initial=60.0, jitter=0.0)
    flow = paying(bank, max_attempts=3, backoff=backoff, after=hydra.StepTimeout("late"))
    handle = harness.submit(flow.bind())
    harness.advance(3600)
    assert handle.status() == "parked"
    assert bank.log == ["pay", "find", "find", "find"]
    assert "the bank is closed" in handle.execution().reason
    bank.answer = bank.find
    handle.resume()
    assert harness.run_until_done(handle) == Decimal("3.20")
    assert bank.log.count("pay") == 1


@pytest.mark.parametrize("answer", [None, Decimal("3.20")])
def test_an_answer_that_says_neither_is_refused(harness: Harness, bank: Bank, answer: Any) -> None:
    bank.answer = lambda key: answer
    handle = harness.submit(paying(bank, after=hydra.StepTimeout("late")).bind())
    harness.run_until_idle()
    assert handle.status() == "parked"
    assert "hydra.Found(result)" in handle.execution().reason


def test_what_is_cancelled_in_doubt_is_undone(harness: Harness, bank: Bank) -> None:
    undone: list[str] = []

    @hydra.step
    def refund() -> None:
        undone.append("refund")

    @hydra.step(lookup=bank.unsure)
    def transfer() -> None:
        raise hydra.StepTimeout("late")

    @hydra.workflow
    def invoice() -> None:
        hydra.on_failure(refund.bind())
        transfer()

    handle = harness.submit(invoice.bind())
    harness.run_until_idle()
    assert handle.status() == "parked"
    handle.cancel()
    harness.run_until_idle()
    assert handle.status() == "cancelled"
    assert undone == ["refund"]


def test_code_that_forgets_a_step_in_doubt_is_parked(harness: Harness, bank: Bank) -> None:
    handle = lose_node(harness, bank, "after")
    registry.workflows.clear()

    @hydra.workflow
    def invoice() -> Decimal:
        return Decimal(0)

    harness.restart()
    harness.advance(60)
    assert handle.status() == "parked"
    assert "transfer" in handle.execution().reason


def test_of_several_in_doubt_each_is_settled_by_its_place(harness: Harness, bank: Bank) -> None:
    @hydra.step(lookup=bank.unsure)
    def transfer(amount: int) -> int:
        raise hydra.StepTimeout("late")

    @hydra.workflow
    def invoice() -> list[int]:
        return list(hydra.gather(transfer.bind(1), transfer.bind(2)))

    handle = harness.submit(invoice.bind())
    harness.run_until_idle()
    with pytest.raises(hydra.ConfigError, match="2 steps `transfer` are in doubt"):
        handle.resolve("transfer", value=0)
    for branch, value in (("/0.0", 1), ("/0.1", 2)):
        handle.resolve("transfer", value=value, branch=branch)
        harness.run_until_idle()
    assert handle.result() == [1, 2]


def test_a_lookup_is_of_its_steps_kind_and_no_transactions() -> None:
    async def ask(key: str) -> Any:
        return hydra.UNSURE

    with pytest.raises(hydra.ConfigError, match="both be async"):
        hydra.step(name="asks", lookup=ask)(lambda: None)
    with pytest.raises(hydra.ConfigError, match="has no option `lookup`"):
        hydra.transaction(lookup=lambda key: hydra.UNSURE)  # type: ignore[call-overload]
