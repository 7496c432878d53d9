"""Which records and messages have a pointer in them, and what they are with the value in its place. Pure.

The end of a child is told with its outcome behind other words, so a pointer lies inside.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hydra.execution import Claimed, Message, Record
from hydra.payload_keys import encrypted_with
from hydra.pointers import MAGIC, is_pointer
from hydra.records.child_records import CHILD_PREFIX, outcome_at


def is_away(said: Record | Message) -> bool:
    payload = said.payload
    if payload is None:
        return False
    if not said.name.startswith(CHILD_PREFIX):
        return is_pointer(payload)
    with suppress(ValueError):  # it is damaged: whoever reads it says so
        return encrypted_with(payload) is None and payload.startswith(MAGIC, outcome_at(payload))
    return False


def has_pointer(execution: Claimed) -> bool:
    return is_pointer(execution.input) or any(map(is_away, execution.records)) or any(map(is_away, execution.messages))


def with_fetched(payload: bytes, fetch: Callable[[bytes], bytes]) -> bytes:
    """Of one that `is_away`."""
    at = 0 if is_pointer(payload) else outcome_at(payload)
    return payload[:at] + fetch(payload[at:])
