"""Steps with a lookup: an effect that may have happened is looked up before the step runs again. Does no I/O.

start recorded ──► effect ──► outcome                 dead, timed out or failed in between: in doubt
in doubt ──► lookup ──► found: its outcome
                   ├──► not found: the step runs again, as its policy allows
                   └──► unsure, or the lookup fails for good: parked until a person resolves it
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from hydra import codec
from hydra.body.endings import told
from hydra.body.replay import Key, Past
from hydra.body.step_call import StepCall
from hydra.definitions import Step
from hydra.errors import HydraError, PayloadError, StepTimeout
from hydra.execution import LOOKUP_PREFIX, End, Ending, RecordKind

if TYPE_CHECKING:
    from hydra.body.executor import Execution

T = TypeVar("T")

IN_DOUBT = "in doubt"  # the cause of a park
FAILURE, START = str(RecordKind.FAILURE), str(RecordKind.START)
STEP, TRY = str(RecordKind.STEP), str(RecordKind.TRY)


class Found(msgspec.Struct, Generic[T], frozen=True):
    """A lookup's answer: the effect happened, and `value` is what the step would have returned."""

    value: T


class Answer(Enum):
    """A lookup's other answers."""

    NOT_FOUND = "not found"  # it did not happen, and will not: the step may run again
    UNSURE = "unsure"  # a person must find out

    def __repr__(self) -> str:
        return f"hydra.{self.name}"


NOT_FOUND, UNSURE = Answer.NOT_FOUND, Answer.UNSURE


class LookupCall(StepCall):
    """One try of a step's lookup."""

    __slots__ = ()

    def __init__(self, execution: Execution, key: Key, step: Step[..., Any], attempt: int) -> None:
        assert step.lookup is not None
        branch, _, ordinal = key
        super().__init__(execution, branch, step, ordinal, attempt, (), {})
        self.function = step.lookup
        self.args = (self.idempotency_key(None),)


def run_step(
    execution: Execution, key: Key, step: Step[..., Any], digest: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The step's result, from its effect or from a lookup; its failure, raised; or the execution is parked."""
    history = execution.history
    past = (None if history is None else history.of(key)) or Past()
    host = execution.host
    branch, _, ordinal = key
    attempt, failed_count = past.try_count + 1, past.failed_count
    failure = past.last_failure  # of a try after which the policy allows no other, unless a lookup finds its effect
    has_start = is_in_doubt = past.is_started
    needed = 0
    while True:
        execution.wait_to_start(needed)
        if not has_start:
            now = host.now()
            execution.append(START, key, attempt, digest, None, now, now)
            has_start, needed = True, execution.seq
            continue
        if is_in_doubt:
            found = _look_up(execution, key, step, digest, attempt)
            if found is not None:
                return found.value
            is_in_doubt = False
            if failure is not None:
                now = host.now()
                execution.append(FAILURE, key, attempt, digest, failure, now, now)
                raise execution.rebuilt(failure, execution.seq)
            continue
        call = StepCall(execution, branch, step, ordinal, attempt, args, kwargs)
        host.perform(call)
        if not call.started_at:
            continue
        error, seconds = call.error, None
        if error is None:
            try:
                return _keep(execution, key, step, digest, call, call.result)
            except Exception as unfit:  # user classes take part in encoding
                error = unfit
        else:
            execution.cut_off(call, key, digest)
            seconds = step.retry.delay(failed_count + 1, error, host.random())
        payload = codec.encode_failure(error)
        if seconds is None and not isinstance(error, StepTimeout):
            execution.append(FAILURE, key, attempt, digest, payload, call.started_at, call.finished_at)
            raise execution.rebuilt(payload, execution.seq)
        due_at = 0 if seconds is None else call.finished_at + round(seconds * 1e6)
        failure = payload if seconds is None else None
        execution.append(TRY, key, attempt, digest, payload, call.started_at, call.finished_at, due_at)
        needed = execution.seq
        is_in_doubt = True
        attempt += 1
        failed_count += 1
        execution.wait_until(due_at)


def resolved(execution: Execution, step: Step[..., Any], payload: bytes) -> Any:
    """What a person said the step returned. A program without the code had only JSON, where a Decimal is a string."""
    annotation = step.types.result_annotation
    try:
        try:
            value = step.types.decode_result(payload)
        except PayloadError:
            return codec.from_json(codec.decode(payload), annotation)
        if isinstance(annotation, type) and annotation is not Any and not isinstance(value, annotation):
            return codec.from_json(value, annotation)
        return value
    except Exception as error:  # user classes take part in decoding
        _park(execution, f"the result that was given for step `{step.name}` does not fit it ({error}); resolve it anew")
        raise


def _look_up(execution: Execution, key: Key, step: Step[..., Any], digest: bytes, attempt: int) -> Found[Any] | None:
    """What it found, recorded as the step's outcome; None where the effect did not happen."""
    branch, name, ordinal = key
    own_key = (branch, f"{LOOKUP_PREFIX}{name}", ordinal)
    history, host = execution.history, execution.host
    past = (None if history is None else history.of(own_key)) or Past()
    try_count, failed_count = past.try_count, past.failed_count
    execution.wait_until(past.due_at)
    needed = 0
    while True:
        execution.wait_to_start(needed)
        call = LookupCall(execution, key, step, attempt)
        host.perform(call)
        if not call.started_at:
            continue
        answer, error = call.result, call.error
        if error is None:
            try:
                if isinstance(answer, Found):
                    return Found(_keep(execution, key, step, digest, call, answer.value))
            except Exception as unfit:  # user classes take part in encoding
                error = unfit
            if answer is NOT_FOUND:
                return None
            if answer is UNSURE:
                _park(execution, in_doubt(execution, key, "its lookup is unsure"))
            error = error or HydraError(
                f"the lookup of step `{name}` answered {answer!r:.80}; "
                "return hydra.Found(result), hydra.NOT_FOUND or hydra.UNSURE."
            )
        else:
            execution.cut_off(call, own_key, digest)
        try_count += 1
        failed_count += 1
        seconds = step.retry.delay(failed_count, error, host.random())
        due_at = call.finished_at + round((seconds or 0) * 1e6)
        payload = codec.encode_failure(error)
        execution.append(TRY, own_key, try_count, digest, payload, call.started_at, call.finished_at, due_at)
        if seconds is None:
            _park(execution, in_doubt(execution, key, f"its lookup failed ({type(error).__name__}: {error})"))
        needed = execution.seq
        execution.wait_until(due_at)


def _keep(execution: Execution, key: Key, step: Step[..., Any], digest: bytes, call: StepCall, result: Any) -> Any:
    payload = codec.encode(result)
    value = step.types.decode_result(payload)
    execution.append(STEP, key, call.attempt, digest, payload, call.started_at, call.finished_at)
    return value


def in_doubt(execution: Execution, key: Key, why: str) -> str:
    return (
        f"step {told(key)} is in doubt: it was started, nobody knows whether it took effect, and {why}; find out, then "
        f"`hydra resolve {execution.claimed.id} {key[1]}` with `--value JSON` or `--rerun`"
    )


def _park(execution: Execution, reason: str) -> None:
    execution.stop(End(Ending.PARKED, codec.encode(reason), cause=IN_DOUBT))
    execution.interrupt()
