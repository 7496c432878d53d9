"""Callbacks: a token that a body hands to an outside system, which completes it, once. Built on messages.

    body: callback_token() ─► a step hands it out ─► wait_callback(token) ◄─ one message ─ engine.complete(token, value)

Never waits for a database; what an outside system's completion does with it is `hydra.client.completions`.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hydra import codec
from hydra.body.mailbox import decode_said, wait_message
from hydra.client.completions import Callback
from hydra.context import inside, wait_seconds
from hydra.errors import CallbackFailed, EventTimeout, HydraError

if TYPE_CHECKING:
    from hydra.body.executor import Execution

T = TypeVar("T")

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
