"""Messages that meet an execution: their order, which are new, and which comes before a wait that expires. Reads no
database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from hydra.execution import (
    EVENT_PREFIX,
    Ending,
    ExecutionCommit,
    Message,
    Record,
    RecordKind,
    Status,
)
from hydra.records.wait_notes import message_in
from hydra.stores.batches import kinds_of
from hydra.stores.clash import Clash

_EVENT, _EXPIRY = str(RecordKind.EVENT), str(RecordKind.EXPIRY)

PAGE_MESSAGES = 256  # of one execution that a claim or a heartbeat brings; who listens asks for the next ones
PAGE_BYTES = 1 << 20  # of them; one at least
BEFORE_ALL = -(1 << 62)  # less than any message's number
WAITS_LOOKED_THROUGH = 1000  # records, the last ones: a sender must not read all of a long log


def consumed_id(record: Record) -> str:
    """The message that a record of kind EVENT consumes."""
    return str(UUID(bytes=record.digest))


def by_arrival(message: Message) -> tuple[int, int, str]:
    """Those without a number were put by code that knew none, before all that have one."""
    return message.number, message.sent_at, message.id


def cut_page(messages: Sequence[Message]) -> tuple[list[Message], bool]:
    """The first of one execution's, given in their order, and whether there are more. Those after too many bytes were
    read without their payloads."""
    size = 0
    for place, message in enumerate(messages):
        if place == PAGE_MESSAGES or (place and size + len(message.payload) > PAGE_BYTES):
            return list(messages[:place]), True
        size += len(message.payload)
    return list(messages), False


def waited_for(record: Record) -> str:
    """The name of the messages that a wait (its EVENT or EXPIRY) is for."""
    return record.name.removeprefix(EVENT_PREFIX)


def expiring(commits: Sequence[ExecutionCommit]) -> dict[str, list[str]]:
    """The names that waits which are over were for, by execution."""
    found: dict[str, list[str]] = {}
    if _EXPIRY not in kinds_of(commits):
        return found
    for commit in commits:
        for record in commit.records:
            if record.kind == _EXPIRY:
                found.setdefault(commit.id, []).append(waited_for(record))
    return found


class Known:
    """Which messages were put before, by what is read of them under their executions' locks; numbers the others."""

    def __init__(self, rows: Iterable[tuple[str, str, str | None, bytes]]) -> None:
        """Execution, message, name (of the message or of its record; None where that is forgotten) and payload."""
        self._rows = {(execution_id, id): (name, payload) for execution_id, id, name, payload in rows}
        self._clashing: set[int] = set()
        self.woken: dict[str, int] = {}  # executions that were told something, with their new `wake_seq`

    def number(self, messages: Sequence[Message], wake_seqs: Mapping[str, int]) -> list[Message]:
        """Those to put. Each number is a `wake_seq` of its own, so that one says whether there may be more."""
        new: list[Message] = []
        for message in messages:
            place = message.execution_id, message.id
            before = self._rows.get(place)
            name, payload = before or (None, b"")
            if name is not None and message_in(name, payload) != (message.name, message.payload):
                self._clashing.add(id(message))
                continue
            wake_seq = self.woken.get(message.execution_id, wake_seqs[message.execution_id])
            if before is None:
                wake_seq += 1
                self._rows[place] = message.name, message.payload
                new.append(msgspec.structs.replace(message, number=wake_seq))
            self.woken[message.execution_id] = wake_seq
        return new

    def answers(self, messages: Sequence[Message], before: Mapping[str, Status]) -> list[Status | Clash | None]:
        return [Clash.MESSAGE if id(m) in self._clashing else before.get(m.execution_id) for m in messages]


class Arrivals:
    """Messages that are there while waits expire, read under their executions' locks: whichever came first wins."""

    def __init__(self, messages: Iterable[Message] = (), epochs: Mapping[str, int] | None = None) -> None:
        """`epochs` of what is this node's, where it is not known yet which commits will be accepted."""
        self._epochs = None if epochs is None else {id: {epoch} for id, epoch in epochs.items()}
        self._messages: dict[tuple[str, str], list[Message]] = {}
        for message in sorted(messages, key=by_arrival):
            self._messages.setdefault((message.execution_id, message.name), []).append(message)

    def decide(self, commit: ExecutionCommit) -> list[Record]:
        """The records as they are written. What became of its expiries stands in `commit.arrived`."""
        commit.arrived = ()
        if not self._messages or not self._is_owned(commit):
            return commit.records
        decided: list[Record] = []
        arrived: list[Record] = []
        for record in commit.records:
            here = self._messages.get((commit.id, waited_for(record)), [])
            if here and record.kind == _EVENT:
                here[:] = [message for message in here if UUID(message.id).bytes != record.digest]
            elif here and record.kind == _EXPIRY:
                message = here.pop(0)
                id, sent_at = UUID(message.id).bytes, message.sent_at
                record = msgspec.structs.replace(
                    record, kind=_EVENT, digest=id, payload=message.payload, started_at=sent_at
                )
                arrived.append(record)
            decided.append(record)
        commit.arrived = arrived
        return decided

    def _is_owned(self, commit: ExecutionCommit) -> bool:
        """As far as it is known. After a crash, unless that is refused, the same node goes on under the next epoch."""
        if self._epochs is None:
            return True
        epochs = self._epochs.get(commit.id, set())
        is_owned = commit.epoch in epochs
        if is_owned and commit.end is not None and commit.end.kind == Ending.CRASHED:
            epochs.add(commit.epoch + 1)
        return is_owned
