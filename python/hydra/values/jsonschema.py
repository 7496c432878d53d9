"""The part of JSON Schema that hydra's signatures use, checked with one sentence per mistake."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from hydra.interruptions import let_out
from hydra.values.printed import printed

Schema = dict[str, Any]
AN_OBJECT = "an object of a class"
ANYTHING: Any = object()  # in place of an object of a user's class, of which a schema knows no more than that it is one


class BytesText(str):
    """The JSON form of bytes, which a model may read as something else."""

    __slots__ = ()


# A schema refers to itself only through values, which end; this ends one that is wrong.
MAX_REFERENCE_DEPTH = 100
# Marks the schema of what is made of its JSON form, `BY_MODEL` or by a class's constructor: limits hold in it. Models
# read their numbers and texts by themselves, and take objects that no schema tells of.
MADE = "x-made"
BY_MODEL, BY_CLASS = "model", "class"
IS = "x-is"  # what the value is called, where it has several forms
BITS = "x-bits"  # those that a flag's members have, where it takes no others
FINITE = "x-finite"
AMONG = "x-among"  # the numbers that a text may stand for
SECRET = "x-secret"  # what stands there is not shown, and it is not told what it has to be
DIGITS, PLACES = "x-digits", "x-places"  # of a decimal, at most


A_SECRET: Schema = {SECRET: True, IS: "a secret"}


def mismatch(value: Any, schema: Schema, where: str) -> str | None:
    """Why `value` does not fit, naming the place; None when it fits or the schema does not say."""
    try:
        return _mismatch(value, schema, where, _Scope({}, ""), MAX_REFERENCE_DEPTH)
    except RecursionError:
        return f"`{where}` is nested too deep"


class _Scope(NamedTuple):
    definitions: Schema
    made: str

    def within(self, schema: Schema) -> _Scope:
        if "$defs" not in schema and MADE not in schema:
            return self
        return _Scope(schema.get("$defs", self.definitions), schema.get(MADE, self.made))


def _mismatch(value: Any, schema: Schema, where: str, scope: _Scope, depth: int) -> str | None:
    scope = scope.within(schema)
    if scope.made == BY_MODEL and (value is ANYTHING or type(value) is BytesText):
        return None
    reference = schema.get("$ref")
    if reference is not None:
        target = scope.definitions.get(reference.rpartition("/")[2], {})
        return _mismatch(value, target, where, scope, depth - 1) if depth else None
    if "anyOf" in schema:
        problems = [_mismatch(value, option, where, scope, depth) for option in schema["anyOf"]]
        if None in problems:
            return None
        # The one option of the right shape explains more than a list of all.
        kinds = [_kinds_of(option, scope, depth) for option in schema["anyOf"]]
        close = [problem for problem, each in zip(problems, kinds, strict=True) if _json_type(value) in each]
        return close[0] if close else f"`{where}` must be {_name_of(schema, scope)}, not {_shown(value)}"
    if "enum" in schema:
        if value is ANYTHING or any(_is_option(value, option, scope) for option in schema["enum"]):
            return None
        return f"`{where}` must be one of {', '.join(_shown(option) for option in schema['enum'])}, not {_shown(value)}"
    expected = schema.get("type")
    if expected is None or (value is ANYTHING and expected in ("object", "array")):
        return None
    if not _has_type(value, expected, schema):
        return f"`{where}` must be {_described(schema)}, not {_shown(value)}"
    if BITS in schema and (value if value >= 0 else ~value) & ~schema[BITS]:
        return f"`{where}` must have no bits but those of {schema[BITS]}, not {_shown(value)}"
    if scope.made and (limit := _passed_limit(value, schema)) is not None:
        return f"`{where}` must {limit}, not {_shown(value)}"
    if expected == "object":
        return _object_mismatch(value, schema, where, scope, depth)
    if expected == "array":
        return _array_mismatch(value, schema, where, scope, depth)
    return None


def _is_option(value: Any, option: Any, scope: _Scope) -> bool:
    """Python takes True and 1.0 for 1; of hydra's readers, only a model does."""
    if scope.made != BY_MODEL:
        is_alike = isinstance(value, bool) == isinstance(option, bool)
        if not is_alike or (isinstance(value, float) and isinstance(option, int)):
            return False
    return bool(value == option)


