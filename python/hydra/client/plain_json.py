"""JSON that people and programs read: of the command line, the page, the HTTP API. Whatever a value is, it has one."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import orjson

from hydra.codec import to_jsonable
from hydra.values.numbers import shown_int


def encode_json(value: Any, *, is_indented: bool = False) -> bytes:
    """In one line, or indented. Half of a surrogate pair, which has no UTF-8, is shown by its number."""
    option = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if is_indented else 0)
    try:
        return orjson.dumps(_builtins(value), option=option)
    except (TypeError, ValueError):
        # An int of more than 64 bits, which is JSON all the same, or of more digits than Python writes; a key that is
        # neither text nor number; half a surrogate pair; what is nested deep.
        text = json.dumps(_plain(value), ensure_ascii=False, indent=2 if is_indented else None)
        return writable(text).encode()


def writable(text: str) -> str:
    """Half of a surrogate pair has no UTF-8: it is shown by its number."""
    return text.encode("utf-8", "backslashreplace").decode()


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=to_jsonable, str_keys=True)


def _plain(value: Any) -> Any:
    """The same, of whatever it refuses, too. Without comprehensions, as `to_jsonable`."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        fields: dict[Any, Any] = {}
        for key, item in value.items():
            fields[_key(key)] = _plain(item)
        return fields
    if isinstance(value, (list, tuple)):
        return list(map(_plain, value))
    if isinstance(value, (set, frozenset)):
        return to_jsonable(value)
    if type(value) is int:
        return shown_int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _builtins(value)


def _key(key: Any) -> Any:
    try:
        (shown,) = _builtins({key: None})
    except (TypeError, ValueError):
        (shown,) = to_jsonable({key: None})
    return shown
