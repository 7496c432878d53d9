"""The Rust hot path: payloads, ids, selection, heartbeat. Importing it starts no thread."""

from collections.abc import Iterable
from typing import Any, Literal, final

def build_profile() -> Literal["release", "debug"]:
    """How the module was compiled; benchmarks refuse `debug`."""

def uuid7() -> str:
    """An id ordered by time, greater than every earlier one of this process; safe after a fork."""

def uuid7_many(count: int) -> list[str]:
    """`count` ids in ascending order."""

def encode(value: object, max_bytes: int = 16777216) -> bytes:
    """A value as a payload: envelope, checksum, zstd where it helps.

    Raises `PayloadError` naming the type and the path of what cannot be encoded, `PayloadTooLarge` past `max_bytes`
    (measured before compression).
    """

def encode_with_digest(value: object, max_bytes: int = 16777216) -> tuple[bytes, bytes]:
    """The payload, and a 16-byte digest that does not see the order of dicts and sets, compression or class names."""

def encode_many(values: Iterable[object], max_bytes: int = 16777216) -> list[tuple[bytes, bytes]]:
    """`encode_with_digest` of each; digests, compression and checksums run without the GIL."""

def decode(payload: bytes | bytearray | memoryview) -> Any:
    """The value; an object of a class comes back as its plain value (enum: value, dataclass: dict, namedtuple: tuple)."""

def decode_named(payload: bytes | bytearray | memoryview) -> Any:
    """The value; an object of a class comes back as `Named`."""

@final
class Named:
    """A value that went in as an object of a class; `name` is `module:Class`."""

    @property
    def kind(self) -> Literal["enum", "namedtuple", "object"]: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> Any: ...
