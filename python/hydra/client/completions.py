"""Completions: what an outside system says to a callback token, put before the execution as one message, once.

The token names the execution and holds a secret; both together name the message, whose id follows from them: so that
of two completions one is put, and the other finds it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from hydra import codec
from hydra.client.submissions import is_id
from hydra.definitions import RESERVED_PREFIX
from hydra.errors import HydraError, IllegalMove, NotFound
from hydra.execution import FINAL, Message, Record, RecordKind

if TYPE_CHECKING:
    from hydra.stores.store import Store

CALLBACK_PREFIX = f"{RESERVED_PREFIX}callback:"  # of the names of messages that complete a callback
TOKEN = "hydra.callback_token"  # of the record that keeps a token


class Callback(NamedTuple):
    """A token, taken apart."""

    token: str
    execution_id: str
    message_id: str
    name: str

    @classmethod
    def of(cls, token: object) -> Callback:
        id = token.partition(".")[0] if isinstance(token, str) else ""
        if not is_id(id):
            raise NotFound(f"`{token!r:.80}` is not a callback token; give it as `hydra.callback_token` made it")
        digest = hashlib.blake2b(cast(str, token).encode(errors="replace"), digest_size=16).digest()
        return cls(cast(str, token), id, str(UUID(bytes=digest)), CALLBACK_PREFIX + digest.hex())


def completion(value: Any) -> bytes:
    return codec.encode([True, codec.encode(value)])


def failure(reason: object) -> bytes:
    if not isinstance(reason, str):
        raise HydraError(f"a callback fails with a reason in words, not with {reason!r:.80}.")
    return codec.encode([False, codec.encode(reason)])


def settle(
    callback: Callback,
    payload: bytes,
    read: Callable[[Callable[[Store], Any]], Any],
    write: Callable[[Callable[[Store, int], Any]], Any],
) -> None:
    """Put the message, unless the token is unknown, expired or completed; then see whose message it is that counts."""
    id = callback.execution_id
    snapshot = read(lambda store: store.get([id])[0])
    records: Sequence[Record] = read(lambda store: store.records(id))
    is_known = any(record.kind == RecordKind.VALUE and _keeps(record, callback.token) for record in records)
    if snapshot is None or not is_known:
        raise NotFound("this callback token is unknown or has expired; its execution may have begun anew or be gone")
    found = _found(callback, (), records)
    if found is None and snapshot.status not in FINAL:
        write(lambda store, now: store.signal([Message(callback.message_id, id, callback.name, payload, now)], now))
        messages = read(lambda store: store.messages(id))
        found = _found(callback, messages, read(lambda store: store.records(id)))
        if found is None:
            snapshot = read(lambda store: store.get([id])[0])
    if found is None and snapshot is not None and snapshot.status in FINAL:
        raise IllegalMove(f"execution `{id}` is {snapshot.status}; its callback cannot be completed any more")
    if found is not None and found != payload:
        raise IllegalMove(f"the callback of execution `{id}` was completed before, with something else")


def _keeps(record: Record, token: str) -> bool:
    named = record.name == TOKEN or record.name.startswith(f"{TOKEN}:")
    return named and record.payload is not None and secrets.compare_digest(str(codec.decode(record.payload)), token)


def _found(callback: Callback, messages: Sequence[Message], records: Sequence[Record]) -> bytes | None:
    """What the token was completed with, as far as anybody knows."""
    for message in messages:
        if message.id == callback.message_id:
            return message.payload
    for record in records:
        if record.name != callback.name:
            continue
        if record.kind == RecordKind.EXPIRY:
            raise IllegalMove(f"the callback of execution `{callback.execution_id}` has expired")
        if record.kind == RecordKind.EVENT:
            return record.payload
    return None
