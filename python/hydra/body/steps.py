"""One step of an execution: its outcome from the records, or from running it as often as its policy allows."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from hydra import codec
from hydra.body import breaker_waits, lookups, placed_steps
from hydra.body.cut_off import leave_if_cut_off
from hydra.body.endings import told
from hydra.body.exhausted import park_step
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import Key, Past, Used
from hydra.body.retrying import due_of, judge, judge_record
from hydra.body.step_call import CalledStep, StepCall
from hydra.body.strand import GivenUp, running
from hydra.body.transactions import TransactionCall
from hydra.definitions import Step
from hydra.errors import Interrupt
from hydra.execution import ELSEWHERE, Record, RecordKind, Status
from hydra.retry import Verdict

STEP, FAILURE, TRY = str(RecordKind.STEP), str(RecordKind.FAILURE), str(RecordKind.TRY)
CRASH = str(RecordKind.CRASH)
RESOLUTION = str(RecordKind.RESOLUTION)
STEP_KINDS = (STEP, FAILURE, RESOLUTION)
UNUSED = Used()


def run_step(execution: RunningExecution, called: CalledStep) -> Any:
    """The step's result (or its failure, raised), from its record or from running it as often as its policy allows.

    The caller marks it as handed out, when it does that.
    """
    key, step, digest = called.key, called.step, called.digest
    attempt, used, needed, reserved = 1, UNUSED, 0, 0
    # By far the commonest, a plain step where nothing is recorded, has nothing to ask; whatever stops the execution
    # is seen before it starts.
    if execution.history is not None or not step.is_plain:
        if placed_steps.is_placed(execution, key, step):
            return _run_placed(execution, called)
        past = execution.recorded.ask(key, STEP_KINDS, digest, (called.args, called.kwargs))
        if past is not None:
            if past.outcome is not None:
                return _replayed(execution, key, step, past.outcome)
            attempt, used = past.try_count + 1, past.used
            if past.digest:  # what one key stands for keeps its digest, whatever its classes gain
                digest, called = past.digest, msgspec.structs.replace(called, digest=past.digest)
            execution.strands.wait_until(past.due_at)
            if step.lookup is None:
                _judge(execution, step, key, digest, past)
        if step.lookup is not None:
            return lookups.run_step(execution, called)
    while True:
        call: StepCall
        if step.is_transaction:
            execution.strands.wait_to_start(needed)
            call = transacting = TransactionCall(execution, called, step, step.function, attempt)
            _transact(execution, transacting)
            if transacting.record is not None:
                running().had(transacting.record.finished_at, transacting.seq)
                return transacting.result
            reserved = transacting.seq
        else:
            if step.breaker is not None:
                call = breaker_waits.perform(execution, called, step.breaker, attempt, needed)
            else:
                execution.strands.wait_to_start(needed)
                call = StepCall(execution, called, step, step.function, attempt)
                execution.host.perform(call)
            if not call.started_at:
                continue
        error = call.error
        if error is None:
            try:
                payload, value = step.types.encode_result(call.result)
            except (GivenUp, Interrupt):
                raise
            except BaseException as unfit:  # user classes take part in decoding
                error, verdict = unfit, Verdict()
            else:
                execution.log.append(STEP, key, digest, payload, call)
                return value
        else:
            leave_if_cut_off(execution, call, key)
            verdict = judge(call, error, used, execution.host.random())
            if step.breaker is not None:
                verdict = breaker_waits.judged(execution, call, verdict, used)
        payload = codec.encode_failure(error)
        call.error = error = None  # a traceback holds these frames: together they would be a cycle
        is_parking = verdict.is_exhausted and step.retry.parks and not call.is_abandoned
        if verdict.seconds is None and not is_parking:
            execution.log.append(FAILURE, key, digest, payload, call.timing(0, reserved))
            raise execution.recorded.rebuilt(key, payload, reserved or execution.log.seq)
        due_at = due_of(verdict, call)
        execution.log.append(TRY, key, digest, payload, call.timing(due_at, reserved))
        if call.is_abandoned:
            raise GivenUp
        needed = reserved or execution.log.seq
        if is_parking:
            park_step(execution, key, needed, payload)
        attempt += 1
        used = used.after(verdict, call.started_at)
        execution.strands.wait_until(abs(due_at))


def _run_placed(execution: RunningExecution, called: CalledStep) -> Any:
    """The step runs as an execution of its own, whose end becomes the step's record here."""
    key, step, digest = called.key, called.step, called.digest
    placed = placed_steps.wait_for_end(execution, called)
    past = execution.recorded.ask(key, STEP_KINDS, digest, (called.args, called.kwargs))
    if past is not None and past.outcome is not None:
        return _replayed(execution, key, step, past.outcome)
    now = execution.host.now()
    if placed.end.status is not Status.COMPLETED:
        payload = placed_steps.failure_of(step, placed)
        execution.log.append(FAILURE, key, digest, payload, Timing(placed.number, placed.asked_at, now, ELSEWHERE))
        raise execution.recorded.rebuilt(key, payload, execution.log.seq)
    payload = placed.end.payload or codec.encode(None)
    try:
        value = step.types.decode_result(payload)
    except BaseException as error:  # user classes take part in decoding
        return _unreadable(execution, key, error)
    execution.log.append(STEP, key, digest, payload, Timing(placed.number, placed.asked_at, now, ELSEWHERE))
    return value


