"""Whether arguments are those of a recorded digest, but for fields that their classes have gained since.

A digest says nothing but equal or not. So where two differ, the digest is taken again without fields that stand at
their default wherever they occur: one that matches proves that the recorded arguments lacked just these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations, islice
from typing import Any

import msgspec

from hydra import _core
from hydra.errors import PayloadError
from hydra.values.classes import is_object_class, is_pydantic

Field = tuple[type, str]

MAX_VARIANTS = 1024  # digests taken of one call, before it counts as another: all choices of ten fields
MISSING: Any = object()


def lacks_new_fields(digest: bytes, value: Any, digest_of: Callable[[Any], bytes]) -> bool:
    """Whether `digest` is that of the value without some fields which stand at their default."""
    fields = at_default(value)
    choices = (choice for size in range(1, len(fields) + 1) for choice in combinations(fields, size))
    return any(digest_of(without(value, frozenset(choice))) == digest for choice in islice(choices, MAX_VARIANTS))


def gained_fields(digest: bytes, value: Any, digest_of: Callable[[Any], bytes]) -> list[Field]:
    """The fields without which the value has this digest, wherever they stand; none where that does not explain it."""
    fields = list(dict.fromkeys((type(item), name) for item in objects_of(value) for name in field_names(type(item))))
    choices = (choice for size in range(1, len(fields) + 1) for choice in combinations(fields, size))
    found = (
        choice for choice in islice(choices, MAX_VARIANTS) if digest_of(without(value, frozenset(choice))) == digest
    )
    return list(next(found, ()))


def at_default(value: Any) -> list[Field]:
    """The fields that stand at their default in each object of the value that has them."""
    found: dict[Field, bool] = {}
    for item in objects_of(value):
        cls = type(item)
        for name in field_names(cls):
            if found.get((cls, name), True):
                found[cls, name] = is_default(cls, name, getattr(item, name, MISSING))
    return [field for field, is_at_default in found.items() if is_at_default]


def objects_of(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple | set | frozenset):
        if is_named_tuple(value):
            yield value
        for item in value:
            yield from objects_of(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from objects_of(key)
            yield from objects_of(item)
    elif is_object_class(type(value)):
        yield value
        for name in field_names(type(value)):
            yield from objects_of(getattr(value, name, None))


def without(value: Any, left_out: frozenset[Field]) -> Any:
    """The value as it is digested, its objects without those fields."""
    if is_named_tuple(value):
        cls = type(value)
        places = [place for place, name in enumerate(cls._fields) if (cls, name) not in left_out]
        return tuple(without(value[place], left_out) for place in places)
    if isinstance(value, tuple):
        return tuple(without(item, left_out) for item in value)
    if isinstance(value, list | set | frozenset):
        return type(value)(without(item, left_out) for item in value)
    if isinstance(value, dict):
        return {without(key, left_out): without(item, left_out) for key, item in value.items()}
    cls = type(value)
    if not is_object_class(cls):
        return value
    kept = [name for name in field_names(cls) if (cls, name) not in left_out and hasattr(value, name)]
    extra = tuple(getattr(value, "__pydantic_extra__", None) or ())
    stand_in = stand_in_class(tuple(name for name in (*kept, *extra) if getattr(value, name) is not msgspec.UNSET))()
    for field in dataclasses.fields(stand_in):
        setattr(stand_in, field.name, without(getattr(value, field.name), left_out))
    return stand_in


def is_named_tuple(value: object) -> bool:
    return isinstance(value, tuple) and hasattr(type(value), "_field_defaults")


def field_names(cls: Any) -> tuple[str, ...]:
    if hasattr(cls, "_field_defaults"):
        return tuple(cls._fields)
    if issubclass(cls, msgspec.Struct):
        return tuple(cls.__struct_fields__)
    return tuple(cls.model_fields) if is_pydantic(cls) else tuple(field.name for field in dataclasses.fields(cls))


@lru_cache
def stand_in_class(names: tuple[str, ...]) -> Any:
    """Of these fields: no digest holds the names of classes. Its objects may stand in sets, and no two are equal."""
    return dataclasses.make_dataclass("StandIn", [(name, Any) for name in names], eq=False, init=False)


def is_default(cls: type, name: str, value: Any) -> bool:
    """Whether it encodes as the default does."""
    try:
        default = default_of(cls, name)
        return default is not MISSING and _core.encode_with_digest(default)[1] == _core.encode_with_digest(value)[1]
    except PayloadError:
        return False


def default_of(cls: Any, name: str) -> Any:
    """MISSING where there is none, or where the user's function that makes it fails."""
    try:
        if hasattr(cls, "_field_defaults"):
            return cls._field_defaults.get(name, MISSING)
        if issubclass(cls, msgspec.Struct):
            struct_field = next(each for each in msgspec.structs.fields(cls) if each.name == name)
            if struct_field.default_factory is not msgspec.NODEFAULT:
                return struct_field.default_factory()
            return MISSING if struct_field.default is msgspec.NODEFAULT else struct_field.default
        if is_pydantic(cls):
            model_field = cls.model_fields[name]
            return MISSING if model_field.is_required() else model_field.get_default(call_default_factory=True)
        field = next(each for each in dataclasses.fields(cls) if each.name == name)
        if field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
        return MISSING if field.default is dataclasses.MISSING else field.default
    except Exception:
        return MISSING
