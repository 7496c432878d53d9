"""JSON's numbers without a digit lost: a Decimal where their reader wants one, a float where it wants that.

Where nobody says which: a float where that says the same number, else a Decimal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hydra.interruptions import let_out
from hydra.values.jsonschema import BY_MODEL, MADE

Schema = dict[str, Any]
SURE_BITS = 2_000  # of an int that Python writes, however low its limit of digits is set


def read_number(text: str) -> float | Decimal:
    """A number with a fraction or exponent, as it stands in JSON; ArithmeticError where not even a Decimal holds it."""
    number = float(text)
    exact = Decimal(text)
    return number if math.isfinite(number) and Decimal(repr(number)) == exact else exact


def shown_int(value: int) -> int | str:
    """As JSON has it; with more digits than Python writes (4,300 unless set otherwise) a text, in hexadecimal."""
    if value.bit_length() <= SURE_BITS:
        return value
    try:
        str(value)
    except ValueError as error:
        let_out(error)
        return hex(value)
    return value


def as_wanted(value: Any, schema: Schema, to_decimal: Callable[[str], Any] = Decimal) -> Any:
    """The value with its numbers as the schema has them; what it says nothing of stays."""
    return _Numbers(schema.get("$defs", {}), to_decimal).read(value, schema)


class _Numbers:
    def __init__(self, definitions: Schema, to_decimal: Callable[[str], Any]) -> None:
        self._definitions = definitions
        self._to_decimal = to_decimal

    def read(self, value: Any, schema: Schema) -> Any:
        if schema.get(MADE) == BY_MODEL:
            return value
        options = self._options(schema)
        if type(value) is float or type(value) is Decimal:
            if any(option.get("format") == "decimal" for option in options):
                return self._to_decimal(repr(value) if type(value) is float else str(value))
            is_number = any(option.get("type") == "number" for option in options)
            return float(value) if is_number and math.isfinite(value) else value
        if type(value) is list:
            return self._items(value, next((each for each in options if each.get("type") == "array"), {}))
        if type(value) is dict:
            return self._fields(value, next((each for each in options if self._could_be(value, each)), {}))
        return value

    def _options(self, schema: Schema) -> list[Schema]:
        if "$ref" in schema:
            return self._options(self._definitions.get(schema["$ref"].rpartition("/")[2], {}))
        if "anyOf" in schema:
            return [each for option in schema["anyOf"] for each in self._options(option)]
        return [schema]

    def _could_be(self, value: Schema, schema: Schema) -> bool:
        known = schema.get("properties", {})
        return schema.get("type") == "object" and (not known or value.keys() <= known.keys())

    def _items(self, items: list[Any], schema: Schema) -> list[Any]:
        first: list[Schema] = schema.get("prefixItems", [])
        rest = schema.get("items")
        rest = rest if isinstance(rest, dict) else {}
        return [self.read(item, first[n] if n < len(first) else rest) for n, item in enumerate(items)]

    def _fields(self, fields: Schema, schema: Schema) -> Schema:
        known, rest = schema.get("properties", {}), schema.get("additionalProperties")
        rest = rest if isinstance(rest, dict) else {}
        return {name: self.read(item, known.get(name, rest)) for name, item in fields.items()}