def _judge(execution: RunningExecution, step: Step[..., Any], key: Key, digest: bytes, past: Past) -> None:
    """Its last try was killed for its time-out, or is known to be the last: wait as its policy says, fail, or park."""
    last, is_exhausted, at = past.last_failure, True, None
    if past.timed_out is not None:
        last = past.timed_out
        verdict, at = judge_record(execution, key, step, last, past.used)
        is_exhausted = verdict.is_exhausted
    if last is None:
        return
    payload = last.payload
    assert payload is not None
    if at is not None:
        execution.strands.wait_until(at)
    elif is_exhausted and step.retry.parks:
        park_step(execution, key, last.seq, payload)
    else:
        execution.log.append(FAILURE, key, digest, payload, Timing(last.attempt, last.started_at, last.finished_at))
        raise execution.recorded.rebuilt(key, payload, execution.log.seq)


def _transact(execution: RunningExecution, call: TransactionCall) -> None:
    """Run it when everything before it is durable; meanwhile its number is kept free, and nothing later is sent."""
    while execution.log.durable < execution.log.seq or execution.log.reserved:
        execution.strands.wait()
    call.seq = execution.log.reserve()
    execution.host.perform(call)
    while call.is_void or not call.started_at:
        execution.host.left_transaction(call)
        if execution.stopping is None and execution.is_to_stop:
            execution.log.unreserve()
            execution.go_on_sending()
            execution.strands.stand_still()
        execution.host.resume_when_leased(running())
        try:
            execution.strands.wait()
        except GivenUp:
            _leave(execution, call)
            raise
        call.is_void, call.started_at, call.error = False, 0, None
        execution.host.perform(call)
    execution.log.release(is_written=call.record is not None)
    execution.host.left_transaction(call)
    if call.is_cancelling:
        execution.halt("cancelled")
    execution.go_on_sending()


def _leave(execution: RunningExecution, call: TransactionCall) -> None:
    """It was given up before it could commit; the number that was kept for it tells that."""
    reason = codec.encode(f"transaction `{call.step.name}` was given up before it committed")
    called, now = call.called, execution.host.now()
    execution.log.append(CRASH, called.key, called.digest, reason, Timing(call.attempt, now, now, 0, call.seq))
    execution.log.release(is_written=False)
    execution.go_on_sending()


def _replayed(execution: RunningExecution, key: Key, step: Step[..., Any], record: Record) -> Any:
    assert record.payload is not None
    if record.kind == FAILURE:
        raise execution.recorded.rebuilt(key, record.payload, record.seq)
    if record.kind == RESOLUTION:
        return lookups.resolved(execution, step, record.payload)
    try:
        return step.types.decode_result(record.payload)
    except BaseException as error:  # user classes take part in decoding
        return _unreadable(execution, key, error)


def _unreadable(execution: RunningExecution, key: Key, error: BaseException) -> NoReturn:
    """It was read when it was recorded."""
    sentence = f"{told(key)} has a result that the code cannot read any more: {codec.message_of(error)}"
    execution.recorded.diverge(sentence, "what it returns now", "another result")
