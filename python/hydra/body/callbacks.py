"""Callbacks: a token that a body hands to an outside system, which completes it, once. Built on messages.

    body: callback_token() ─► a step hands it out ─► wait_callback(token) ◄─ one message ─ engine.complete(token, value)

Never waits for a database; what an outside system's completion does with it is `hydra.client.completions`.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, TypeVar, overload

from hydra import codec
from hydra.body.protocol import RunningExecution
from hydra.body.waits import WantedCompletion, wait_message
from hydra.context import inside, wait_seconds
from hydra.errors import CallbackFailed, EventTimeout, HydraError
from hydra.records.callbacks import Callback

T = TypeVar("T")

SECRET_BYTES = 24


def callback_token(key: str | None = None, *, type: Any = Any) -> str:
    """A new token, recorded: hand it to an outside system, which completes it by `engine.complete(token, value)`.

    Whoever knows the token may complete it. It ends with its execution, or when that begins again.

    Args:
        key: pins it: one token of that name in the execution.
        type: as what it will be waited for. What does not fit is then refused at once, before anybody waits, and a
            right completion may follow.
    """
    return inside("hydra.callback_token").callback_token(key, type)


@overload
def wait_callback(token: str, type: type[T], timeout: timedelta | float | None = ...) -> T: ...
@overload
def wait_callback(token: str, type: Any = ..., timeout: timedelta | float | None = ...) -> Any: ...
def wait_callback(token: str, type: Any = Any, timeout: timedelta | float | None = None) -> Any:
    """Wait durably until the token is completed; what it was completed with, as `type`. Completed before counts, too.

        token = hydra.callback_token()
        order_parts(token)  # a step hands it to an outside system
        receipt = hydra.wait_callback(token, Receipt, timeout=timedelta(days=2))

    It may be waited for more than once. `timeout` is in seconds, or a timedelta; None: no limit.

    Raises:
        CallbackFailed: it was completed by `engine.fail`.
        EventTimeout: it was not completed in time: then it has expired.
    """
    return inside("hydra.wait_callback").wait_callback(token, type, wait_seconds(timeout, "hydra.wait_callback"))


def new_token(execution: RunningExecution) -> str:
    return f"{owner_of(execution)}{secrets.token_urlsafe(SECRET_BYTES)}"


def owner_of(execution: RunningExecution) -> str:
    """With what the tokens of this generation begin."""
    return f"{execution.claimed.id}.{execution.generation}."


def wait(execution: RunningExecution, token: str, annotation: Any, seconds: float | None) -> Any:
    """`wait_callback`, in a strand."""
    name = Callback.of(token).name
    key = ("", name, 0)
    is_recorded = execution.history is not None and execution.history.value_of(key) is not None  # a fork has others'
    if not is_recorded and not token.startswith(owner_of(execution)):
        raise HydraError(
            f"this callback token is not of execution `{execution.claimed.id}`, or was made before its last "
            "`continue_as_new`; make one by `hydra.callback_token()`"
        )
    payload = wait_message(execution, key, name, seconds, WantedCompletion(annotation))
    if payload is None:
        raise EventTimeout(f"the callback of execution `{execution.claimed.id}` was not completed in time")
    is_completed, said = codec.decode(payload)
    if not is_completed:
        raise CallbackFailed(str(codec.decode(said)))
    return codec.decode_taken(said, annotation)
