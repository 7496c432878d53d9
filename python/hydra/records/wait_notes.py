"""What the record of a wait says of its type, and the record of a message that did not fit it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from hydra import codec
from hydra.errors import PayloadError
from hydra.execution import EVENT_PREFIX, SET_ASIDE_PREFIX
from hydra.payload_keys import encrypted_with, why_closed
from hydra.values.schemas import schema_of

MAX_NOTE_BYTES = 16 * 1024  # a schema that is larger is not recorded: what does not fit is then set aside
MAX_NOTE_COUNT = 1024
MAX_REASON_LENGTH = 500


def note_of(annotation: Any) -> bytes | None:
    """What the record of a wait says of its type; None where it takes anything."""
    try:
        return _cached_note(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return _make_note(annotation)


def set_aside_note(reason: str, payload: bytes) -> bytes:
    return codec.encode([reason[:MAX_REASON_LENGTH], payload])


def message_in(name: str, payload: bytes) -> tuple[str, bytes]:
    """The name and payload of the message that an event's record, of this name and payload, took or set aside. What is
    encrypted stays as it is, and is no message's: whoever has the keys compares again."""
    if name.startswith(SET_ASIDE_PREFIX):
        name = name.removeprefix(SET_ASIDE_PREFIX)
        payload = payload if encrypted_with(payload) is not None else codec.decode(payload)[1]
    return name.removeprefix(EVENT_PREFIX), payload


def refuse_unreadable(id: str, execution_id: str, payloads: Iterable[bytes | None]) -> None:
    """PayloadError where what was said under that id before cannot be read: nobody knows whether it was the same."""
    if reason := why_closed(payloads):
        raise PayloadError(
            f"message `{id}` was sent to execution `{execution_id}` before, and whether it said the same is not known: "
            f"{reason}"
        )


@functools.lru_cache(maxsize=MAX_NOTE_COUNT)
def _cached_note(annotation: Any) -> bytes | None:
    return _make_note(annotation)


def _make_note(annotation: Any) -> bytes | None:
    if annotation is Any:
        return None
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
    note = codec.encode({"type": name, "schema": schema_of(annotation)})
    return note if len(note) <= MAX_NOTE_BYTES else codec.encode({"type": name[:MAX_REASON_LENGTH]})
