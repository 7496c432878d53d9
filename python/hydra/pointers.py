"""What stands in a payload's place in the database while its bytes lie in an object store. No I/O.

    0xD3, "hydra-offload:1", the object's name (a UUID, 16 bytes), its size (8 bytes), its SHA-256 (32 bytes)

Behind them, never in a database: why what it points at could not be fetched. Whoever decodes it tells that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

MAGIC = b"\xd3hydra-offload:1"
FIRST = MAGIC[:1]  # a payload of any other kind begins otherwise
SIZE_AT = 32
DIGEST_AT = 40
POINTER_BYTES = 72
NOT_SET_UP = "this program does not know where; give the URL with `--offload` or `offload=`"

_POINTER = re.compile(re.escape(MAGIC) + b"(.{16})", re.DOTALL)


class Pointer(NamedTuple):
    """`size` and `digest` are of the object as it lies there: encrypted, where payloads are."""

    name: str
    size: int
    digest: bytes

    @classmethod
    def to(cls, name: str, content: bytes) -> Pointer:
        return cls(name, len(content), hashlib.sha256(content).digest())

    def encode(self) -> bytes:
        return b"".join((MAGIC, UUID(self.name).bytes, self.size.to_bytes(8, "little"), self.digest))

    def is_of(self, content: bytes) -> bool:
        return len(content) == self.size and hashlib.sha256(content).digest() == self.digest


def is_pointer(payload: bytes | None) -> bool:
    return payload is not None and payload[:1] == FIRST and payload.startswith(MAGIC)


def pointer_in(payload: bytes) -> Pointer:
    """Of a payload that is one."""
    name = str(UUID(bytes=payload[len(MAGIC) : SIZE_AT]))
    return Pointer(name, int.from_bytes(payload[SIZE_AT:DIGEST_AT], "little"), payload[DIGEST_AT:POINTER_BYTES])


def unfetched(payload: bytes, why: str) -> bytes:
    """The pointer, with why nothing was fetched by it; for those who decode it, not for a database."""
    return payload[:POINTER_BYTES] + why.encode()


def is_unfetched(payload: bytes) -> bool:
    """Whether somebody has tried to fetch what it points at, and could not."""
    return is_pointer(payload) and len(payload) > POINTER_BYTES


def why_away(payload: bytes) -> str:
    """Why the value is not here, as decoding it says, too."""
    why = payload[POINTER_BYTES:].decode(errors="replace") or NOT_SET_UP
    return f"its {int.from_bytes(payload[SIZE_AT:DIGEST_AT], 'little')} bytes are offloaded, and {why}"


def names_in(content: bytes) -> Iterator[str]:
    """Of all objects that something kept points at: a payload, or the message of a child's end."""
    return (str(UUID(bytes=name)) for name in _POINTER.findall(content))
