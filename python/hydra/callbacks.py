"""Callbacks: a token that a body hands to an outside system, which completes it, once. Built on messages.

    body: callback_token() ─► a step hands it out ─► wait_callback(token) ◄─ one message ─ engine.complete(token, value)

The token names the execution and holds a secret; both together name the message, whose id follows from them: so that
of two completions one is put, and the other finds it. Never waits for a database.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast, overload
from uuid import UUID

from hydra import codec
from hydra.context import inside, wait_seconds
from hydra.errors import CallbackFailed, EventTimeout, HydraError, IllegalMove, NotFound
from hydra.execution import FINAL, Message, Record, RecordKind
from hydra.mailbox import CALLBACK_PREFIX, decode_said, wait_message
from hydra.submissions import is_id

if TYPE_CHECKING:
    from hydra.executor import Execution
    from hydra.stores.store import Store

T = TypeVar("T")

TOKEN = "hydra.callback_token"  # of the record that keeps a token
SECRET_BYTES = 24


def callback_token(key: str | None = None) -> str:
    """A new token, recorded: hand it to an outside system, which completes it by `engine.complete(token, value)`.

    Whoever knows the token may complete it. It ends with its execution, or when that begins anew.
    """
    return inside("hydra.callback_token").callback_token(key)


@overload
def wait_callback(token: str, type: type[T], timeout: timedelta | float | None = ...) -> T: ...
@overload
def wait_callback(token: str, type: Any = ..., timeout: timedelta | float | None = ...) -> Any: ...
def wait_callback(token: str, type: Any = Any, timeout: timedelta | float | None = None) -> Any:
    """Wait durably until the token is completed; what it was completed with, as `type`. Completed before counts, too.

    Raises CallbackFailed when it was completed by `engine.fail`, EventTimeout when it was not completed in time: then
    it has expired. It may be waited for more than once.
    """
    return inside("hydra.wait_callback").wait_callback(token, type, wait_seconds(timeout, "hydra.wait_callback"))


def new_token(execution: Execution) -> str:
    return f"{owner_of(execution)}{secrets.token_urlsafe(SECRET_BYTES)}"


def owner_of(execution: Execution) -> str:
    """With what the tokens of this generation begin."""
    return f"{execution.claimed.id}.{execution.generation}."


def wait(execution: Execution, token: str, annotation: Any, seconds: float | None) -> Any:
    """`wait_callback`, in a strand."""
    name = Callback.of(token).name
    key = ("", name, 0)
    is_recorded = execution.history is not None and execution.history.value_of(key) is not None  # a fork has others'
    if not is_recorded and not token.startswith(owner_of(execution)):
        raise HydraError(
            f"this callback token is not of execution `{execution.claimed.id}`, or of one of its generations past; "
            "make one by `hydra.callback_token()`."
        )
    payload = wait_message(execution, key, name, seconds)
    if payload is None:
        raise EventTimeout(f"the callback of execution `{execution.claimed.id}` was not completed in time")
    is_completed, said = codec.decode(payload)
    if not is_completed:
        raise CallbackFailed(str(codec.decode(said)))
    return decode_said(said, annotation)


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