def _has_type(value: Any, expected: str, schema: Schema) -> bool:
    kind = _json_type(value)
    if expected == "number":
        return kind in ("integer", "number")
    if expected == "string" and _format_of(schema) == "decimal":
        return kind == "integer" or (kind == "string" and _reads(value, schema))
    return expected == kind and (kind != "string" or _reads(value, schema))


def _object_mismatch(value: Schema, schema: Schema, where: str, scope: _Scope, depth: int) -> str | None:
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
            problem = _mismatch(item, inner, f"{where}.{name}", scope, depth)
            if problem is not None:
                return problem
    return None


def _array_mismatch(value: list[Any], schema: Schema, where: str, scope: _Scope, depth: int) -> str | None:
    first: list[Schema] = schema.get("prefixItems", [])
    if len(value) < schema.get("minItems", 0) or len(value) > schema.get("maxItems", len(value)):
        return f"`{where}` has {len(value)} elements, which is not how many it takes"
    rest = schema.get("items")
    for index, item in enumerate(value):
        inner = first[index] if index < len(first) else rest
        if isinstance(inner, dict):
            problem = _mismatch(item, inner, f"{where}[{index}]", scope, depth)
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


def _kinds_of(schema: Schema, scope: _Scope, depth: int) -> set[str]:
    """The types of JSON that it may have."""
    scope = scope.within(schema)
    if "$ref" in schema:
        target = scope.definitions.get(schema["$ref"].rpartition("/")[2], {})
        return _kinds_of(target, scope, depth - 1) if depth else set()
    if "anyOf" in schema:
        return set().union(*(_kinds_of(option, scope, depth) for option in schema["anyOf"]))
    if "enum" in schema:
        return {_json_type(option) for option in schema["enum"]}
    expected = str(schema.get("type", "anything"))
    return {"integer", "number"} if expected == "number" else {expected}


def _name_of(schema: Schema, scope: _Scope) -> str:
    scope = scope.within(schema)
    if IS in schema:
        return str(schema[IS])
    if "$ref" in schema:
        return _name_of(scope.definitions.get(schema["$ref"].rpartition("/")[2], {}), scope)
    if "anyOf" in schema:
        return " or ".join(_name_of(option, scope) for option in schema["anyOf"])
    return str(schema.get("type", "anything"))


def _described(schema: Schema) -> str:
    if IS in schema:
        return str(schema[IS])
    text_format = _format_of(schema)
    article = "an" if schema["type"][0] in "aio" else "a"
    return f"{article} {schema['type']}" + (f" ({text_format})" if text_format else "")


def _passed_limit(value: Any, schema: Schema) -> str | None:
    """Which of its limits the value passes, of those that a number, a number's text, a text or a list may have."""
    if FINITE in schema and isinstance(value, float | str) and not Decimal(str(value)).is_finite():
        return "be finite"
    if isinstance(value, list | str) and not (isinstance(value, str) and _format_of(schema) in _NUMBERS):
        least, most = schema.get("minLength", schema.get("minItems")), schema.get("maxLength", schema.get("maxItems"))
        what = "elements" if isinstance(value, list) else "characters"
        if least is not None and len(value) < least:
            return f"have at least {least} {what}"
        return f"have at most {most} {what}" if most is not None and len(value) > most else None
    if not isinstance(value, int | float | str):
        return None
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if number.is_nan():
        return None
    for name, (passes, told) in _LIMITS.items():
        if name in schema and not passes(number, Decimal(repr(schema[name]))):
            return told.format(schema[name])
    if AMONG in schema and number not in schema[AMONG]:
        return f"be one of {', '.join(map(str, schema[AMONG]))}"
    return _passed_size(number, schema.get(DIGITS), schema.get(PLACES)) if number.is_finite() else None


