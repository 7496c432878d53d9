"""`retry_if`, `retry_delay` and `deadline`: whether, when and until when a try is repeated, by its error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import hydra
import pytest
from hydra.errors import ConfigError, NonRetryable, RetryAfter
from hydra.execution import Ending
from hydra.retry import MAX_POSTPONED, Backoff, RetryPolicy, Verdict
from hydra.testing import Harness
from hydra.workflow import step, workflow
from hypothesis import given
from hypothesis import strategies as st

from tests.body.supervising import Supervisor

AT_ONCE = Backoff(initial=0.0, maximum=0.0)
TEN_SECONDS = Backoff(initial=10.0, jitter=0.0)


class Refused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


def is_passing(error: Refused) -> bool:
    return error.code >= 500


# the decision


def test_retry_if_is_asked_of_what_retry_on_names_and_its_no_fails_at_once() -> None:
    asked: list[BaseException] = []

    def ask(error: BaseException) -> bool:
        asked.append(error)
        return isinstance(error, Refused) and is_passing(error)

    policy = RetryPolicy(3, AT_ONCE, (Refused,), ask)
    assert policy.decide(Refused(503), 1, 0.5) == Verdict(0.0)
    assert policy.decide(Refused(402), 1, 0.5) == Verdict(None)
    assert policy.decide(Refused(503), 3, 0.5) == Verdict(None, is_exhausted=True)
    assert policy.decide(Refused(402), 3, 0.5) == Verdict(None)
    asked.clear()
    for error in (ValueError(), NonRetryable(), RetryAfter(1)):
        policy.decide(error, 1, 0.5)
    assert asked == []


def test_retry_delay_gives_the_pause_and_none_leaves_it_to_the_backoff() -> None:
    delays: dict[int, Any] = {1: 7, 2: timedelta(minutes=1), 3: None, 4: 0}
    policy = RetryPolicy(9, TEN_SECONDS, retry_delay=lambda error, attempt: delays[attempt])
    assert [policy.decide(ValueError(), attempt, 0.5).seconds for attempt in delays] == [7.0, 60.0, 40.0, 0.0]


@pytest.mark.parametrize("nonsense", [-1, float("nan"), float("inf"), 10**400, "soon", True, [], RetryAfter])
def test_a_retry_delay_that_is_nonsense_is_complained_of_and_the_backoff_decides(nonsense: Any) -> None:
    verdict = RetryPolicy(3, TEN_SECONDS, retry_delay=lambda error, attempt: nonsense).decide(ValueError(), 1, 0.5)
    assert verdict.seconds == 10.0
    (complaint,) = verdict.complaints
    assert (complaint.option, complaint.answer) == ("retry_delay", nonsense) or nonsense != nonsense


@pytest.mark.parametrize("nonsense", [None, 0, 1, "no", []])
def test_a_retry_if_that_answers_no_bool_is_complained_of_and_retry_on_decides(nonsense: Any) -> None:
    verdict = RetryPolicy(3, TEN_SECONDS, retry_if=lambda error: nonsense).decide(ValueError(), 1, 0.5)
    assert verdict.seconds == 10.0
    assert [complaint.option for complaint in verdict.complaints] == ["retry_if"]


def test_functions_that_raise_anything_lose_neither_the_error_nor_the_policy() -> None:
    def fail(*args: Any) -> Any:
        raise SystemExit(3)

    verdict = RetryPolicy(3, TEN_SECONDS, retry_if=fail, retry_delay=fail).decide(ValueError(), 2, 0.5)
    assert verdict.seconds == 20.0
    assert [type(complaint.error) for complaint in verdict.complaints] == [SystemExit, SystemExit]


ERRORS = st.sampled_from(
    [ValueError(), NonRetryable(), RetryAfter(0), RetryAfter(3), RetryAfter(600), Refused(500), SystemExit()]
)


@given(
    st.lists(ERRORS, min_size=1, max_size=60),
    st.integers(1, 5),
    st.none() | st.floats(1, 1000),
    st.sampled_from([None, lambda error, attempt: 2.0, lambda error, attempt: None, lambda error, attempt: -1]),
    st.sampled_from([None, lambda error: True, lambda error: not isinstance(error, Refused), lambda error: 1 / 0]),
)
def test_whatever_is_raised_attempts_and_deadline_bound_the_tries(
    errors: list[BaseException], max_attempts: int, deadline: float | None, retry_delay: Any, retry_if: Any
) -> None:
    policy = RetryPolicy(
        max_attempts, AT_ONCE, retry_if=retry_if, retry_delay=retry_delay, deadline_seconds=deadline
    )  # fmt: skip
    charged = postponed = 0
    elapsed = 0.0
    for error in errors:
        verdict = policy.decide(error, charged + 1, 0.5, postponed_count=postponed, elapsed=elapsed)
        charged, postponed = charged + verdict.is_charged, postponed + (not verdict.is_charged)
        assert verdict.is_charged is not (isinstance(error, RetryAfter) and verdict.seconds is not None)
        if verdict.seconds is None:
            break
        assert charged < max_attempts
        elapsed += verdict.seconds
        assert deadline is None or elapsed <= deadline
    assert charged <= max_attempts


def test_a_step_that_is_postponed_for_ever_runs_out_of_attempts_at_last() -> None:
    policy = RetryPolicy(5)
    again = policy.decide(RetryAfter(30), 1, 0.5, postponed_count=MAX_POSTPONED - 1)
    assert again == Verdict(30.0, is_charged=False, asked_seconds=30.0)
    last = policy.decide(RetryAfter(30), 1, 0.5, postponed_count=MAX_POSTPONED)
    assert last == Verdict(None, is_exhausted=True, asked_seconds=30.0)


def test_a_body_that_raises_retry_after_waits_so_long_and_uses_up_an_attempt() -> None:
    policy = RetryPolicy(2, TEN_SECONDS)
    assert policy.decide(RetryAfter(30), 1, 0.5, can_postpone=False) == Verdict(30.0)
    assert policy.decide(RetryAfter(30), 2, 0.5, can_postpone=False) == Verdict(None, is_exhausted=True)


# in a step


def failing(codes: list[int], **options: Any) -> tuple[Any, list[int]]:
    """A workflow of one step that fails with these codes, then succeeds; and the attempts it saw."""
    attempts: list[int] = []

    @step(max_attempts=5, **options)
    def charge() -> str:
        attempts.append(hydra.current().attempt)
        if codes:
            raise Refused(codes.pop(0))
        return "charged"

    @workflow
    def bill() -> str:
        return charge()

    return bill, attempts


def test_g4_a_step_is_repeated_while_retry_if_says_so(supervisor: Supervisor) -> None:
    bill, attempts = failing([500, 402, 500], backoff=AT_ONCE, retry_if=is_passing)
    execution = supervisor.submit(bill.bind())
    supervisor.run()
    assert attempts == [1, 2]
    assert execution.kinds() == ["try", "failure"]
    assert isinstance(execution.error(), Refused)
    assert execution.error().code == 402  # type: ignore[attr-defined]


def test_g3_a_replay_asks_neither_function_again(supervisor: Supervisor) -> None:
    asked: list[str] = []

    def ask_if(error: BaseException) -> bool:
        asked.append("if")
        return len(asked) <= 2

    def ask_delay(error: BaseException, attempt: int) -> float:
        asked.append("delay")
        return 30.0 + attempt

    bill, attempts = failing([500, 501], retry_if=ask_if, retry_delay=ask_delay)
    execution = supervisor.submit(bill.bind())
    supervisor.run()
    first = execution.records[0]
    assert execution.end.kind == Ending.SLEEPING
    assert execution.end.wake_at == first.due_at == first.finished_at + 31_000_000
    supervisor.finish()
    assert asked == ["if", "delay", "if"]
    assert attempts == [1, 2]
    assert execution.kinds() == ["try", "failure"]


@pytest.mark.parametrize("is_async", [False, True])
def test_the_functions_see_the_steps_own_call_and_cannot_record_anything(
    supervisor: Supervisor, is_async: bool
) -> None:
    seen: list[tuple[str | None, int, str, str]] = []

    @step
    def look() -> str:
        return "called plainly"

    def ask(error: BaseException) -> bool:
        current = hydra.current()
        seen.append((current.step, current.attempt, hydra.idempotency_key(), look()))
        return True

    keys: list[str] = []

    def fail() -> str:
        keys.append(hydra.idempotency_key())
        if len(keys) == 1:
            raise Refused(500)
        return "charged"

    if is_async:

        @step(max_attempts=2, backoff=AT_ONCE, retry_if=ask, name="charge")
        async def charge_soon() -> str:
            await asyncio.sleep(0)
            return fail()

        @workflow
        async def bill_soon() -> str:
            return await charge_soon()

        execution = supervisor.submit(bill_soon.bind())
    else:

        @step(max_attempts=2, backoff=AT_ONCE, retry_if=ask)
        def charge() -> str:
            return fail()

        @workflow
        def bill() -> str:
            return charge()

        execution = supervisor.submit(bill.bind())
    supervisor.run()
    assert execution.result() == "charged"
    assert seen == [("charge", 1, keys[0], "called plainly")]
    assert execution.kinds() == ["try", "step"]


@pytest.mark.parametrize("option", ["retry_if", "retry_delay"])
def test_g7_a_function_that_raises_is_logged_and_the_steps_own_error_is_kept(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture, option: str
) -> None:
    def broken(*args: Any) -> Any:
        raise KeyError("no such code")

    bill, attempts = failing([500, 501, 502, 503, 504], backoff=AT_ONCE, **{option: broken})
    execution = supervisor.submit(bill.bind())
    with caplog.at_level(logging.WARNING, "hydra.worker"):
        supervisor.run()
    assert attempts == [1, 2, 3, 4, 5]
    assert str(execution.error()) == "code 504"
    assert caplog.messages[0] == (
        f"`{option}` of step `charge` raised KeyError: 'no such code'; the rest of its policy decides"
    )


def test_a_workflow_s_attempts_go_by_what_left_the_body(supervisor: Supervisor) -> None:
    codes = [500, 503, 402]

    @step
    def charge() -> None:
        raise Refused(codes.pop(0))

    @workflow(max_attempts=9, retry_if=is_passing, retry_delay=lambda error, attempt: error.code * attempt)
    def bill() -> None:
        charge()

    execution = supervisor.submit(bill.bind())
    supervisor.finish()
    assert [end.kind for end in execution.ends] == [Ending.RETRY, Ending.RETRY, Ending.FAILED]
    waits = [
        end.wake_at - record.finished_at for end, record in zip(execution.ends, execution.records[::2], strict=True)
    ]
    assert [round(wait / 1e6) for wait in waits[:2]] == [500, 1006]


def test_a_map_goes_by_each_items_error(supervisor: Supervisor) -> None:
    tried: list[int] = []

    @step(max_attempts=3, retry_if=is_passing, retry_delay=lambda error, attempt: 60.0)
    def charge(code: int) -> int:
        tried.append(code)
        if code >= 400 and tried.count(code) < 3:
            raise Refused(code)
        return code

    @workflow
    def bill() -> list[bool]:
        return [outcome.is_failed for outcome in hydra.map(charge.bind_each([200, 402, 500]))]

    execution = supervisor.submit(bill.bind())
    supervisor.finish()
    assert execution.result() == [False, True, False]
    assert sorted(tried) == [200, 402, 500, 500, 500]


# the deadline


def test_no_try_begins_past_the_deadline_of_its_step(supervisor: Supervisor) -> None:
    bill, attempts = failing([500] * 5, backoff=TEN_SECONDS, deadline=timedelta(seconds=35))
    execution = supervisor.submit(bill.bind())
    supervisor.finish()
    assert attempts == [1, 2, 3]  # at 0, 10 and 30 s; the next would be at 70
    assert execution.kinds() == ["try", "try", "failure"]


def test_no_item_of_a_map_begins_past_the_deadline_of_its_step(supervisor: Supervisor) -> None:
    tried: list[int] = []

    @step(max_attempts=9, backoff=TEN_SECONDS, deadline=35)
    def charge(item: int) -> None:
        tried.append(item)
        raise Refused(500)

    @workflow
    def bill() -> int:
        return hydra.map(charge.bind_each([7])).failed_count

    execution = supervisor.submit(bill.bind())
    supervisor.finish()
    assert execution.result() == 1
    assert tried == [7, 7, 7]


# what is refused


@pytest.mark.parametrize("decorate", [hydra.step, hydra.transaction, hydra.workflow])
@pytest.mark.parametrize(
    "options", [{"retry_if": True}, {"retry_delay": 30}, {"on_exhausted": "retry"}, {"deadline": 0}, {"deadline": "1h"}]
)
def test_options_that_make_no_sense_are_refused_in_one_sentence(
    decorate: Callable[..., Any], options: dict[str, Any]
) -> None:
    def charge(db: object = None) -> None: ...

    with pytest.raises(ConfigError) as refused:
        decorate(**options)(charge)
    assert "`" + next(iter(options)) + "`" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_predicate_that_is_async_is_refused() -> None:
    async def ask(error: BaseException) -> bool:
        return True

    with pytest.raises(ConfigError, match="`retry_if` must be a function of the exception, not async"):
        hydra.step(retry_if=ask)  # type: ignore[call-overload]


def test_each_database_keeps_what_the_functions_decided(harness: Harness) -> None:
    bill, attempts = failing([500, 402], retry_if=is_passing, retry_delay=lambda error, attempt: 90.0)
    handle = harness.submit(bill.bind())
    harness.run_until_idle()
    (view,) = handle.steps()
    assert view.status == "retrying"
    assert view.due_at is not None and view.finished_at is not None
    assert view.due_at - view.finished_at == timedelta(seconds=90)
    harness.advance(timedelta(seconds=89))
    assert attempts == [1]
    harness.advance(timedelta(seconds=2))
    with pytest.raises(hydra.WorkflowFailed, match="code 402"):
        handle.result(timeout=0)
