"""Completions: what an outside system says to a callback token, put before the execution as one message, once.

The token names the execution and holds a secret; both together name the message, whose id follows from them: so that
of two completions one is put, and the other finds it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from hydra import codec
from hydra.client import recorded_orders
from hydra.client.acting import Author
from hydra.errors import IllegalMove, NotFound, PayloadError, StoreUnavailable
from hydra.execution import FINAL, SET_ASIDE_PREFIX, Message, Record, RecordKind
from hydra.payload_keys import why_closed
from hydra.records.callbacks import TOKEN, Callback
from hydra.stores.clash import Clash

if TYPE_CHECKING:
    from hydra.stores.store import Store

MAX_SET_ASIDE = 100  # completions of one token that were set aside while one is under way


def settle(
    token: object,
    payload: bytes,
    read: Callable[[Callable[[Store], Any]], Any],
    write: Callable[[Callable[[Store, int], Any]], Any],
    author: Author | None = None,
) -> None:
    """Put the message, unless the token is unknown, expired or completed; then see whose message it is that counts.

    `author` is who completes it; None: a program that did not say. A completion that the wait could not read was set
    aside: the next one is another message.
    """
    callback = Callback.of(token)
    for _ in range(MAX_SET_ASIDE):
        if _try_to_settle(callback, payload, read, write, author):
            return
    raise StoreUnavailable("others kept completing this callback with what does not fit its type; try again")


def settle_in(
    token: object,
    payload: bytes,
    read: Callable[[Callable[[Store], Any]], Any],
    put: Callable[[Message], Sequence[Any]],
) -> None:
    """`settle` in a caller's transaction: what is put there nobody else sees yet, so the store's answer is the word."""
    callback = Callback.of(token)
    id = callback.execution_id
    snapshot = read(lambda store: store.get([id])[0])
    records: Sequence[Record] = read_records(read, callback)
    is_known = any(record.kind == RecordKind.VALUE and _keeps(record, callback.token) for record in records)
    if snapshot is None or not is_known:
        raise NotFound("this callback token is unknown or has expired; its execution may have begun again or be gone")
    found = _found(callback, None, records)
    if found is None:
        (answer,) = put(callback.message(sum(_is_set_aside(record, callback) for record in records), payload))
        if answer in FINAL:
            raise IllegalMove(f"execution `{id}` is {answer}; its callback cannot be completed any more")
        # The execution's row is the caller's now, so what is recorded of the wait stays as it is read.
        expired_or_read = _found(callback, None, read_records(read, callback))
        is_put = answer is not None and not isinstance(answer, Clash)
        found = expired_or_read if expired_or_read is not None else payload if is_put else b""
        if expired_or_read is None and isinstance(answer, Clash):
            found = _found(callback, read(lambda store: store.messages(id)), records)
    _refuse_closed(id, found)
    if not _says_the_same(found, payload):
        raise IllegalMove(f"the callback of execution `{id}` was completed before, with something else")


def _refuse_closed(id: str, found: bytes | None) -> None:
    """What it was completed with by somebody whose key is not here is not taken for something else."""
    if reason := why_closed([found]):
        raise PayloadError(f"the callback of execution `{id}` was completed before, with what cannot be read: {reason}")


def read_records(read: Callable[[Callable[[Store], Any]], Any], callback: Callback) -> list[Record]:
    """What the database knows of one callback, however long its execution's log is."""
    token = codec.encode(callback.token)
    found: list[Record] = read(lambda store: store.callback_records(callback.execution_id, callback.names, token))
    return found


def _try_to_settle(
    callback: Callback,
    payload: bytes,
    read: Callable[[Callable[[Store], Any]], Any],
    write: Callable[[Callable[[Store, int], Any]], Any],
    author: Author | None,
) -> bool:
    """False where another's completion was set aside meanwhile, and this one taken for it."""
    id = callback.execution_id
    snapshot = read(lambda store: store.get([id])[0])
    records: Sequence[Record] = read_records(read, callback)
    is_known = any(record.kind == RecordKind.VALUE and _keeps(record, callback.token) for record in records)
    if snapshot is None or not is_known:
        raise NotFound("this callback token is unknown or has expired; its execution may have begun again or be gone")
    message = callback.message(sum(_is_set_aside(record, callback) for record in records), payload)
    found = _found(callback, None, records)
    if found is None and snapshot.status not in FINAL:

        def put(store: Store, now: int) -> object:
            return recorded_orders.signal(store, [msgspec.structs.replace(message, sent_at=now)], now, author)

        write(put)
        messages = read(lambda store: store.messages(id, callback.name))
        records = read_records(read, callback)
        found = _found(callback, messages, records)
        if not any(_is_of(callback, record) for record in records):
            raise NotFound(f"execution `{id}` has begun again or is gone; this callback token has expired")
        if found is None:
            if any(_is_set_aside(record, callback, message.id) for record in records):
                reason = "what it was completed with does not fit its type, and was set aside"
                raise PayloadError(f"the callback of execution `{id}` still waits: {reason}")
            snapshot = read(lambda store: store.get([id])[0])
            if snapshot is not None and snapshot.status not in FINAL:
                return False
    if found is None and snapshot is not None and snapshot.status in FINAL:
        raise IllegalMove(f"execution `{id}` is {snapshot.status}; its callback cannot be completed any more")
    _refuse_closed(id, found)
    if found is not None and not _says_the_same(found, payload):
        raise IllegalMove(f"the callback of execution `{id}` was completed before, with something else")
    return True


def _says_the_same(found: bytes | None, payload: bytes) -> bool:
    """But for fields with a default that the value's classes have gained since."""
    if not found or found == payload:
        return found == payload
    (was_completed, before), (is_completed, said) = codec.decode(found), codec.decode(payload)
    return was_completed == is_completed and codec.says_the_same(before, said)


def _is_set_aside(record: Record, callback: Callback, message_id: str | None = None) -> bool:
    is_so = record.kind == RecordKind.EVENT and record.name == SET_ASIDE_PREFIX + callback.name
    return is_so and message_id in (None, str(UUID(bytes=record.digest)))


def _is_of(callback: Callback, record: Record) -> bool:
    return record.name == callback.name or (record.kind == RecordKind.VALUE and _keeps(record, callback.token))


def _keeps(record: Record, token: str) -> bool:
    named = record.name == TOKEN or record.name.startswith(f"{TOKEN}:")
    return (
        named and record.payload is not None and secrets.compare_digest(str(codec.decode_plain(record.payload)), token)
    )


def _found(callback: Callback, messages: Sequence[Message] | None, records: Sequence[Record]) -> bytes | None:
    """What the token was completed with, as far as anybody knows. The records were read after the messages: a message
    that came too late for a wait stays, and an expiry is recorded only where none was there."""
    for record in records:
        if record.name != callback.name:
            continue
        if record.kind == RecordKind.EXPIRY:
            raise IllegalMove(f"the callback of execution `{callback.execution_id}` has expired")
        if record.kind == RecordKind.EVENT:
            return record.payload
    return next((message.payload for message in messages or () if message.name == callback.name), None)
