"""Steps with limits or labels: each call is an execution of its own, which waits for its place without its body.

    asked (SPAWN) ──► runs where and when there is a place ──► its end (EVENT) ──► the step's outcome
        ├── the body gives it up, or fails ──► STOP: it is cancelled with that record
        ├── it was cancelled by that, and is asked for again ──► the next execution for the same step
        └── its failure was superseded by a retry ──► the next execution

What began without a place goes on without one, whatever the code says by now, and the other way round. Never writes a
database.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from hydra import _core, codec
from hydra.body.mailbox import Waiter
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import Key
from hydra.body.step_call import CalledStep
from hydra.body.strand import GivenUp, running
from hydra.body.waits import wait_message
from hydra.definitions import Step
from hydra.errors import HydraError, Interrupt
from hydra.execution import TIMED_OUT, UNDO_BRANCH, End, Ending, Message, RecordKind, Status, Submission
from hydra.limit_calls import keys_of_call
from hydra.records import child_records
from hydra.records.child_records import CHILD_PREFIX, ChildEnd
from hydra.records.placed import STEP_WORKFLOW_PREFIX, STOP_PREFIX, Place, asked_as, asked_step

HOLD_US = 1_000_000  # an undo that waits for an execution gives its place to others this often
EVENT, SPAWN, VALUE = str(RecordKind.EVENT), str(RecordKind.SPAWN), str(RecordKind.VALUE)


class PlacedEnd(NamedTuple):
    """How the step's execution ended: the `number`th, asked for at `asked_at`."""

    end: ChildEnd
    request: str
    number: int
    asked_at: int


def is_placed(execution: RunningExecution, key: Key, step: Step[..., Any]) -> bool:
    """Whether this call runs as an execution of its own. Records say it where there are any of the call."""
    history = execution.history
    if history is not None:
        if history.of(asked_key(key, 1)) is not None:
            return True
        if history.of(key) is not None:
            return False
    return step.placed_as is not None and execution.place is None


def asked_key(key: Key, number: int) -> Key:
    branch, name, ordinal = key
    return branch, asked_as(name, number), ordinal


def wait_for_end(execution: RunningExecution, called: CalledStep) -> PlacedEnd:
    """Ask for the step's execution, or find it in the records, and wait for its end."""
    key = called.key
    history = execution.history
    superseded_count = 0 if history is None else history.superseded_counts[key]
    number = 1
    while True:
        request, asked_at = _ask(execution, called, number)
        end = _end_of(execution, key, request)
        if not (end.status is Status.CANCELLED and is_wanted_again(execution, key, request)):
            if end.status is Status.COMPLETED or not superseded_count:
                return PlacedEnd(end, request, number, asked_at)
            superseded_count -= 1  # a new attempt runs it again
        number += 1


def is_wanted_again(execution: RunningExecution, key: Key, request: str) -> bool:
    """A body that had given it up comes to it once more; and no cancel ends an undo."""
    history = execution.history
    return key[0] == UNDO_BRANCH or (history is not None and request in history.stopped)


def failure_of(step: Step[..., Any], placed: PlacedEnd) -> bytes:
    """What the body is told of an execution that did not complete."""
    if placed.end.payload is not None and placed.end.status is Status.FAILED:
        return placed.end.payload
    how = "was cancelled" if placed.end.status is Status.CANCELLED else f"failed: {placed.end.cause or 'no reason'}"
    return codec.encode_failure(HydraError(f"step `{step.name}` ran as execution `{placed.request}`, which {how}"))


def pass_over(execution: RunningExecution, key: Key) -> None:
    """What is recorded of a call that lost a race counts as asked for."""
    _open_request(execution, key)


def stop_left(execution: RunningExecution, key: Key) -> None:
    """A call lost a race which an earlier claim began: that has asked for the step, and perhaps not given it up."""
    request = _open_request(execution, key)
    if request is not None:
        _stop(execution, key[0], request)


def ended_at(execution: RunningExecution, key: Key) -> int:
    """When the call's execution ended, if its end has come and is not recorded; else 0."""
    request = _open_request(execution, key)
    return 0 if request is None else execution.mailbox.arrived_at(CHILD_PREFIX + request, None)


def stop_passed_by(execution: RunningExecution) -> None:
    """The body completes on another path than an attempt before it: what that asked for, and this one did not come to,
    would run for nobody."""
    history = execution.history
    for request in _open_requests(execution):
        if request not in execution.step_requests and (history is None or request not in history.stopped):
            _append_stop(execution, "", request)


def wait_for_open(execution: RunningExecution) -> None:
    """Nothing is undone while a step that the body began may still take effect: each is told to stop, once more where
    it was asked for after a cancel."""
    history = execution.history
    left = _open_requests(execution)
    for request in left:
        if history is None or request not in history.stopped:
            _append_stop(execution, UNDO_BRANCH, request)
    for request in left:
        _wait_in_turns(execution, CHILD_PREFIX + request)


