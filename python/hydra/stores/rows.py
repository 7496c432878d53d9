"""What a row means, the same on each database. Reads no database.

Columns come in the order of the SQL files `claim`, `claimed_records` and `snapshots`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from hydra._core import decode
from hydra.errors import PayloadError
from hydra.execution import Claimed, Message, Progress, Record, Snapshot, Status
from hydra.schedules import ScheduleProgress, ScheduleSpec, ScheduleState
from hydra.values.failures import decode_failure

decode_tags = msgspec.json.Decoder(dict[str, str]).decode
decode_spec = msgspec.json.Decoder(ScheduleSpec).decode
decode_progress = msgspec.json.Decoder(ScheduleProgress).decode


MESSAGES_PER_BEAT = 1000  # that a heartbeat brings; what is left comes when the execution is claimed again


def consumed_id(record: Record) -> str:
    """The message that a record of kind EVENT consumes."""
    return str(UUID(bytes=record.digest))


def by_arrival(message: Message) -> tuple[int, str]:
    return message.sent_at, message.id


def place_of(progress: Progress) -> bytes:
    """What the table of progress is ordered by, beside the execution."""
    key = f"{progress.branch}\0{progress.name}\0{progress.ordinal}"
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def to_claimed(row: Sequence[Any], records: list[Record], messages: Sequence[Message] = ()) -> Claimed:
    id, epoch, workflow, key, input, attempt, priority, run_at, claimed_at, submitted_at = row[:10]
    timeout_at, wake_seq, attention, death_count, alone_death_count, tags = row[10:16]
    return Claimed(
        id,
        epoch,
        workflow,
        key,
        input,
        attempt,
        priority,
        run_at,
        claimed_at,
        submitted_at,
        0 if attention == "timeout" else timeout_at,  # it is over, whatever this node's clock says
        wake_seq,
        attention == "cancel",
        death_count,
        alone_death_count,
        decode_tags(tags) if tags else {},
        records,
        list(messages),
    )


def to_snapshot(row: Sequence[Any]) -> Snapshot:
    id, workflow, key, status, priority, attempt, epoch, owner, attention, cause, payload, tags = row[:12]
    return Snapshot(
        id,
        workflow,
        key,
        Status(status),
        priority,
        attempt,
        epoch,
        owner,
        attention == "cancel",
        _reason(Status(status), cause, payload),
        decode_tags(tags) if tags else {},
        *row[12:],
    )


def encode_spec(spec: ScheduleSpec) -> str:
    """The same text for the same spec: rows are compared by it."""
    return msgspec.json.encode(spec).decode()


def encode_progress(progress: ScheduleProgress | None) -> str:
    """None: of a schedule that has not begun."""
    return msgspec.json.encode(progress or ScheduleProgress()).decode()


def to_schedule(row: Sequence[Any]) -> ScheduleState:
    """A row of the SQL file `schedules`."""
    name, spec, revision, mark_at, next_at, paused_at, progress, is_served = row
    known = decode_spec(spec), revision, mark_at, next_at, paused_at
    return ScheduleState(name, *known, decode_progress(progress), bool(is_served))


def _reason(status: Status, cause: str, payload: bytes | None) -> str:
    """Why it failed or is parked, in one sentence."""
    if status is Status.FAILED and cause == "timeout":
        return "it did not finish within its time-out"
    if payload is None:
        return cause
    try:
        if status is Status.PARKED:
            return str(decode(payload))
        failure = decode_failure(payload)
    except PayloadError as error:
        return f"its reason cannot be read: {error}"
    return f"{failure.exception_type.rpartition(':')[2]}: {failure.message}"
