"""A try of a step that has a breaker: it waits until it may call, and says how that went. Decides no state."""

from __future__ import annotations

from asyncio import CancelledError

from hydra import codec
from hydra.body.protocol import RunningExecution
from hydra.body.replay import Used
from hydra.body.step_call import CalledStep, StepCall
from hydra.body.strand import running
from hydra.breakers import Breaker
from hydra.errors import Interrupt, LeaseLost, NonRetryable, RetryAfter
from hydra.retry import MAX_POSTPONED, Verdict

ANSWERS = (RetryAfter, NonRetryable)  # whoever makes a step raise these was there


def perform(execution: RunningExecution, called: CalledStep, breaker: Breaker, attempt: int, needed: int) -> StepCall:
    """One try, when the breaker lets it call; how that went is told before anything else is made of it."""
    number = _wait_to_start(execution, breaker, needed)
    call = StepCall.of(execution, called, attempt)
    execution.host.perform(call)
    execution.host.breakers.tell(number, breaker, _is_good(breaker, call), call.finished_at - call.started_at)
    return call


def _wait_to_start(execution: RunningExecution, breaker: Breaker, needed: int) -> int:
    """Until the breaker lets it call, and it may start (G5, R5). The number under which its outcome is told."""
    breakers = execution.host.breakers
    while True:
        number = breakers.ask(breaker, running())
        try:
            wait_us = None if number else 0
            while wait_us is None and (wait_us := breakers.answer(number)) is None:
                execution.strands.wait()
            if not wait_us:
                execution.strands.wait_to_start(needed)
                return number
        except BaseException:
            if number:
                breakers.forget(number, breaker)
            raise
        execution.wait_for_breaker(breaker.name, execution.host.now() + wait_us)


def judged(execution: RunningExecution, call: StepCall, verdict: Verdict, used: Used) -> Verdict:
    """A try that failed because the provider is down uses up no attempt: it is made again when it may be up."""
    breaker, policy = call.step.breaker, call.step.retry
    assert breaker is not None
    wait_us = execution.host.breakers.wait_us(breaker)
    seconds = wait_us / 1e6
    elapsed = (call.finished_at - (used.began_at or call.started_at)) / 1e6
    is_late = policy.deadline_seconds is not None and elapsed + seconds > policy.deadline_seconds
    if not wait_us or is_late or used.postponed_count >= MAX_POSTPONED or _is_good(breaker, call) is not False:
        return verdict
    return Verdict(seconds, is_charged=False)


def _is_good(breaker: Breaker, call: StepCall) -> bool | None:
    """None where it says nothing of the provider."""
    error = call.error
    if not call.started_at or call.is_cut_off:
        return None
    if error is None:
        return True
    if codec.is_a(error, Interrupt) or codec.is_a(error, LeaseLost):
        return None
    if call.stop_at_ns > 0 and codec.is_a(error, CancelledError):
        return None
    kind = type(error)
    return issubclass(kind, ANSWERS) or not issubclass(kind, breaker.errors)
