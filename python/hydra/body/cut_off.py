"""A try of a step that was ended with its execution: it has no outcome, and used up no attempt.

Nobody knows what it did. It is recorded as a crash, which a later claim looks into as into any other.
"""

from __future__ import annotations

from asyncio import CancelledError

from hydra import codec
from hydra.body.protocol import RunningExecution
from hydra.body.replay import Key
from hydra.body.step_call import StepCall
from hydra.body.strand import GivenUp
from hydra.errors import StepTimeout
from hydra.execution import RecordKind

CRASH = str(RecordKind.CRASH)


def leave_if_cut_off(execution: RunningExecution, call: StepCall, key: Key) -> None:
    """End the running strand where the try was ended with its execution."""
    if not was_cut_off(execution, call, key):
        return
    if call.is_abandoned:
        raise GivenUp
    if execution.stopping is None:
        execution.strands.stand_still()
    execution.interrupt()


def was_cut_off(execution: RunningExecution, call: StepCall, key: Key) -> bool:
    """Whether the try was ended with its execution; if so its crash is recorded."""
    is_ended = call.is_cut_off and codec.is_a(call.error, StepTimeout)
    is_cancelled = call.stop_at_ns > 0 and codec.is_a(call.error, CancelledError)  # how an async step is asked
    if not is_ended and not is_cancelled:
        return False
    if not call.is_given_up:  # of such a one the supervisor writes the crash, with the worker's
        reason = call.overdue_reason or f"step `{call.step.name}` was cancelled with its execution"
        execution.log.append(CRASH, key, call.called.digest, codec.encode(reason), call)
    return True
