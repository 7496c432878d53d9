"""Steps with a lookup: an effect that may have happened is looked up before the step runs again. Does no I/O.

start recorded ──► effect ──► outcome                 dead, timed out or failed in between: in doubt
in doubt ──► lookup ──► found: its outcome
                   ├──► not found: the step runs again, as its policy allows
                   └──► unsure, or the lookup fails for good: parked until a person resolves it
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, NamedTuple, Self, TypeVar

import msgspec

from hydra import codec
from hydra.body.cut_off import leave_if_cut_off
from hydra.body.endings import told
from hydra.body.exhausted import park_step
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import Key, Past
from hydra.body.retrying import due_of, judge, judge_record
from hydra.body.step_call import CalledStep, StepCall
from hydra.body.strand import GivenUp
from hydra.definitions import Step
from hydra.errors import HydraError, Interrupt, StepTimeout
from hydra.execution import LOOKUP_PREFIX, End, Ending, RecordKind
from hydra.retry import Verdict
from hydra.written import written

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


class LastTry(NamedTuple):
    """A try after which the policy allows no other, unless a lookup finds its effect."""

    seq: int  # of its record
    failure: bytes
    is_to_park: bool  # its attempts ran out, and a person is waited for


class LookupCall(StepCall):
    """One try of a step's lookup."""

    number: int = 0  # of this try of the lookup

    is_kept_in_page = False  # it has no effect

    @classmethod
    def numbered(cls, execution: RunningExecution, called: CalledStep, attempt: int, number: int) -> Self:
        assert called.step.lookup is not None
        call = cls(execution, called, called.step, called.step.lookup, attempt, number=number)
        call.called = msgspec.structs.replace(called, args=(call.idempotency_key(None),), kwargs={})
        return call

    @property
    def recorded_as(self) -> tuple[str, int]:
        return f"{LOOKUP_PREFIX}{self.step.name}", self.number


def run_step(execution: RunningExecution, called: CalledStep) -> Any:
    """The step's result, from its effect or from a lookup; its failure, raised; or the execution is parked."""
    history = execution.history
    key, step, digest = called.key, called.step, called.digest
    past = (None if history is None else history.of(key)) or Past()
    host = execution.host
    attempt, used = past.try_count + 1, past.used
    # guard G4: a step that can be looked up starts on a record of its start
    # guard G4: a step that was started is in doubt
    has_start = is_in_doubt = past.is_started
    if execution.place is not None and execution.place.number > 1 and (history is None or history.of(key) is None):
        is_in_doubt = True  # an execution before this one may have taken effect
    needed = 0
    last = _last_try(execution, key, step, past)
    while True:
        execution.strands.wait_to_start(needed)
        if not has_start:
            now = host.now()
            execution.log.append(START, key, digest, None, Timing(attempt, now, now))
            has_start, needed = True, execution.log.seq  # guard G4: that record is durable before the effect
            continue
        if is_in_doubt:
            found = _look_up(execution, called, attempt)
            if found is not None:
                return found.value
            is_in_doubt = False
            if last is not None:  # guard G4: a last try that timed out fails where nothing is found
                if last.is_to_park:
                    park_step(execution, key, last.seq, last.failure)
                now = host.now()
                execution.log.append(FAILURE, key, digest, last.failure, Timing(attempt, now, now))
                raise execution.recorded.rebuilt(key, last.failure, execution.log.seq)
            continue
        call = StepCall.of(execution, called, attempt)
        host.perform(call)
        if not call.started_at:
            continue
        error, verdict = call.error, Verdict()
        if error is None:
            try:
                return _keep(execution, called, call, call.result)
            except (GivenUp, Interrupt):
                raise
            except BaseException as unfit:  # user classes take part in encoding
                error = unfit
        else:
            leave_if_cut_off(execution, call, key)
            verdict = judge(call, error, used, host.random())
        payload = codec.encode_failure(error)
        is_last = verdict.seconds is None
        is_parking = verdict.is_exhausted and step.retry.parks and not call.is_abandoned
        is_looked_up = codec.is_a(error, StepTimeout)
        if is_last and not is_looked_up and not is_parking:  # guard G4: a last try that timed out is looked up
            execution.log.append(FAILURE, key, digest, payload, call)
            raise execution.recorded.rebuilt(key, payload, execution.log.seq)
        due_at = due_of(verdict, call)
        execution.log.append(TRY, key, digest, payload, call.timing(due_at))
        if call.is_abandoned:
            raise GivenUp
        needed = execution.log.seq
        last = LastTry(needed, payload, is_parking) if is_last else None
        if is_parking and not is_looked_up:
            park_step(execution, key, needed, payload)
        is_in_doubt = True
        attempt += 1
        used = used.after(verdict, call.started_at)
        execution.strands.wait_until(abs(due_at))


