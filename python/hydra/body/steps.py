"""One step of an execution: its outcome from the records, or from running it as often as its policy allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydra import codec
from hydra.body import doubts
from hydra.body.host import running
from hydra.body.step_call import StepCall
from hydra.body.transactions import TransactionCall
from hydra.definitions import Step
from hydra.execution import Record, RecordKind

if TYPE_CHECKING:
    from hydra.body.executor import Execution

STEP, FAILURE, TRY = str(RecordKind.STEP), str(RecordKind.FAILURE), str(RecordKind.TRY)
RESOLUTION = str(RecordKind.RESOLUTION)
STEP_KINDS = (STEP, FAILURE, RESOLUTION)


def run_step(
    execution: Execution,
    branch: str,
    step: Step[..., Any],
    ordinal: int,
    digest: bytes,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """The step's result (or its failure, raised), from its record or from running it as often as its policy allows.

    The caller marks it as handed out, when it does that.
    """
    key = (branch, step.name, ordinal)
    past = execution.ask(key, STEP_KINDS, digest)
    attempt, failed_count, needed = 1, 0, 0
    if past is not None:
        if past.outcome is not None:
            return _replayed(execution, step, past.outcome)
        attempt, failed_count = past.try_count + 1, past.failed_count
        execution.wait_until(past.due_at)
    if step.lookup is not None:
        return doubts.run_step(execution, key, step, digest, args, kwargs)
    host = execution.host
    while True:
        execution.wait_to_start(needed)
        call: StepCall
        reserved = 0
        if step.is_transaction:
            transacting = TransactionCall(execution, branch, step, ordinal, attempt, args, kwargs)
            _transact(execution, transacting, digest)
            if transacting.record is not None:
                return transacting.result
            call, reserved = transacting, transacting.seq
        else:
            call = StepCall(execution, branch, step, ordinal, attempt, args, kwargs)
            host.perform(call)
            if not call.started_at:
                continue
        error = call.error
        if error is None:
            try:
                payload = codec.encode(call.result)
                value = step.types.decode_result(payload)
            except Exception as unfit:  # user classes take part in decoding
                error, seconds = unfit, None
            else:
                execution.append(STEP, key, attempt, digest, payload, call.started_at, call.finished_at)
                return value
        else:
            execution.cut_off(call, key, digest)
            seconds = step.retry.delay(failed_count + 1, error, host.random())
        payload = codec.encode_failure(error)
        if seconds is None:
            execution.append(FAILURE, key, attempt, digest, payload, call.started_at, call.finished_at, 0, reserved)
            raise execution.rebuilt(payload, reserved or execution.seq)
        due_at = call.finished_at + round(seconds * 1e6)
        execution.append(TRY, key, attempt, digest, payload, call.started_at, call.finished_at, due_at, reserved)
        needed = reserved or execution.seq
        attempt += 1
        failed_count += 1
        execution.wait_until(due_at)


def _transact(execution: Execution, call: TransactionCall, digest: bytes) -> None:
    """Run it when everything before it is durable; meanwhile its number is kept free, and nothing later is sent."""
    while execution.durable < execution.seq or execution.reserved:
        execution.wait()
    execution.seq += 1
    call.seq = execution.reserved = execution.seq
    call.digest = digest
    execution.host.perform(call)
    while call.is_void or not call.started_at:
        execution.host.left_transaction(call)
        if execution.stopping is None and execution.is_to_stop:
            execution.unreserve()
            execution.go_on_sending()
            execution.stand_still()
        execution.host.resume_when_leased(running())
        execution.wait()
        call.is_void, call.started_at, call.error = False, 0, None
        execution.host.perform(call)
    execution.reserved = 0
    execution.host.left_transaction(call)
    if call.record is not None:
        execution.durable = call.seq
    execution.go_on_sending()


def _replayed(execution: Execution, step: Step[..., Any], record: Record) -> Any:
    assert record.payload is not None
    if record.kind == FAILURE:
        raise execution.rebuilt(record.payload, record.seq)
    if record.kind == RESOLUTION:
        return doubts.resolved(execution, step, record.payload)
    return step.types.decode_result(record.payload)
