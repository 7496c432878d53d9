"""A callback's token and the message that completes it.

The token names the execution and holds a secret; both together name the message, whose id follows from them: so that
of two completions one is put, and the other finds it.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple, cast
from uuid import UUID

from hydra import codec
from hydra.errors import HydraError, NotFound
from hydra.execution import RESERVED_PREFIX, SET_ASIDE_PREFIX, Message
from hydra.keys import is_id
from hydra.written import written

CALLBACK_PREFIX = f"{RESERVED_PREFIX}callback:"  # of the names of messages that complete a callback
TOKEN = "hydra.callback_token"  # of the record that keeps a token
TYPE = "hydra.callback_type"  # of the record that says as what its completion will be read


class CallbackNames(NamedTuple):
    """The names of the records that are about one token, beside the one that keeps it."""

    wait: str
    aside: str
    type: str


class Callback(NamedTuple):
    """A token, taken apart."""

    token: str
    execution_id: str
    name: str

    @classmethod
    def of(cls, token: object) -> Callback:
        id = token.partition(".")[0] if isinstance(token, str) else ""
        if not is_id(id):
            raise NotFound(f"`{written(token)}` is not a callback token; give it as `hydra.callback_token` made it")
        digest = hashlib.blake2b(cast(str, token).encode(errors="replace"), digest_size=16).digest()
        return cls(cast(str, token), id, CALLBACK_PREFIX + digest.hex())

    @property
    def names(self) -> CallbackNames:
        return CallbackNames(self.name, SET_ASIDE_PREFIX + self.name, f"{TYPE}:{self.name}")

    def message(self, set_aside_count: int, payload: bytes) -> Message:
        """The completion of the token, once it was completed so often with what was set aside."""
        said = self.token if not set_aside_count else f"{self.token} {set_aside_count}"
        digest = hashlib.blake2b(said.encode(errors="replace"), digest_size=16).digest()
        return Message(str(UUID(bytes=digest)), self.execution_id, self.name, payload, 0)


def completion(value: Any) -> bytes:
    return codec.encode([True, codec.encode(value)])


def failure(reason: object) -> bytes:
    if not isinstance(reason, str):
        raise HydraError(f"a callback fails with a reason in words, not with {written(reason)}")
    return codec.encode([False, codec.encode(reason)])