def _last_try(execution: RunningExecution, key: Key, step: Step[..., Any], past: Past) -> LastTry | None:
    """The last that its policy allows, by its records. Else it waits for when the next may start."""
    record = past.timed_out or past.last_failure
    if record is None:
        return None
    verdict, at = judge_record(execution, key, step, record, past.used)
    if at is not None and record is past.timed_out:
        execution.strands.wait_until(at)
        return None
    assert record.payload is not None
    is_exhausted = verdict.is_exhausted or at is not None  # it was, by the policy of then
    return LastTry(record.seq, record.payload, is_exhausted and step.retry.parks)


def resolved(execution: RunningExecution, step: Step[..., Any], payload: bytes) -> Any:
    """What a person said the step returned. A program without the code had only JSON, where a Decimal is a string."""
    try:
        return codec.decode_as(payload, step.types.result_annotation)
    except BaseException as error:  # user classes take part in decoding
        said = codec.message_of(error)
        _park(execution, f"the result that was given for step `{step.name}` does not fit it ({said}); resolve it again")
        raise


def _look_up(execution: RunningExecution, called: CalledStep, attempt: int) -> Found[Any] | None:
    """What it found, recorded as the step's outcome; None where the effect did not happen."""
    key, step, digest = called.key, called.step, called.digest
    branch, name, ordinal = key
    own_key = (branch, f"{LOOKUP_PREFIX}{name}", ordinal)
    history, host = execution.history, execution.host
    past = (None if history is None else history.of(own_key)) or Past()
    try_count, used = past.try_count, past.used
    execution.strands.wait_until(past.due_at)
    if (timed_out := past.timed_out) is not None:
        _, at = judge_record(execution, own_key, step, timed_out, used._replace(began_at=0))
        if at is None:
            ended_at = timed_out.finished_at
            # Now that its policy was asked, a person who resumes this has the lookup run again.
            execution.log.append(
                TRY,
                own_key,
                digest,
                timed_out.payload,
                Timing(timed_out.attempt, timed_out.started_at, ended_at, ended_at),
            )
            _park(execution, in_doubt(execution, key, "its lookup ran past its time-out and was killed"))
        execution.strands.wait_until(at or 0)
    needed = 0
    while True:
        execution.strands.wait_to_start(needed)
        call = LookupCall.numbered(execution, called, attempt, try_count + 1)
        host.perform(call)
        if not call.started_at:
            continue
        answer, error = call.result, call.error
        if error is None:
            try:
                if isinstance(answer, Found):
                    return Found(_keep(execution, called, call, answer.value))
            except (GivenUp, Interrupt):
                raise
            except BaseException as unfit:  # user classes take part in encoding
                error = unfit
            if answer is NOT_FOUND:
                return None
            if answer is UNSURE:
                _park(execution, in_doubt(execution, key, "its lookup is unsure"))
            error = error or HydraError(
                f"the lookup of step `{name}` answered {written(answer)}; "
                "return hydra.Found(result), hydra.NOT_FOUND or hydra.UNSURE"
            )
        else:
            leave_if_cut_off(execution, call, own_key)
        try_count += 1
        verdict = judge(call, error, used._replace(began_at=0), host.random())  # the deadline is the step's
        used = used.after(verdict, call.started_at)
        due_at = due_of(verdict, call) or call.finished_at
        payload = codec.encode_failure(error)
        execution.log.append(
            TRY, own_key, digest, payload, Timing(try_count, call.started_at, call.finished_at, due_at)
        )
        if verdict.seconds is None:  # guard G4: a lookup that fails for good parks
            _park(
                execution,
                in_doubt(execution, key, f"its lookup failed ({codec.told_error(error)})"),
            )
        needed = execution.log.seq
        execution.strands.wait_until(abs(due_at))


def _keep(execution: RunningExecution, called: CalledStep, call: StepCall, result: Any) -> Any:
    payload, value = called.step.types.encode_result(result)
    execution.log.append(STEP, called.key, called.digest, payload, call)
    return value


def in_doubt(execution: RunningExecution, key: Key, why: str) -> str:
    return (
        f"step {told(key)} is in doubt: it was started, nobody knows whether it took effect, and {why}; find out, then "
        f"`hydra resolve {execution.claimed.id} {key[1]}` with `--value JSON` or `--rerun`"
    )


def _park(execution: RunningExecution, reason: str) -> None:
    execution.stop(End(Ending.PARKED, codec.encode(reason), cause=IN_DOUBT))
    execution.interrupt()
