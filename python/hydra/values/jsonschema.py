"""The part of JSON Schema that hydra's signatures use, checked with one sentence per mistake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

Schema = dict[str, Any]
# A schema refers to itself only through values, which end; this ends one that is wrong.
REFERENCE_DEPTH_MAX = 100


def mismatch(value: Any, schema: Schema, where: str, definitions: Schema | None = None) -> str | None:
    """Why `value` does not fit, naming the place; None when it fits or the schema does not say."""
    return _mismatch(value, schema, where, definitions or schema.get("$defs", {}), REFERENCE_DEPTH_MAX)


def _mismatch(value: Any, schema: Schema, where: str, definitions: Schema, depth: int) -> str | None:
    reference = schema.get("$ref")
    if reference is not None:
        target = definitions.get(reference.rpartition("/")[2], {})
        return _mismatch(value, target, where, definitions, depth - 1) if depth else None
    if "anyOf" in schema:
        problems = [_mismatch(value, option, where, definitions, depth) for option in schema["anyOf"]]
        if None in problems:
            return None
        kinds = [_kind_of(option, definitions) for option in schema["anyOf"]]
        # The one option of the right shape explains more than a list of all.
        close = [p for p, kind in zip(problems, kinds, strict=True) if kind == _json_type(value)]
        return close[0] if close else f"`{where}` must be {' or '.join(kinds)}, not {_shown(value)}"
    if "enum" in schema:
        if value in schema["enum"]:
            return None
        return f"`{where}` must be one of {', '.join(_shown(option) for option in schema['enum'])}, not {_shown(value)}"
    expected = schema.get("type")
    if expected is None:
        return None
    if not _has_type(value, expected, schema):
        return f"`{where}` must be {_described(schema)}, not {_shown(value)}"
    if expected == "object":
        return _object_mismatch(value, schema, where, definitions, depth)
    if expected == "array":
        return _array_mismatch(value, schema, where, definitions, depth)
    return None


def _has_type(value: Any, expected: str, schema: Schema) -> bool:
    kind = _json_type(value)
    if expected == "number":
        return kind in ("integer", "number")
    if expected == "string" and _format_of(schema) == "decimal":
        return kind == "integer" or (kind == "string" and _reads(value, schema))
    return expected == kind and (kind != "string" or _reads(value, schema))


def _object_mismatch(value: Schema, schema: Schema, where: str, definitions: Schema, depth: int) -> str | None:
    properties: Schema = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f"`{where}` lacks `{name}`"
    rest = schema.get("additionalProperties")
    for name, item in value.items():
        inner = properties.get(name, rest)
        if inner is False or (inner is None and properties):
            return f"`{where}` has no `{name}`; it takes {', '.join(f'`{known}`' for known in properties)}"
        if isinstance(inner, dict):
            problem = _mismatch(item, inner, f"{where}.{name}", definitions, depth)
            if problem is not None:
                return problem
    return None


def _array_mismatch(value: list[Any], schema: Schema, where: str, definitions: Schema, depth: int) -> str | None:
    first: list[Schema] = schema.get("prefixItems", [])
    if len(value) < schema.get("minItems", 0) or len(value) > schema.get("maxItems", len(value)):
        return f"`{where}` has {len(value)} elements, which is not how many it takes"
    rest = schema.get("items")
    for index, item in enumerate(value):
        inner = first[index] if index < len(first) else rest
        if isinstance(inner, dict):
            problem = _mismatch(item, inner, f"{where}[{index}]", definitions, depth)
            if problem is not None:
                return problem
    return None


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _kind_of(schema: Schema, definitions: Schema) -> str:
    if "$ref" in schema:
        schema = definitions.get(schema["$ref"].rpartition("/")[2], {})
    return str(schema.get("type", "anything"))


def _described(schema: Schema) -> str:
    text_format = _format_of(schema)
    article = "an" if schema["type"][0] in "aio" else "a"
    return f"{article} {schema['type']}" + (f" ({text_format})" if text_format else "")


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."


def read_text(text: str, schema: Schema) -> Any:
    """What the text stands for where the schema names a format; ValueError where it is none of that."""
    parse = _FORMATS.get(_format_of(schema) or "")
    if parse is None:
        return text
    try:
        return parse(text)
    except (ValueError, ArithmeticError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None


def _reads(text: str, schema: Schema) -> bool:
    try:
        read_text(text, schema)
    except ValueError:
        return False
    return True


def _format_of(schema: Schema) -> str | None:
    return schema.get("format") or ("base64" if schema.get("contentEncoding") == "base64" else None)


_FORMATS: dict[str, Callable[[str], Any]] = {
    "decimal": Decimal,
    "date-time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "duration": partial(msgspec.convert, type=timedelta),
    "uuid": UUID,
    "base64": partial(msgspec.convert, type=bytes),
}
