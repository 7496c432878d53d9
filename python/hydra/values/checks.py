"""Whether a value is of an annotation's type, by a check that is compiled once. Makes nothing of values."""

from __future__ import annotations

import collections
import collections.abc
import enum
import functools
import types
import typing
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from hydra.values.classes import is_object_class
from hydra.values.hints import resolve_hints
from hydra.values.known import is_known
from hydra.values.secret import Secret

Check = Callable[[Any], bool]

MAX_CHECK_COUNT = 4096
_SCALARS = (str, bytes, bytearray, Decimal, datetime, date, time, timedelta, UUID)
_SEQUENCES = (
    list,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Collection,
    collections.abc.Iterable,
    collections.abc.Set,
    collections.abc.MutableSet,
)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def check_of(annotation: Any) -> Check | None:
    """Whether a value is of the annotation's type; None where anything is."""
    try:
        return _cached_check(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return _compile(annotation)


@functools.lru_cache(maxsize=MAX_CHECK_COUNT)
def _cached_check(annotation: Any) -> Check | None:
    return _compile(annotation)


def _compile(annotation: Any) -> Check | None:
    if annotation is None or annotation is type(None):
        return _is_none
    if isinstance(annotation, typing.NewType):
        return check_of(annotation.__supertype__)
    if hasattr(annotation, "__value__") and type(annotation).__name__ == "TypeAliasType":
        return functools.partial(_is_of_alias, annotation)
    if isinstance(annotation, TypeVar):
        return _any_of(annotation.__constraints__) if annotation.__constraints__ else check_of(annotation.__bound__)
    origin = get_origin(annotation)
    if origin is not None:
        return _compile_generic(origin, get_args(annotation))
    return _compile_class(annotation) if isinstance(annotation, type) else None


def _compile_class(cls: type) -> Check | None:
    if cls is int:
        return _is_int
    if cls is float:
        return _is_float
    if cls is bool:
        return lambda value: value is True or value is False
    if typing.is_typeddict(cls):
        return functools.partial(_is_typed_dict, cls)
    is_plain = cls in _SCALARS or cls in _SEQUENCES or cls in _MAPPINGS or cls is tuple
    if is_plain or is_known(cls) or issubclass(cls, (enum.Enum, tuple)) or is_object_class(cls):
        return lambda value: isinstance(value, cls)
    return None


def _compile_generic(origin: Any, arguments: tuple[Any, ...]) -> Check | None:
    if origin is Annotated or origin in (typing.Required, typing.NotRequired, typing.Final):
        return check_of(arguments[0])
    if origin is Literal:
        return lambda value: any(value == each and type(value) is type(each) for each in arguments)
    if origin is Union or origin is types.UnionType:
        return _any_of(arguments)
    if origin is Secret:
        return _hidden(check_of(arguments[0]))
    if origin is tuple:
        return _compile_tuple(arguments)
    if origin in _SEQUENCES or origin is collections.deque:
        return _all_in(origin, check_of(arguments[0]))
    if origin is collections.Counter:
        arguments = arguments[0], int
    if origin in _MAPPINGS or origin in (collections.OrderedDict, collections.defaultdict, collections.Counter):
        key, item = check_of(arguments[0]), check_of(arguments[1])
        return lambda value: (
            isinstance(value, origin)
            and (key is None or all(map(key, value)))
            and (item is None or all(map(item, value.values())))
        )
    return _compile_class(origin) if isinstance(origin, type) else None


def _compile_tuple(arguments: tuple[Any, ...]) -> Check:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _all_in(tuple, check_of(arguments[0]))
    checks = [check_of(argument) for argument in arguments]
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(checks)
        and all(check is None or check(item) for check, item in zip(checks, value, strict=True))
    )


def _any_of(members: Sequence[Any]) -> Check | None:
    checks = [check_of(member) for member in members]
    known = [check for check in checks if check is not None]
    return (lambda value: any(check(value) for check in known)) if len(known) == len(checks) else None


def _all_in(kind: type, element: Check | None) -> Check:
    if element is None:
        return lambda value: isinstance(value, kind)
    return lambda value: isinstance(value, kind) and all(map(element, typing.cast(Any, value)))


def _hidden(inner: Check | None) -> Check:
    return lambda value: type(value) is Secret and (inner is None or inner(value.get_secret_value()))


def _is_none(value: Any) -> bool:
    return value is None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float(value: Any) -> bool:
    return isinstance(value, (float, int)) and not isinstance(value, bool)


def _is_of_alias(alias: Any, value: Any) -> bool:
    # An alias may name itself, so its meaning is looked up only when a value is there.
    check = check_of(alias.__value__)
    return check is None or check(value)


def _is_typed_dict(cls: Any, value: Any) -> bool:
    if not isinstance(value, dict) or not cls.__required_keys__ <= value.keys():
        return False
    checks = _checks_of_fields(cls)
    return all(name in checks and ((check := checks[name]) is None or check(value[name])) for name in value)


@functools.lru_cache(maxsize=MAX_CHECK_COUNT)
def _checks_of_fields(cls: type) -> dict[str, Check | None]:
    return {name: check_of(hint) for name, hint in resolve_hints(cls).items()}
