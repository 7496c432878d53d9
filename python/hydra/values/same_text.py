"""What a text stands for, by what a node has registered, is what the code reads there; or it is said that it is not.

Whoever submits by name has no classes: an enum's `_missing_`, a `__post_init__`, a model's validators are unknown.
"""

from __future__ import annotations

import contextlib
import enum
import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict
from uuid import UUID

import msgspec

from hydra.errors import ConfigError
from hydra.values.apart import is_pydantic_dataclass
from hydra.values.classes import is_computed, is_object_class, is_pydantic
from hydra.values.hints import resolve_hints
from hydra.values.jsonschema import read_text
from hydra.values.schemas import makes_missing

_FORMS: dict[Any, str] = {Any: "", str: "", int: "", bool: "", UUID: "uuid", Decimal: "decimal"}
_FORMS |= {datetime: "date-time", date: "date", time: "time"}


def form_of_field(hint: Any, fields: Sequence[str]) -> str | None:
    """The format of the texts that are given for a field of fields; "" where they stand for themselves, None where only
    the code can say what is read there."""
    for field in fields:
        hint = _field_of(_bare(hint), field)
    hint = _bare(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return None if reads_by_code(hint) else ""
    if get_origin(hint) is Literal:
        return "" if all(type(each) in (str, int) for each in get_args(hint)) else None
    return _FORMS.get(hint) if hint.__hash__ else None


def reads_by_code(hint: Any) -> bool:
    """Whether it is an enum, perhaps one of several types, of which only its class says who a value's member is."""
    hint = _bare(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return any(reads_by_code(each) for each in get_args(hint))
    if not isinstance(hint, type) or not issubclass(hint, enum.Enum):
        return False
    members: Any = hint
    return makes_missing(hint) or not all(isinstance(each.value, str | int) for each in members)


def read_as(value: Any, schema: Mapping[str, Any]) -> Any:
    """What a text stands for where its parameter takes no text."""
    choices = schema.get("anyOf", [schema])
    if not isinstance(value, str) or any(each.get("type") == "string" and "format" not in each for each in choices):
        return value
    for each in choices:
        with contextlib.suppress(ValueError):
            if not isinstance(found := read_text(value, each), str):
                return found
    return value


def _bare(hint: Any) -> Any:
    """Without a name of its own, constraints, or None beside it."""
    while True:
        args = [each for each in get_args(hint) if each is not type(None)]
        if hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif get_origin(hint) is Annotated and all(isinstance(each, msgspec.Meta) for each in hint.__metadata__):
            hint = hint.__origin__
        elif get_origin(hint) in (Union, types.UnionType) and len(args) == 1:
            hint = args[0]
        else:
            return hint


def _field_of(hint: Any, field: str) -> Any:
    """Its annotation; `object`, of which nothing is known, where the class's own code may come between."""
    origin = get_origin(hint) or hint
    if hint is Any or hint is dict or hint is Mapping:
        return Any
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(get_args(hint)) == 2:
        return get_args(hint)[1]
    if not isinstance(hint, type) or not (is_typeddict(hint) or _is_made_of_its_fields(hint, field)):
        return object
    try:
        return resolve_hints(hint).get(field, object)
    except ConfigError:
        return object


def _is_made_of_its_fields(cls: Any, field: str) -> bool:
    if not is_object_class(cls) or is_pydantic(cls) or is_pydantic_dataclass(cls) or hasattr(cls, "__post_init__"):
        return False
    if issubclass(cls, msgspec.Struct):
        return bool(cls.__struct_fields__ == cls.__struct_encode_fields__)
    return not is_computed(cls, field)
