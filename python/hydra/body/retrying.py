"""What becomes of a try or an attempt that failed: the policy decides, and functions of the user's in it are called as
if the step itself called them. Records nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from datetime import timedelta
from typing import Any

from hydra import codec
from hydra.body.replay import Key, Used
from hydra.body.step_call import CalledStep, StepCall, StepOwner
from hydra.definitions import Step, Workflow, caller
from hydra.errors import RetryAfter
from hydra.execution import CoolDown, Record
from hydra.retry import EVEN_CHANCE, Complaint, Verdict

MAX_REASON_LENGTH = 200  # of a cool-down
SHOWN = (bool, int, float, str, type(None), timedelta)  # what is safe to print of an answer

log = logging.getLogger("hydra.worker")


def judge(call: StepCall, error: BaseException, used: Used, random: float) -> Verdict:
    """Of a try that has just failed; `used` is what those before it did."""
    began_at = used.began_at or call.started_at
    policy = call.step.retry
    verdict = policy.decide(
        error,
        used.failed_count + 1,
        random,
        postponed_count=used.postponed_count,
        elapsed=(call.finished_at - began_at) / 1e6,
        call=as_caller(call),
    )
    _tell(f"step `{call.step.name}`", verdict.complaints)
    if verdict.asked_seconds is not None:
        _cool_down(call, error, verdict.asked_seconds)
    return verdict


def _cool_down(call: StepCall, error: BaseException, seconds: float) -> None:
    """Those who share the key that it names, or its step, wait, too, whatever becomes of this step."""
    key = getattr(error, "key", None) if issubclass(type(error), RetryAfter) else None
    if type(key) is not str:
        key = call.step.retry.cool_down
    if key is None:
        return
    limits = call.execution.limits_named(key)
    until = call.finished_at + round(seconds * 1e6)
    reason = f"step `{call.step.name}`: {codec.message_of(error)}"[:MAX_REASON_LENGTH]
    call.execution.log.cool_downs += tuple(CoolDown(limit, until, reason) for limit in limits)
    if not limits:
        with suppress(BaseException):  # handlers and filters of logging are the user's, too
            log.warning(
                "step `%s` cools down `%s`, and its workflow has no limit of that key or name; only it waits itself",
                call.step.name,
                key,
            )


def judge_record(
    execution: StepOwner, key: Key, step: Step[..., Any], record: Record, used: Used
) -> tuple[Verdict, int | None]:
    """Of a try that was killed for its time-out, so that its policy was not asked; and when the next one may start.

    `used` counts it already. It is asked at each replay, so there is no chance in it.
    """
    call = StepCall.of(execution, CalledStep(key, step, record.digest, (), {}), record.attempt)
    call.started_at, call.finished_at = record.started_at, record.finished_at
    error = codec.rebuild_exception(codec.read_failure(record.payload or b""))
    verdict = judge(call, error, used._replace(failed_count=used.failed_count - 1), EVEN_CHANCE)
    seconds = verdict.seconds
    return verdict, None if seconds is None else record.finished_at + round(seconds * 1e6)


def due_of(verdict: Verdict, call: StepCall) -> int:
    """The `due_at` of its record: negative where it is postponed, 0 where no other try follows."""
    if verdict.seconds is None:
        return 0
    due_at = call.finished_at + round(verdict.seconds * 1e6)
    return due_at if verdict.is_charged else -due_at


def judge_attempt(workflow: Workflow[..., Any], error: BaseException, attempt: int, random: float) -> Verdict:
    """Of what left the body in that attempt of those its policy counts."""
    verdict = workflow.retry.decide(error, attempt, random, can_postpone=False, call=as_caller(None))
    _tell(f"workflow `{workflow.name}`", verdict.complaints)
    return verdict


def as_caller(who: StepCall | None) -> Callable[..., Any]:
    """How a function is called so that a step in it is a plain call, never one of the body's, which leaves a record."""

    def call(function: Callable[..., Any], *args: Any) -> Any:
        return copy_context().run(call_in_context, function, args)

    def call_in_context(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        caller.set(who)
        return function(*args)

    return call


def _tell(whose: str, complaints: tuple[Complaint, ...]) -> None:
    for option, error, answer in complaints:
        if error is not None:
            what = f"raised {codec.told_error(error):.500}"
        else:
            what = f"gave {answer!r:.80}" if type(answer) in SHOWN else f"gave a `{type(answer).__name__}`"
        with suppress(BaseException):  # handlers and filters of logging are the user's, too
            log.warning("`%s` of %s %s; the rest of its policy decides", option, whose, what)
