"""What `hydra show` and the page say of an execution's input and error, without the app's code. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from hydra import codec
from hydra.errors import PayloadError
from hydra.execution import Status
from hydra.pointers import is_pointer, is_unfetched, pointer_in
from hydra.records.ends import failure_line
from hydra.records.fingerprints import fault_of
from hydra.stores.failed_end import FailedEnd

MAX_INPUT_LENGTH = 500  # of the line that people read; `--json` has all of it


class ShownError(msgspec.Struct, frozen=True):
    """`error` is the fingerprint by which others that failed alike are found."""

    error: str
    kind: str
    step: str
    message: str
    traceback: str


def input_of(payload: bytes) -> Any:
    """The arguments: `{"args": [...], "kwargs": {...}}`, as plain JSON."""
    if is_pointer(payload) and not is_unfetched(payload):
        return f"offloaded ({pointer_in(payload).size:,} bytes)"
    try:
        return codec.describe(payload)
    except (PayloadError, ValueError) as error:
        return f"it cannot be read: {error}"


def generation_of(payload: bytes) -> int | None:
    """None where the input cannot be read."""
    try:
        return codec.generation_of(payload)
    except (PayloadError, ValueError):
        return None


def error_of(end: FailedEnd | None) -> ShownError | None:
    """None of what neither failed nor is parked."""
    if end is None:
        return None
    fault = fault_of(end.status, end.cause, end.payload, end.step)
    if end.status is Status.PARKED or end.payload is None:
        return ShownError(fault.fingerprint, fault.kind, fault.step, end.cause, "")
    try:
        failure = codec.read_failure(end.payload)
    except (PayloadError, ValueError) as error:
        return ShownError(fault.fingerprint, fault.kind, fault.step, f"it cannot be read: {error}", "")
    line = failure_line(failure)
    return ShownError(fault.fingerprint, fault.kind, fault.step, line, failure.traceback_text)
