"""Parents and children as stores and executors see them: what a SPAWN record asks for, and what a child's end says.

A SPAWN record travels with everything its child is made of. The store makes the child in the transaction that writes
the record, and keeps no more of it there than the id. What it answers, and the child's end, are messages to the parent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from hydra import _core
from hydra.execution import KeyReuse, Message, Record, RecordKind, Status, Submission, Submitted

SPAWNED_PREFIX = "hydra.spawned:"  # the answer to a spawn with a key: which execution it is, or that the key clashes
CHILD_PREFIX = "hydra.child:"  # the child's end
SPAWN_PREFIX = "hydra.spawn:"  # of the keys of spawns; the workflow's name follows
PURGED = "its key stands for an execution that was purged"


class Spawn(NamedTuple):
    """The child's id is the request's own, unless its key stood for another execution already."""

    parent_id: str
    submission: Submission
    answer_id: str  # of the message that answers it; it has one where it has a key


class Answer(NamedTuple):
    """To a spawn with a key: its child, or why it has none."""

    child_id: str | None
    taken_by: str = ""  # the execution that has the key
    conflicting: bytes | None = None  # the digest of the arguments it was used with before; empty where not known


class ChildEnd(NamedTuple):
    """How a child ended."""

    status: Status
    cause: str
    payload: bytes | None


def encode_request(submission: Submission, answer_id: str = "") -> bytes:
    s = submission
    parts: list[Any] = [
        s.id,
        s.workflow,
        s.input,
        s.digest,
        s.key,
        s.priority,
        s.timeout_us,
        answer_id or _core.uuid7(),
        str(s.key_reuse),
    ]
    rest = [list(s.limit_keys or ()), s.tags or {}, s.attributes or {}, s.former_digest, s.is_by_name]
    while rest and not rest[-1]:
        rest.pop()
    return _core.encode(parts + rest)


def decode_id(payload: bytes) -> str:
    """The request's id, from a record on its way or one that was kept."""
    value = _core.decode(payload)
    return str(value[0] if isinstance(value, list) else value)


def take_apart(parent_id: str, record: Record) -> tuple[Record, Spawn]:
    """The record to keep, and the child to make."""
    assert record.payload is not None
    submission, answer_id = read_request(record.payload)
    kept = msgspec.structs.replace(record, payload=_core.encode(submission.id))
    return kept, Spawn(parent_id, submission, answer_id)


def read_request(payload: bytes) -> tuple[Submission, str]:
    """The child that a record on its way asks for, and the id of the message that answers it."""
    id, workflow, input, digest, key, priority, timeout_us, answer_id, key_reuse, *more = _core.decode(payload)
    submission = Submission(
        id,
        workflow,
        input,
        digest,
        key,
        priority,
        None,
        timeout_us,
        more[1] or None if len(more) > 1 else None,
        key_reuse=KeyReuse(key_reuse),
        limit_keys=tuple(more[0]) if more and more[0] else None,
        attributes=more[2] or None if len(more) > 2 else None,
        former_digest=more[3] if len(more) > 3 else b"",
        is_by_name=len(more) > 4,
    )
    return submission, answer_id


def has_child(spawn: Spawn, made: Submitted) -> bool:
    """Whether there is a child; what its key stood for may be purged."""
    return not made.conflict and not _is_rejected(spawn, made)


def answer(spawn: Spawn, made: Submitted, now: int) -> Message:
    """The child's id; in a list where the spawn has no child: whose the key is, and for a conflict the digest that it
    was used with, since only the body can say whether its arguments' classes have merely gained fields."""
    said: Any = made.id
    if _is_rejected(spawn, made):
        said = [made.id]
    elif made.conflict:
        said = [made.id, made.digest]
    return Message(spawn.answer_id, spawn.parent_id, SPAWNED_PREFIX + spawn.submission.id, _core.encode(said), now)


def read_answer(payload: bytes) -> Answer:
    said = _core.decode(payload)
    if isinstance(said, list):
        id, *conflicting = said
        return Answer(None, str(id), conflicting[0] if conflicting else None)
    return Answer(said, "", b"" if said is None else None)  # earlier versions said None of a conflict


def child_of(records: Iterable[Record], request_id: str) -> str | None:
    """The execution that a spawn stands for: what its key stood for already, or the one it made; None where its key
    is another's."""
    name = SPAWNED_PREFIX + request_id
    said = next((record.payload for record in records if record.name == name and record.kind == RecordKind.EVENT), None)
    return request_id if said is None else read_answer(said).child_id


def _is_rejected(spawn: Spawn, made: Submitted) -> bool:
    return spawn.submission.key_reuse is KeyReuse.REJECT and made.id != spawn.submission.id


def unannounced(rows: Iterable[tuple[str, str, str, bytes | None]]) -> list[tuple[str, str, str]]:
    """Child, request and parent of the spawns among these whose ends no record knows.

    The rows: execution, kind, name and payload of what it spawned, was answered, and was told."""
    asked: list[tuple[str, str]] = []
    known: set[tuple[str, str]] = set()
    answers: dict[tuple[str, str], object] = {}
    for parent_id, kind, name, payload in rows:
        if kind == RecordKind.SPAWN:
            asked.append((parent_id, decode_id(payload or b"")))
        elif name.startswith(CHILD_PREFIX):
            known.add((parent_id, name.removeprefix(CHILD_PREFIX)))
        else:
            answers[parent_id, name.removeprefix(SPAWNED_PREFIX)] = _core.decode(payload or b"")
    links = ((answers.get(each, each[1]), each[1], each[0]) for each in asked if each not in known)
    return [(child, request, parent) for child, request, parent in links if isinstance(child, str)]


def tell_end(parent_id: str, request_id: str, end: ChildEnd, now: int) -> Message:
    """The message's id is the request's: a request is told of one end."""
    payload = b"\0".join((end.status.encode(), end.cause.encode(), end.payload or b""))
    return Message(request_id, parent_id, CHILD_PREFIX + request_id, payload, now)


def is_purged(payload: bytes) -> bool:
    """Whether the end says that nobody knows how the child ended."""
    return decode_end(payload).cause == PURGED


def outcome_at(payload: bytes) -> int:
    """Where the outcome begins in the message of a child's end, behind status and cause."""
    return payload.index(b"\0", payload.index(b"\0") + 1) + 1


def decode_end(payload: bytes) -> ChildEnd:
    status, cause, outcome = payload.split(b"\0", 2)
    return ChildEnd(Status(status.decode()), cause.decode(), outcome or None)
