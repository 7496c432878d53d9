"""What bodies and steps share with each other, and what not."""

from __future__ import annotations

import contextvars
import decimal
import threading
import time

import pytest
from hydra.context import current, idempotency_key, now, sleep
from hydra.errors import HydraError
from hydra.retry import Backoff
from hydra.worker import pace
from hydra.worker.hub import Hub
from hydra.worker.pace import QUICK_US, SAMPLES_MINIMUM, Pace
from hydra.workflow import named, registry, step, workflow

from tests.body.supervising import Supervisor

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("decimal_is_set_by_the_app", [True, False])
def test_a_step_sees_the_context_of_its_body_and_leaves_no_traces_in_it(
    supervisor: Supervisor, inline: bool, decimal_is_set_by_the_app: bool
) -> None:
    @step(inline=inline)
    def leaves_traces() -> tuple[str, int]:
        before = tenant.get(), decimal.getcontext().prec
        tenant.set("a step's")
        decimal.getcontext().prec = 3
        return before

    @workflow
    def traced() -> list[tuple[str, int]]:
        tenant.set("a body's")
        decimal.getcontext().prec = 7
        seen = [leaves_traces(), leaves_traces()]
        return [*seen, (tenant.get(), decimal.getcontext().prec)]

    def app() -> None:
        tenant.set("the app's")
        if decimal_is_set_by_the_app:
            decimal.getcontext().prec = 40
        executions = [supervisor.submit(traced.bind()) for _ in range(3)]
        supervisor.run()
        for execution in executions:
            assert execution.result() == [("a body's", 7)] * 3
        assert (tenant.get(), decimal.getcontext().prec) == ("the app's", 40 if decimal_is_set_by_the_app else 28)

    contextvars.Context().run(app)


def test_a_step_sees_where_it_runs_and_keeps_one_idempotency_key_in_all_tries(supervisor: Supervisor) -> None:
    keys: list[str] = []
    seen: list[object] = []

    @step(max_attempts=2, inline=True)
    def charge(amount: int) -> None:
        keys.extend((idempotency_key(), idempotency_key("refund")))
        seen.append(current())
        if current().attempt == 1:
            raise ConnectionError

    @workflow
    def bill() -> None:
        charge(1)
        charge(1)
        seen.append(current())

    execution = supervisor.submit(bill.bind(), tags={"run": "7"})
    supervisor.finish()
    assert len(keys) == 8
    assert keys[0:2] == keys[2:4]
    assert keys[4:6] == keys[6:8]
    assert len(set(keys)) == 4
    assert all(key.startswith(execution.claimed.id) for key in keys)
    first, second, *_, body = seen
    assert (first.step, first.attempt, first.execution_attempt) == ("charge", 1, 1)  # type: ignore[attr-defined]
    assert (second.step, second.attempt) == ("charge", 2)  # type: ignore[attr-defined]
    assert (body.step, body.attempt, body.tags) == (None, 1, {"run": "7"})  # type: ignore[attr-defined]


def test_calls_in_a_step_are_plain_and_durable_ones_refused(supervisor: Supervisor) -> None:
    @step(inline=True)
    def inner(number: int) -> int:
        return number + 1

    @workflow
    def other(number: int) -> int:
        return number * 10

    @step(inline=True)
    def outer() -> int:
        with pytest.raises(HydraError, match=r"hydra\.sleep"):
            sleep(1)
        assert now().tzinfo is not None
        return inner(other(1))

    @workflow
    def calls() -> int:
        with pytest.raises(HydraError, match=r"hydra\.spawn"):
            other(1)
        return outer()

    execution = supervisor.submit(calls.bind())
    supervisor.run()
    assert execution.result() == 11
    assert execution.kinds() == ["step"]


def test_a_blocking_step_does_not_hold_up_the_others(supervisor: Supervisor) -> None:
    everyone = threading.Barrier(10)

    @step
    def waits() -> str:
        everyone.wait()
        return threading.current_thread().name

    @workflow
    def meets() -> str:
        return waits()

    executions = [supervisor.submit(meets.bind()) for _ in range(10)]
    supervisor.run()
    assert len({execution.result() for execution in executions}) == 10


def test_pool_threads_never_exceed_the_concurrency() -> None:
    supervisor = Supervisor(concurrency=3)
    names: set[str] = set()

    @step
    def waits() -> None:
        names.add(threading.current_thread().name)

    @workflow
    def meets() -> None:
        waits()

    for _ in range(50):
        supervisor.submit(meets.bind())
    supervisor.run()
    assert 1 <= len(names) <= 3


def test_a_step_becomes_inline_after_enough_quick_runs_and_one_bad_run_sends_it_back() -> None:
    for is_bad in ({"duration_us": QUICK_US, "has_switched": False}, {"duration_us": 1, "has_switched": True}):
        learned = Pace(may_learn=True)
        for _ in range(SAMPLES_MINIMUM - 1):
            learned.observe(10, False)
            assert not learned.is_inline
        learned.observe(10, False)
        assert learned.is_inline
        learned.observe(**is_bad)
        assert not learned.is_inline
    learned = Pace(may_learn=True)
    for number in range(SAMPLES_MINIMUM):
        learned.observe(QUICK_US if number % 50 == 0 else 10, False)
    assert not learned.is_inline, "two runs in a hundred were slow"


def test_a_quick_step_moves_to_the_hub_s_thread_and_back_when_it_waits(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SAMPLES_MINIMUM", 20)
    threads: list[str] = []
    hub_thread = threading.current_thread().name

    @step
    def quick() -> None:
        threads.append(threading.current_thread().name)
        if len(threads) > 4_000:
            time.sleep(0.000_1)  # gives up the CPU, though not for long

    @workflow
    def many() -> None:
        for _ in range(50):
            quick()

    for _ in range(100):
        supervisor.submit(many.bind())
    supervisor.run()
    assert len(threads) == 5_000
    assert threads[0].startswith("hydra-step")
    assert hub_thread in threads
    assert threads[4_100:].count(hub_thread) <= 1, "one run that waits sends the step back to the pool"


def test_g4_each_try_gets_its_arguments_as_the_body_gave_them(supervisor: Supervisor) -> None:
    @step(max_attempts=2, backoff=Backoff(0.0, maximum=0.0))
    def charge(lines: list[int]) -> int:
        total = lines.pop() + lines.pop()
        if current().attempt == 1:
            raise ConnectionError
        return total

    @workflow
    def bill() -> tuple[int, list[int]]:
        lines = [1, 2, 3]
        return charge(lines), lines

    execution = supervisor.submit(bill.bind())
    supervisor.run()
    assert execution.result() == (5, [1, 2, 3])


def test_frames_may_be_delivered_from_any_thread(supervisor: Supervisor) -> None:
    @workflow
    def hello(name: str) -> str:
        return f"hello {name}"

    execution = supervisor.submit(hello.bind("you"))
    deliver = Hub.deliver
    threads: list[threading.Thread] = []

    def from_a_thread(hub: Hub, frames: object) -> None:
        thread = threading.Thread(target=deliver, args=(hub, frames))
        threads.append(thread)
        thread.start()

    Hub.deliver = from_a_thread  # type: ignore[method-assign, assignment]
    try:
        supervisor.run()
    finally:
        Hub.deliver = deliver  # type: ignore[method-assign]
    assert execution.result() == "hello you"
    assert threads
    assert named("hello").name in registry.workflows
