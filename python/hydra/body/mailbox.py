"""What was put before an execution and not consumed yet, and the waits that consume it. Never writes a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from hydra import codec
from hydra.client.completions import CALLBACK_PREFIX
from hydra.definitions import RESERVED_PREFIX
from hydra.errors import EventTimeout
from hydra.execution import Claimed, Message, RecordKind
from hydra.family import CHILD_PREFIX

if TYPE_CHECKING:
    from hydra.body.executor import Execution

EVENT, EXPIRY, WAIT = str(RecordKind.EVENT), str(RecordKind.EXPIRY), str(RecordKind.WAIT)
EVENT_PREFIX = f"{RESERVED_PREFIX}event:"  # of the keys of waits, so that no step's name is one


class Mailbox:
    """Messages by name, in the order of arrival; each is taken once."""

    def __init__(self, claimed: Claimed) -> None:
        self._messages: dict[str, list[Message]] = {}
        # What comes once and is asked for as often as one likes: the ends of children, callbacks (None: expired).
        self.kept: dict[str, bytes | None] = {}
        if claimed.messages:
            # A worker that died may have consumed some since the claim that brought them.
            consumed = {record.digest for record in claimed.records if record.kind == EVENT}
            self.add([message for message in claimed.messages if UUID(message.id).bytes not in consumed])

    def add(self, messages: list[Message]) -> None:
        for message in messages:
            self._messages.setdefault(message.name, []).append(message)

    def take(self, name: str) -> Message | None:
        waiting = self._messages.get(name)
        return waiting.pop(0) if waiting else None


def wait_event(
    execution: Execution, branch: str, ordinal: int, name: str, annotation: Any, seconds: float | None
) -> Any:
    """What the next message of that name says; EventTimeout when none came in time. One that is there wins."""
    payload = wait_message(execution, (branch, EVENT_PREFIX + name, ordinal), name, seconds)
    if payload is None:
        raise EventTimeout(f"no event `{name}` came to execution `{execution.claimed.id}` in time")
    return decode_said(payload, annotation)


def decode_said(payload: bytes, annotation: Any) -> Any:
    value = codec.decode(payload, annotation)
    if isinstance(annotation, type) and annotation is not Any and not isinstance(value, annotation):
        # Whoever sent it had only JSON, in which a Decimal or a date is a string.
        return codec.from_json(value, annotation)
    return value


def wait_message(execution: Execution, key: tuple[str, str, int], name: str, seconds: float | None) -> bytes | None:
    """The payload of the next message of that name, consumed by a record; None, recorded too, when the time is over."""
    past = execution.ask(key, (EVENT, EXPIRY), b"")
    if past is not None and past.outcome is not None:
        return past.outcome.payload
    if name in execution.mailbox.kept:
        return execution.mailbox.kept[name]
    due_at = 0 if past is None else past.due_at
    host = execution.host
    if seconds is not None and not due_at:
        now = host.now()
        due_at = now + round(seconds * 1e6)
        execution.append(WAIT, key, 1, b"", None, now, now, due_at)
    mailbox = execution.mailbox
    while True:
        if name in mailbox.kept:
            return mailbox.kept[name]
        message = mailbox.take(name)
        now = host.now()
        if message is not None:
            execution.append(EVENT, key, 1, UUID(message.id).bytes, message.payload, message.sent_at, now)
        elif due_at and due_at <= now:
            execution.append(EXPIRY, key, 1, b"", None, now, now)
        else:
            execution.listening_count += 1
            try:
                execution.wait_idle(now, due_at)
            finally:
                execution.listening_count -= 1
            continue
        execution.handed = execution.seq
        payload = None if message is None else message.payload
        if name.startswith((CHILD_PREFIX, CALLBACK_PREFIX)):
            mailbox.kept[name] = payload
            execution.deliver([])  # others may wait for it
        return payload
