"""Parents and children as stores and executors see them: what a SPAWN record asks for, and what a child's end says.

A SPAWN record travels with everything its child is made of. The store makes the child in the transaction that writes
the record, and keeps no more of it there than the id. What it answers, and the child's end, are messages to the parent.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hydra import _core
from hydra.execution import Message, Record, Status, Submission

SPAWNED_PREFIX = "hydra.spawned:"  # the answer to a spawn with a key: which execution it is, or that the key clashes
CHILD_PREFIX = "hydra.child:"  # the child's end
PURGED = "its key stands for an execution that was purged"


class Spawn(NamedTuple):
    """The child's id is the request's own, unless its key stood for another execution already."""

    parent_id: str
    submission: Submission
    answer_id: str  # of the message that answers it; it has one where it has a key


class End(NamedTuple):
    """How a child ended."""

    status: Status
    cause: str
    payload: bytes | None


def encode_request(submission: Submission) -> bytes:
    s = submission
    return _core.encode([s.id, s.workflow, s.input, s.digest, s.key, s.priority, s.timeout_us, _core.uuid7()])


def decode_id(payload: bytes) -> str:
    """The request's id, from a record on its way or one that was kept."""
    value = _core.decode(payload)
    return str(value[0] if isinstance(value, list) else value)


def take_apart(parent_id: str, record: Record) -> tuple[Record, Spawn]:
    """The record to keep, and the child to make."""
    assert record.payload is not None
    id, workflow, input, digest, key, priority, timeout_us, answer_id = _core.decode(record.payload)
    submission = Submission(id, workflow, input, digest, key, priority, None, timeout_us)
    return msgspec.structs.replace(record, payload=_core.encode(id)), Spawn(parent_id, submission, answer_id)


def answer(spawn: Spawn, child_id: str, *, conflict: bool, now: int) -> Message:
    name = SPAWNED_PREFIX + spawn.submission.id
    return Message(spawn.answer_id, spawn.parent_id, name, _core.encode(None if conflict else child_id), now)


def tell_end(parent_id: str, request_id: str, end: End, now: int) -> Message:
    """The message's id is the request's: a request is told of one end."""
    payload = b"\0".join((end.status.encode(), end.cause.encode(), end.payload or b""))
    return Message(request_id, parent_id, CHILD_PREFIX + request_id, payload, now)


def decode_end(payload: bytes) -> End:
    status, cause, outcome = payload.split(b"\0", 2)
    return End(Status(status.decode()), cause.decode(), outcome or None)
