"""How an execution ended, as its parent and its submitter are told; and what cannot be taken up again.

Whether the code matches the records only the code can say: `hydra.checking`, which commands ask with `--module`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from hydra import _core, codec
from hydra.errors import PayloadError, WorkflowCancelled, WorkflowFailed, WorkflowParked
from hydra.execution import RESERVED_PREFIX, Record, Status
from hydra.payload_keys import why_closed

Outcome = tuple[Status, bytes | None, str]
UNDOING = f"{RESERVED_PREFIX}undoing"  # of the record that says how the execution ends, and in which attempt


def read_outcome(id: str, workflow: str, outcome: Outcome, function: Callable[..., Any] | None) -> Any:
    """The result, typed by the workflow's return annotation where its code is here; or its end, raised."""
    status, payload, cause = outcome
    name = f"execution `{id}` of `{workflow}`"
    if status is Status.CANCELLED:
        raise WorkflowCancelled(f"{name} was cancelled")
    if status is Status.PARKED:
        sentence = f"{name} is parked: {cause}; see to it, then `resume` it, or wait with `wait_while_parked=True`"
        raise WorkflowParked(sentence, reason=cause)
    if status is Status.COMPLETED:
        if payload is None:
            return None
        if reason := why_closed([payload]):
            raise PayloadError(f"the result of {name} cannot be read: {reason}")
        return _core.decode(payload) if function is None else _decode_result(function, payload)
    if payload is None:
        raise WorkflowFailed(f"{name} failed: {cause or 'no reason was recorded'}", cause=cause)
    failure = codec.read_failure(payload)
    message = f"{name} failed: {failure_line(failure)}"
    own = WorkflowFailed(message, cause=cause, traceback_text=failure.traceback_text)
    raise own from codec.rebuild_exception(failure)


def _decode_result(function: Callable[..., Any], payload: bytes) -> Any:
    return codec.Signature.of(function).decode_result(payload)


def failure_line(failure: codec.Failure) -> str:
    """`ValueError: no`, as Python prints it, or its class alone where it says nothing."""
    kind = re.split(r"[.:]", failure.exception_type)[-1]
    return f"{kind}: {failure.message}" if failure.message.strip() else kind


def undone_reason(id: str) -> str:
    return (
        f"the effects of execution `{id}` were undone when it failed, so what it recorded is true no more; "
        "submit it again (and cancel this one where it is parked)"
    )


def was_undone(records: Iterable[Record], attempt: int) -> bool:
    """Whether an attempt before this one ended with its effects undone: what is recorded is not true any more."""
    return any(record.name == UNDOING and record.attempt < attempt for record in records)
