"""The secret that a namespace's digests are keyed with, as the database has it: encrypted, once with each key."""

from __future__ import annotations

import msgspec


class WrappedSecret(msgspec.Struct, frozen=True):
    """Numbered from 1 in the order in which keys began to encrypt; `wrapped` is the secret, encrypted with the key.
    That there is one says that payloads of this namespace are encrypted, and with which keys."""

    number: int
    key_id: str
    wrapped: bytes
    added_at: int