def _passed_size(number: Decimal, most_digits: int | None, most_places: int | None) -> str | None:
    """Zeros at its end may count or not, whichever fits."""
    if most_digits is None and most_places is None:
        return None
    sizes = [_size_of(number), _size_of(number.normalize())]
    if most_digits is not None and all(digits > most_digits for digits, _ in sizes):
        return f"have at most {most_digits} digits"
    if most_places is None:
        return None
    if all(places > most_places for _, places in sizes):
        return f"have at most {most_places} decimal places"
    if most_digits is not None and all(max(0, digits - places) > most_digits - most_places for digits, places in sizes):
        return f"have at most {most_digits - most_places} digits before the point"
    return None


def _size_of(number: Decimal) -> tuple[int, int]:
    """How many digits it has, and how many of them behind the point."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if exponent >= 0:
        return len(digits) + exponent, 0
    return max(len(digits), -exponent), -exponent


def _shown(value: Any) -> str:
    if value is ANYTHING:
        return AN_OBJECT
    if isinstance(value, float) and not math.isfinite(value):
        return "infinity, or a number as large" if math.isinf(value) else "NaN"  # JSON has no other way to say infinity
    try:
        text = msgspec.json.encode(value, enc_hook=lambda _: AN_OBJECT).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can say
        text = json.dumps(value, default=lambda _: AN_OBJECT)
    except (ValueError, RecursionError) as error:  # more digits than Python writes; nested deeper than it goes
        let_out(error)
        text = printed(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_text(text: str, schema: Schema) -> Any:
    """What the text stands for where the schema names a format; ValueError where it is none of that."""
    parse = _FORMATS.get(_format_of(schema) or "")
    if parse is None:
        return text
    try:
        return parse(text)
    except (ValueError, ArithmeticError, msgspec.ValidationError) as error:
        let_out(error)
        raise ValueError(str(error)) from None


def _reads(text: str, schema: Schema) -> bool:
    try:
        read_text(text, schema)
    except ValueError as error:
        let_out(error)
        return False
    return True


def _format_of(schema: Schema) -> str | None:
    return schema.get("format") or ("base64" if schema.get("contentEncoding") == "base64" else None)


def _whole(text: str) -> int:
    number = Decimal(text.strip())
    if not _is_whole(number):
        raise ValueError(f"`{text}` is not a whole number")
    return int(number)


def _is_whole(number: Decimal) -> bool:
    return number.is_finite() and number == number.to_integral_value()


def _time_like(text: str) -> str:
    """Not more is known of the forms that pydantic reads a time or duration from."""
    if not any(character.isdigit() for character in text):
        raise ValueError(f"`{text}` is not a time")
    return text


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise ValueError(f"`{text}` is not a boolean")
    return text.lower() in _TRUTHS[:6]


_TRUTHS = ("1", "on", "t", "true", "y", "yes", "0", "off", "f", "false", "n", "no")
_NUMBERS = ("decimal", "integer")
_LIMITS: dict[str, tuple[Callable[[Decimal, Decimal], bool], str]] = {
    "minimum": (Decimal.__ge__, "be at least {}"),
    "exclusiveMinimum": (Decimal.__gt__, "be greater than {}"),
    "maximum": (Decimal.__le__, "be at most {}"),
    "exclusiveMaximum": (Decimal.__lt__, "be less than {}"),
    "multipleOf": (lambda number, factor: _is_whole(number) and not int(number) % int(factor), "be a multiple of {}"),
}
_FORMATS: dict[str, Callable[[str], Any]] = {
    "decimal": Decimal,
    "date-time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "duration": partial(msgspec.convert, type=timedelta),
    "uuid": UUID,
    "base64": partial(msgspec.convert, type=bytes),
    "integer": _whole,
    "float": float,
    "boolean": _truth,
    "time-like": _time_like,
}
