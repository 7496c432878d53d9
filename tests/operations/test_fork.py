"""`engine.fork`: a new execution from a recorded prefix, with other arguments or with the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import hydra
import pytest
from hydra.testing import Harness
from hydra.workflow import registry

effects: list[str] = []


def deploy(function: Callable[..., Any], **options: Any) -> Any:
    registry.workflows.pop("deal", None)
    return hydra.workflow(name="deal", **options)(function)


@hydra.step
def appraise(article: str) -> int:
    effects.append(f"appraise {article}")
    return 100


@hydra.step
def charge(card: str, cents: int) -> str:
    effects.append(f"charge {card} {cents}")
    return f"{card} paid {cents}"


def order(article: str, card: str) -> list[str]:
    cents = appraise(article)
    token = hydra.uuid4()
    approved = hydra.wait_event("approved")
    return [str(token), approved, charge(card, cents), charge("tip", 1)]


@pytest.fixture
def done(harness: Harness) -> Any:
    """An execution that has completed."""
    handle = harness.submit(deploy(order).bind("hat", "visa-1"), tags={"run": "9"}, priority=3)
    harness.run_until_idle()
    handle.signal("approved", "ops")
    harness.run_until_idle()
    assert handle.status() == "completed"
    effects.clear()
    return handle


def test_a_fork_keeps_what_was_recorded_and_does_the_rest_anew(harness: Harness, done: Any) -> None:
    fork = harness.engine.fork(done.id, "charge")
    harness.run_until_idle()
    assert fork.result() == done.result(), "the uuid and the event are the recorded ones"
    assert effects == ["charge visa-1 100", "charge tip 1"]
    execution = fork.execution()
    assert execution.tags == {"run": "9", "hydra.forked_from": done.id, "hydra.forked_before": "charge"}
    assert execution.priority == 3
    assert fork.attempts()[0].detail == f"forked from `{done.id}` before step `charge`"


def test_a_fork_with_another_input_goes_on_with_that(harness: Harness, done: Any) -> None:
    fork = harness.engine.fork(done.id, "charge", input=hydra.named("deal").bind("hat", "visa-2"))
    harness.run_until_idle()
    assert fork.result()[2] == "visa-2 paid 100"
    assert effects == ["charge visa-2 100", "charge tip 1"]
    assert len(done.result()) == 4


def test_an_input_that_changes_a_recorded_step_is_parked_and_says_so(harness: Harness, done: Any) -> None:
    fork = harness.engine.fork(done.id, "charge", input=hydra.named("deal").bind("coat", "visa-1"))
    harness.run_until_idle()
    execution = fork.execution()
    assert execution.status == "parked"
    assert "`appraise` number 1 is called with other arguments" in execution.reason
    assert effects == []


def test_a_fork_from_a_later_call_of_a_step(harness: Harness, done: Any) -> None:
    fork = harness.engine.fork(done.id, "charge", number=2, key="again")
    assert harness.engine.fork(done.id, "charge", number=2, key="again").id == fork.id
    harness.run_until_idle()
    assert fork.result() == done.result()
    assert effects == ["charge tip 1"]


def test_a_fork_of_a_fork_and_of_code_that_changed(harness: Harness, done: Any) -> None:
    fork = harness.engine.fork(done.id, "charge")

    def fixed(article: str, card: str) -> str:
        cents = appraise(article)
        hydra.uuid4()
        hydra.wait_event("approved")
        return charge(card, cents * 2)

    deploy(fixed)
    harness.run_until_idle()
    assert fork.result() == "visa-1 paid 200"
    again = harness.engine.fork(fork.id, "charge")
    harness.run_until_idle()
    assert again.result() == "visa-1 paid 200"


def test_what_cannot_be_forked_is_refused_with_a_sentence(harness: Harness, done: Any) -> None:
    engine = harness.engine
    with pytest.raises(hydra.HydraError, match="no record of step `refund`; recorded are `appraise`, `charge`"):
        engine.fork(done.id, "refund")
    with pytest.raises(hydra.HydraError, match="no record of call 3 of step `charge`"):
        engine.fork(done.id, "charge", number=3)
    with pytest.raises(hydra.NotFound):
        engine.fork("nobody", "charge")
    with pytest.raises(hydra.ConfigError, match="is of workflow `deal`"):
        engine.fork(done.id, "charge", input=hydra.named("other").bind())

    def parent(card: str) -> Any:
        appraise("hat")
        child = hydra.spawn(hydra.named("nobody's").bind())
        charge(card, 1)
        return child.result()

    spawning = harness.submit(deploy(parent).bind("visa-1"))
    harness.run_until_idle()
    with pytest.raises(hydra.HydraError, match="fork takes along only children that have ended"):
        engine.fork(spawning.id, "charge")
    assert engine.fork(spawning.id, "appraise").execution().tags["hydra.forked_from"] == spawning.id

    @hydra.step
    def undo() -> None: ...

    def fails() -> None:
        hydra.on_failure(undo.bind())
        appraise("hat")
        raise ValueError("no")

    undone = harness.submit(deploy(fails).bind())
    harness.run_until_idle()
    with pytest.raises(hydra.HydraError, match="was undone"):
        engine.fork(undone.id, "appraise")


def test_the_async_engine_forks_too(harness: Harness, done: Any) -> None:
    async def fork() -> str:
        async with hydra.AsyncEngine(harness.url) as engine:
            return (await engine.fork(done.id, "charge")).id

    id = asyncio.run(fork())
    harness.run_until_idle()
    assert harness.engine.get(id).result() == done.result()
