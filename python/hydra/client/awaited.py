"""What an execution waits for, as the records of its waits say, and what a sender goes by. Reads no database.

A wait records its type as a JSON Schema, so that whoever sends what does not fit is told, without the code. What
fits no open wait and got past is set aside by the body, in a record, and the waits go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hydra import codec
from hydra.client.views import to_datetime
from hydra.errors import PayloadError
from hydra.execution import EVENT_PREFIX, SET_ASIDE_PREFIX, Record, RecordKind
from hydra.payload_keys import encrypted_with
from hydra.records.callbacks import CALLBACK_PREFIX, TYPE, Callback
from hydra.values.jsonschema import mismatch

CALLBACK = "a callback"


class Awaited(msgspec.Struct, frozen=True):
    """One wait that is not over: the event's name, the type it is read as ("" for any), since when and until when."""

    name: str
    type: str
    since: datetime
    until: datetime | None
    schema: dict[str, Any]


class SetAside(msgspec.Struct, frozen=True):
    """A message that fitted none of the waits for it, so far."""

    name: str
    value: Any
    reason: str
    at: datetime


def awaited_of(waits: Iterable[Record]) -> list[Awaited]:
    found = []
    for record in waits:
        is_told = record.payload is not None and encrypted_with(record.payload) is None
        note = codec.decode(record.payload or b"") if is_told else {}
        until = to_datetime(record.due_at) if record.due_at else None
        since = to_datetime(record.started_at)
        found.append(Awaited(event_of(record.name), note.get("type", ""), since, until, note.get("schema", {})))
    return found


def announced_by(callback: Callback, records: Iterable[Record]) -> list[Awaited]:
    """As what a token will be waited for, where the body said so when it made it."""
    name = f"{TYPE}:{callback.name}"
    return awaited_of(
        msgspec.structs.replace(each, payload=codec.decode(each.payload))
        for each in records
        if each.kind == RecordKind.VALUE and each.name == name and each.payload is not None
    )


def set_aside_of(records: Iterable[Record]) -> list[SetAside]:
    found = []
    events = [record for record in records if record.kind == RecordKind.EVENT]
    last_use = {record.digest: record.seq for record in events}  # a later wait may have taken it
    for record in events:
        is_aside = record.name.startswith(SET_ASIDE_PREFIX) and last_use[record.digest] == record.seq
        if is_aside and record.payload is not None and encrypted_with(record.payload) is None:
            reason, payload = codec.decode(record.payload)
            name = event_of(record.name.removeprefix(SET_ASIDE_PREFIX))
            said = (
                codec.decode(payload)[1] if name == CALLBACK else payload
            )  # beside whether it was completed or failed
            found.append(SetAside(name, codec.describe(said), reason, to_datetime(record.finished_at)))
    return found


def event_of(name: str) -> str:
    """The event that a wait's record is of, as users know it."""
    return CALLBACK if name.startswith(CALLBACK_PREFIX) else name.removeprefix(EVENT_PREFIX)


def refuse_unfit(
    id: str, what: str, value: Any, awaited: Sequence[Awaited], before: Callable[[], Sequence[Awaited]] = tuple
) -> None:
    """PayloadError where every wait for it is of a type that the value is not. `before`: the waits that are over, too,
    of which it may have another."""
    problem = _misfit(value, awaited)
    if problem is None or ((earlier := before()) and _misfit(value, earlier) is None):
        return
    raise PayloadError(f"execution `{id}` waits for {what} as `{awaited[-1].type}`: {problem}; nothing was sent")


def _misfit(value: Any, awaited: Sequence[Awaited]) -> str | None:
    """Why none of these can read it."""
    problem = None
    for each in awaited:
        problem = mismatch(codec.outline(value), each.schema, "value") if each.schema else None
        if problem is None:
            return None
    return problem


def ever_awaited(records: Iterable[Record], name: str) -> list[Awaited]:
    """The waits for that event, those that are over, too."""
    wanted = EVENT_PREFIX + name
    return awaited_of(record for record in records if record.kind == RecordKind.WAIT and record.name == wanted)
