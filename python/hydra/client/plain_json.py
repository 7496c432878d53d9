"""JSON that people and programs read: of the command line, the page, the HTTP API. Whatever a value is, it has one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson

from hydra.codec import to_jsonable


def encode_json(value: Any, *, is_indented: bool = False) -> bytes:
    """In one line, or indented. Half of a surrogate pair, which has no UTF-8, is shown by its number."""
    plain = msgspec.to_builtins(value, enc_hook=to_jsonable, str_keys=True)
    option = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if is_indented else 0)
    try:
        return orjson.dumps(plain, option=option)
    except TypeError:  # an int of more than 64 bits, which is JSON all the same; or half a surrogate pair
        text = json.dumps(plain, ensure_ascii=False, indent=2 if is_indented else None)
        return writable(text).encode()


def writable(text: str) -> str:
    """Half of a surrogate pair has no UTF-8: it is shown by its number."""
    return text.encode("utf-8", "backslashreplace").decode()
