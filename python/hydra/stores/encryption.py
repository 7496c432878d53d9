"""What becomes of values on their way to a database whose payloads are encrypted, and on their way back. No I/O.

What the database itself compares, takes apart or copies stays such that it can: keys, names, tags and ids are plain;
digests are keyed so that equal ones stay equal; what a spawn asks for is encrypted inside its request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar, overload

import msgspec

from hydra import _core
from hydra.errors import PayloadError
from hydra.execution import Claimed, ExecutionCommit, Message, Progress, Record, RecordKind, Snapshot, Submission
from hydra.payload_keys import DigestKey, PayloadKeys, encrypted_with
from hydra.records import child_records
from hydra.records.child_records import CHILD_PREFIX, SPAWNED_PREFIX
from hydra.schedules import ScheduleChange
from hydra.stores.rows import changes_attributes, reason_of

M = TypeVar("M", Message, Progress)

replace = msgspec.structs.replace


class Encryption:
    """`encrypt` and `digest_key` are asked at each use: a store may refuse the first, and learn of the second late."""

    def __init__(
        self, keys: PayloadKeys, encrypt: Callable[[bytes], bytes], digest_key: Callable[[bytes], DigestKey | None]
    ) -> None:
        self._keys = keys
        self.encrypt = encrypt
        self._digest_key = digest_key

    # to the database

    def key(self, digest: bytes) -> bytes:
        known = self._digest_key(digest)
        return digest if known is None else known.key(digest)

    def submission(self, submission: Submission) -> Submission:
        digest = self.key(submission.digest)
        former = b"" if digest == submission.digest else submission.digest
        return replace(submission, input=self.encrypt(submission.input), digest=digest, former_digest=former)

    def change(self, change: ScheduleChange) -> ScheduleChange:
        return replace(change, submissions=[self.submission(each) for each in change.submissions])

    def message(self, each: M) -> M:
        return replace(each, payload=self.encrypt(each.payload))

    def record(self, record: Record) -> Record:
        """A spawn is taken apart by the store, which reads the answers to spawns and changes of attributes, too; an
        event's digest is an id."""
        payload, digest = record.payload, record.digest
        if record.kind == RecordKind.EVENT:
            if record.name.startswith(SPAWNED_PREFIX):
                return replace(record, payload=_turn_answer(payload or b"", self.key))
        else:
            digest = self.key(digest)
        if record.kind == RecordKind.SPAWN and payload is not None:
            submission, answer_id = child_records.read_request(payload)
            payload = child_records.encode_request(self.submission(submission), answer_id)
        elif payload is not None and not changes_attributes(record):
            payload = self.encrypt(payload)
        return replace(record, payload=payload, digest=digest)

    def commit(self, item: ExecutionCommit) -> ExecutionCommit:
        end = item.end
        if end is not None and end.payload is not None:
            end = replace(end, payload=self.encrypt(end.payload))
        return replace(item, records=[self.record(each) for each in item.records], end=end)

    # and back

    @overload
    def open(self, payload: bytes) -> bytes: ...
    @overload
    def open(self, payload: bytes | None) -> bytes | None: ...
    def open(self, payload: bytes | None) -> bytes | None:
        """What cannot be opened goes on as it is, and is told of where it is decoded: it hides nothing else (G7)."""
        if payload is None:
            return None
        try:
            return self._keys.decrypt(payload)
        except PayloadError:
            return payload

    def unkey(self, digest: bytes) -> bytes:
        known = self._digest_key(digest)
        return digest if known is None else known.unkey(digest)

    def opened(self, record: Record) -> Record:
        digest = record.digest if record.kind == RecordKind.EVENT else self.unkey(record.digest)
        payload = None if record.payload is None else self._said(record.name, record.payload)
        return replace(record, payload=payload, digest=digest)

    def opened_all(self, records: Iterable[Record]) -> list[Record]:
        return [self.opened(each) for each in records]

    def opened_message(self, message: Message) -> Message:
        return replace(message, payload=self._said(message.name, message.payload))

    def opened_claim(self, claimed: Claimed) -> Claimed:
        """One that does not open though its key is here is damaged."""
        input, records = self.open(claimed.input), self.opened_all(claimed.records)
        messages = [self.opened_message(each) for each in claimed.messages]
        payloads = [input, *(each.payload for each in records), *(each.payload for each in messages)]
        closed = {encrypted_with(each) for each in payloads}
        unreadable = claimed.unreadable
        if damaged := sorted(id for id in closed if id is not None and id in self._keys.ids):
            unreadable = unreadable or f"a payload does not open with the key `{damaged[0]}`, which its node has"
        return replace(claimed, input=input, records=records, messages=messages, unreadable=unreadable)

    def opened_snapshot(self, snapshot: Snapshot) -> Snapshot:
        if not snapshot.encrypted_reason:
            return snapshot
        opened = self.open(snapshot.encrypted_reason)
        closed = opened if encrypted_with(opened) is not None else b""
        return replace(snapshot, reason=reason_of(snapshot.status, "", opened), encrypted_reason=closed)

    def _said(self, name: str, payload: bytes) -> bytes:
        """Stores make messages of what they have: with a child's outcome, or with a digest, in them."""
        payload = self.open(payload)
        if encrypted_with(payload) is not None:
            return payload
        if name.startswith(CHILD_PREFIX):
            at = child_records.outcome_at(payload)
            return payload[:at] + self.open(payload[at:])
        return _turn_answer(payload, self.unkey) if name.startswith(SPAWNED_PREFIX) else payload


def _turn_answer(payload: bytes, turn: Callable[[bytes], bytes]) -> bytes:
    """The answer to a spawn; of one whose key clashes, with the digest in it turned."""
    said = _core.decode(payload)
    if not isinstance(said, list) or len(said) < 2:
        return payload
    return _core.encode([said[0], turn(said[1])])
