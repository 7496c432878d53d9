"""What two failures have in common that are one fault: a fingerprint. Pure: it reads what is recorded, nobody's code.

    class + step + message without ids and numbers + the function in which it was raised  ──►  twelve hex digits

Ids, amounts and lines differ from one execution to the next, and from one deploy to the next; the fault does not.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from hydra import codec
from hydra.errors import PayloadError
from hydra.execution import CAUSES, TIMED_OUT, Status
from hydra.payload_keys import encrypted_with
from hydra.values.printed import RAISED_AGAIN

FINGERPRINT_BYTES = 6
MAX_MESSAGE_LENGTH = 200  # of what is compared and shown
# A word with a digit in it is an id, an amount, a time: `inv-42`, `4,999.00`, `0x7f3a`, `2026-11-29T22:10`. So is a
# UUID, also one without digits.
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[\w@.,:+-]*\d[\w@.,:+-]*", re.IGNORECASE)
_FRAME = re.compile(r'^\s*File "([^"]*)", line (\d+), in (\S+)', re.MULTILINE)
_SPACES = re.compile(r"\s+")
ID = "#"
ENCRYPTED = "encrypted"  # the kind of those whose fault cannot be read here, though they may have many


class Fault(msgspec.Struct, frozen=True):
    """What an execution failed of. `place` is `file:line in function`, where it was raised last; "" if nobody knows."""

    fingerprint: str
    kind: str  # the exception's class; "parked" of what hydra parked, "timeout" of what was too slow; ENCRYPTED
    step: str  # "" where the body itself failed
    message: str  # without ids and numbers
    place: str


def fault_of(status: Status, cause: str, payload: bytes | None, step: str | None) -> Fault:
    """Of how an execution ended (`Store.failures`)."""
    named = "" if step is None else "several" if step == CAUSES else step
    if (key_id := encrypted_with(payload)) is not None:  # the key's id is no number to leave out
        return _exact_fault(ENCRYPTED, named, f"encrypted with the key `{key_id}`", None)
    if status is Status.PARKED:
        return _fault("parked", "", _text_of(payload) or cause, None)
    if payload is None:
        is_late = cause == TIMED_OUT
        return _fault("timeout" if is_late else "failed", named, "" if is_late else cause, None)
    failure = codec.read_failure(payload)
    kind = failure.exception_type.rpartition(":")[2] or failure.exception_type
    return _fault(kind, named, failure.message, last_frame(failure.traceback_text))


def without_ids(message: str) -> str:
    """The message as all failures of its kind have it: `#` in place of ids and numbers, one line, not too long."""
    return _SPACES.sub(" ", _ID.sub(ID, message)).strip()[:MAX_MESSAGE_LENGTH]


def last_frame(traceback_text: str) -> tuple[str, str, str] | None:
    """File, line and function of where it was raised, by the text of its traceback."""
    frames = _FRAME.findall(traceback_text.partition(RAISED_AGAIN)[0])
    return frames[-1] if frames else None


def is_of(fault: Fault, error: str) -> bool:
    """Whether a person who names that error means this one: its fingerprint, or its class, with or without the outer
    names."""
    return error in (fault.fingerprint, fault.kind, fault.kind.rpartition(".")[2])


def _fault(kind: str, step: str, message: str, frame: tuple[str, str, str] | None) -> Fault:
    return _exact_fault(kind, step, without_ids(message), frame)


def _exact_fault(kind: str, step: str, message: str, frame: tuple[str, str, str] | None) -> Fault:
    file, line, function = frame or ("", "", "")
    name = file.rpartition("/")[2]
    said = "\0".join((kind, step, message, name, function)).encode("utf-8", "backslashreplace")
    fingerprint = hashlib.blake2b(said, digest_size=FINGERPRINT_BYTES).hexdigest()
    return Fault(fingerprint, kind, step, message, f"{name}:{line} in {function}" if frame else "")


def _text_of(payload: bytes | None) -> str:
    """The reason of a park; what cannot be read is said to be so."""
    if payload is None:
        return ""
    try:
        return str(codec.decode_plain(payload))
    except (PayloadError, ValueError):
        return "its reason cannot be read"