def _ask(execution: RunningExecution, called: CalledStep, number: int) -> tuple[str, int]:
    """The id of the step's execution, recorded or made now; and when it was asked for."""
    place, digest = asked_key(called.key, number), called.digest
    past = execution.recorded.ask(place, (SPAWN,), digest, (called.args, called.kwargs))
    if past is not None and past.outcome is not None:
        assert past.outcome.payload is not None
        request = child_records.decode_id(past.outcome.payload)
        execution.step_requests += (request,)
        return request, past.outcome.started_at
    now, request = execution.host.now(), _core.uuid7()
    asked = _submission(execution, called, number, request, now)
    execution.log.append(SPAWN, place, digest, child_records.encode_request(asked), Timing(1, now, now))
    execution.step_requests += (request,)
    return request, now


def _submission(execution: RunningExecution, called: CalledStep, number: int, request: str, now: int) -> Submission:
    claimed = execution.claimed
    step, args, kwargs = called.step, called.args, called.kwargs
    branch, _, ordinal = called.key
    told = execution.current(None, claimed.attempt)
    place = Place(
        claimed.id,
        claimed.workflow,
        branch,
        ordinal,
        execution.generation,
        number,
        claimed.attempt,
        told.version,
        claimed.tags,
    )
    fitted = step.fit_call(args, kwargs)
    input = codec.encode_placed(step.function, *fitted, msgspec.to_builtins(place))
    workflow = step.placed_as or STEP_WORKFLOW_PREFIX + step.name
    timeout_us = None
    if claimed.timeout_at is not None and not execution.is_undoing:
        timeout_us = max(1, claimed.timeout_at - now)
    limit_keys = keys_of_call(step.limits, workflow, step.signature, *fitted, claimed.tags)
    return Submission(
        request, workflow, input, called.digest, None, claimed.priority, timeout_us=timeout_us, limit_keys=limit_keys
    )


def _end_of(execution: RunningExecution, key: Key, request: str) -> ChildEnd:
    name = CHILD_PREFIX + request
    own_key = (key[0], name, 0)
    try:
        payload: bytes | None
        if execution.is_undoing:
            payload = _take_in_turns(execution, own_key, name)
        else:
            payload = wait_message(execution, own_key, name, None)
    except GivenUp:
        _stop(execution, key[0], request)
        raise
    except Interrupt:
        end = execution.stopping
        has_failed = end is not None and end.kind == Ending.FAILED and end.cause != TIMED_OUT  # then the store stops it
        if has_failed or running().is_given_up:
            _stop(execution, key[0], request)
        raise
    assert payload is not None
    return child_records.decode_end(payload)


def _stop(execution: RunningExecution, branch: str, request: str) -> None:
    """Have the step's execution cancelled, with the record that says so; once."""
    history = execution.history
    if execution.unwinding is None and (history is None or request not in history.stopped):
        _append_stop(execution, branch, request)


def _append_stop(execution: RunningExecution, branch: str, request: str) -> None:
    now = execution.host.now()
    execution.log.append(VALUE, (branch, STOP_PREFIX + request, 0), b"", None, Timing(1, now, now))


def _open_request(execution: RunningExecution, key: Key) -> str | None:
    """Of the executions for one call the last, by its number, if its end is not recorded."""
    number, found = 1, None
    while (past := execution.recorded.past(asked_key(key, number))) is not None and past.outcome is not None:
        request = child_records.decode_id(past.outcome.payload or b"")
        ended = execution.recorded.past((key[0], CHILD_PREFIX + request, 0))
        found = request if ended is None else None
        number += 1
    return found


def _open_requests(execution: RunningExecution) -> list[str]:
    """The executions of the body's steps whose ends are recorded nowhere."""
    records = execution.claimed.records
    asked = {
        child_records.decode_id(record.payload or b"")
        for record in records
        if asked_step(record) is not None and record.branch != UNDO_BRANCH
    }
    ended = {record.name for record in records if record.kind == EVENT} | execution.mailbox.child_seqs.keys()
    return sorted(id for id in asked.union(execution.step_requests) if CHILD_PREFIX + id not in ended)


def _take_in_turns(execution: RunningExecution, key: Key, name: str) -> bytes:
    """As `wait_message`, in an undo."""
    past = execution.recorded.ask(key, (EVENT,), b"")
    if past is not None and past.outcome is not None:
        return past.outcome.payload or b""
    message = _wait_in_turns(execution, name)
    execution.mailbox.take(message)
    now = execution.host.now()
    execution.log.append(EVENT, key, UUID(message.id).bytes, message.payload, Timing(1, message.sent_at, now))
    execution.log.hand_out()
    return message.payload


def _wait_in_turns(execution: RunningExecution, name: str) -> Message:
    """In an undo, which nothing suspends: after a while its place is given to others, such as whom it waits for."""
    host, waiter = execution.host, Waiter(running(), None)
    until = host.now() + HOLD_US
    while (arrival := execution.mailbox.any_for(name, waiter)) is None:
        now = host.now()
        if now >= until:
            execution.stop(End(Ending.WAITING, wake_seq=execution.claimed.wake_seq))
            execution.interrupt()
        execution.strands.wait_for_message(now, until)
    return arrival.message
