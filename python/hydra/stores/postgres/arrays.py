"""Values in PostgreSQL's binary form: columns of a batch as arrays, packed with few interpreter steps per element.

psycopg adapts a list element by element in Python, which costs more than the server's insert; joining bytes does not.
A text sent so is refused by the server when it holds a NUL, where libpq would cut it off there. Knows no SQL.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from functools import partial

from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

from hydra.errors import PayloadError
from hydra.interruptions import let_out

_UUID_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NULL = b"\xff\xff\xff\xff"
_header = struct.Struct("!iiiii").pack
_length = struct.Struct("!i").pack
_integer8 = partial(struct.Struct("!iq").pack, 8)
_integer4 = partial(struct.Struct("!ii").pack, 4)

_BYTEA, _INT8, _INT4, _TEXT, _UUID = 17, 20, 23, 25, 2950


class Uuid(bytes):
    """uuid"""


class Text(bytes):
    """text"""


class UuidArray(bytes):
    """uuid[]"""


class BigintArray(bytes):
    """bigint[]"""


class IntegerArray(bytes):
    """integer[]"""


class TextArray(bytes):
    """text[]"""


class ByteaArray(bytes):
    """bytea[]"""


OIDS: dict[type[bytes], int] = {
    Uuid: _UUID,
    Text: _TEXT,
    UuidArray: 2951,
    BigintArray: 1016,
    IntegerArray: 1007,
    TextArray: 1009,
    ByteaArray: 1001,
}


def uuid(id: str) -> Uuid:
    """An id in its usual text form."""
    if not is_uuid(id):
        raise _no_uuid(id)
    return Uuid(bytes.fromhex(id.replace("-", "")))


def text(value: str | None) -> Text | None:
    return None if value is None else Text(_encode(value))


def uuids(ids: Sequence[str]) -> UuidArray:
    """Ids in their usual text form."""
    if not ids:
        return UuidArray(_header(0, 0, _UUID, 0, 1)[:12])
    try:
        body = bytes.fromhex("00000010" + "00000010".join(ids).replace("-", ""))
    except ValueError as error:
        let_out(error)
        body = b""
    if len(body) != 20 * len(ids):
        raise _no_uuid(next((id for id in ids if not is_uuid(id)), ids[0]))
    return UuidArray(_header(1, 0, _UUID, len(ids), 1) + body)


def is_uuid(id: str) -> bool:
    """Whether a database could hold it; no execution has another."""
    return _UUID_FORM.fullmatch(id) is not None


def key_hash(key: str) -> bytes:
    """Keys are found by this: any text is short enough for an index then."""
    return hashlib.sha256(_encode(key)).digest()


def bigints(values: Sequence[int | None]) -> BigintArray:
    return BigintArray(_numbers(values, _INT8, _integer8))


def integers(values: Sequence[int | None]) -> IntegerArray:
    return IntegerArray(_numbers(values, _INT4, _integer4))


def texts(values: Sequence[str | None]) -> TextArray:
    """Names repeat, so each is encoded once."""
    known: dict[str | None, bytes] = {None: _NULL}
    for value in set(values):
        if value is not None:
            content = _encode(value)
            known[value] = _length(len(content)) + content
    return TextArray(_packed(_TEXT, len(values), map(known.__getitem__, values)))


def byteas(values: Sequence[bytes | None]) -> ByteaArray:
    pieces: list[bytes] = []
    for value in values:
        if value is None:
            pieces.append(_NULL)
        else:
            pieces.append(_length(len(value)))
            pieces.append(value)
    return ByteaArray(_packed(_BYTEA, len(values), pieces))


def register(adapters: AdaptersMap) -> None:
    """Teach a connection or cursor to send them."""
    for kind, dumper in _dumpers.items():
        adapters.register_dumper(kind, dumper)


def _no_uuid(id: str) -> PayloadError:
    return PayloadError(f"`{id[:100]}` is not the id of an execution, which is a UUID")


def _encode(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise PayloadError(f"a name, key or tag holds a character that is not text: {error.reason}") from error


def _numbers(values: Sequence[int | None], oid: int, pack: partial[bytes]) -> bytes:
    count = len(values)
    if count and values.count(values[0]) == count:
        first = values[0]
        return _packed(oid, count, (_NULL if first is None else pack(first),) * count)
    if None in values:
        return _packed(oid, count, [_NULL if value is None else pack(value) for value in values])
    return _packed(oid, count, map(pack, values))


def _packed(oid: int, count: int, elements: Iterable[bytes]) -> bytes:
    if not count:
        return _header(0, 0, oid, 0, 1)[:12]
    return _header(1, 1, oid, count, 1) + b"".join(elements)


def _make_dumper(kind: type[bytes], own_oid: int) -> type[Dumper]:
    class PackedDumper(Dumper):
        format = Format.BINARY
        oid = own_oid

        def dump(self, obj: bytes) -> bytes:
            return obj

    PackedDumper.__name__ = f"{kind.__name__}Dumper"
    return PackedDumper


_dumpers = {kind: _make_dumper(kind, oid) for kind, oid in OIDS.items()}
