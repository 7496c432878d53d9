"""Classes of Python's own that payloads take beside the plain types, and Secret; what to use in place of others.

Each is taken apart into plain parts and made again from them: `{"$known":["collections:deque",[[1,2],5]]}`. The names
are the format: never change one.
"""

from __future__ import annotations

import collections
import fractions
import ipaddress
import pathlib
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from hydra.errors import PayloadError
from hydra.values.secret import NAME as SECRET
from hydra.values.secret import Secret


class Known(NamedTuple):
    """How objects of a class are taken apart, and made again."""

    cls: type
    parts_of: Callable[[Any], Any]
    make: Callable[[Any], Any]


def make(name: str, parts: Any) -> Any:
    """The object that was taken apart."""
    known = KNOWN.get(name)
    if known is None:
        raise PayloadError(f"payload holds a `{name}`, which this hydra cannot read; a newer one wrote it")
    return known.make(parts)


# The default factories of a defaultdict that can be kept by name.
FACTORIES: dict[str, Any] = {
    cls.__name__: cls for cls in (bool, bytes, dict, float, frozenset, int, list, set, str, tuple, Decimal)
}


def _parts_of_defaultdict(value: collections.defaultdict[Any, Any]) -> list[Any]:
    factory = value.default_factory
    name = getattr(factory, "__name__", "")
    if factory is not None and FACTORIES.get(name) is not factory:
        raise PayloadError("a defaultdict of this factory cannot be encoded; use `dict(value)`")
    return [name if factory is not None else None, [[key, item] for key, item in value.items()]]


def _make_defaultdict(parts: Any) -> Any:
    name, items = parts
    return collections.defaultdict(None if name is None else FACTORIES[name], items)


def _own_type(cls: type) -> Known:
    """Of a class whose text says all."""
    return Known(cls, str, cls)


KNOWN: dict[str, Known] = {
    "collections:OrderedDict": Known(
        collections.OrderedDict,
        lambda value: [[key, item] for key, item in value.items()],
        collections.OrderedDict,
    ),
    "collections:Counter": Known(
        collections.Counter,
        lambda value: [[key, item] for key, item in value.items()],
        lambda parts: collections.Counter(dict(parts)),
    ),
    "collections:defaultdict": Known(collections.defaultdict, _parts_of_defaultdict, _make_defaultdict),
    "collections:deque": Known(
        collections.deque,
        lambda value: [list(value), value.maxlen],
        lambda parts: collections.deque(parts[0], parts[1]),
    ),
    "builtins:complex": Known(
        complex, lambda value: [value.real, value.imag], lambda parts: complex(parts[0], parts[1])
    ),
    "builtins:range": Known(range, lambda value: [value.start, value.stop, value.step], lambda parts: range(*parts)),
    "fractions:Fraction": Known(
        fractions.Fraction,
        lambda value: [value.numerator, value.denominator],
        lambda parts: fractions.Fraction(*parts),
    ),
    **{
        f"ipaddress:{cls.__name__}": _own_type(cls)
        for cls in (
            ipaddress.IPv4Address,
            ipaddress.IPv6Address,
            ipaddress.IPv4Interface,
            ipaddress.IPv6Interface,
            ipaddress.IPv4Network,
            ipaddress.IPv6Network,
        )
    },
    **{
        f"pathlib:{cls.__name__}": _own_type(cls)
        for cls in (pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath)
    },
    SECRET: Known(Secret, Secret.get_secret_value, Secret),
}

NAMES = {known.cls: name for name, known in KNOWN.items()}
TAKEN = (
    "hydra takes None, bool, int, float, complex, Decimal, Fraction, str, bytes, bytearray, datetime, date, time, "
    "timedelta, UUID, list, tuple, range, set, frozenset, dict, OrderedDict, defaultdict, Counter, deque, pathlib "
    "paths, ipaddress's classes, Enum, dataclasses, NamedTuples, msgspec Structs, pydantic models and hydra.Secret"
)
# What a subclass of a plain type had better be handed over as.
_PLAIN: tuple[type, ...] = (bool, int, float, str, bytes, bytearray, dict, list, tuple, set, frozenset, Decimal, UUID)


def hint_for(cls: type) -> str:
    """Why an object of the class is not taken, and what to use."""
    name = f"{cls.__module__}.{cls.__qualname__}" if cls.__module__ != "builtins" else cls.__qualname__
    refused = f"object of type `{name}` cannot be encoded"
    if issubclass(cls, memoryview):
        return f"{refused}; use `bytes(value)`"
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(cls, (numpy.generic, numpy.ndarray)):
        return f"{refused}; use `value.{'item' if issubclass(cls, numpy.generic) else 'tolist'}()`"
    if issubclass(cls, BaseException):
        return f"{refused}: an exception is no value; raise it, or return what it says"
    if issubclass(cls, datetime):
        return f"{refused}: it is a subclass of datetime; use a plain datetime (`value.to_pydatetime()` of pandas)"
    for moment in (date, time, timedelta):
        if issubclass(cls, moment):
            return f"{refused}: it is a subclass of {moment.__name__}; use a plain {moment.__name__}"
    for plain in _PLAIN:
        if issubclass(cls, plain):
            use = "UUID(int=value.int)" if plain is UUID else f"{plain.__name__}(value)"
            return f"{refused}: it is a subclass of {plain.__name__}; use `{use}`, or a dataclass that holds one"
    return f"{refused}; {TAKEN}"


def is_known(cls: Any) -> bool:
    """Whether it is one of Python's own classes that a payload takes beside the plain ones."""
    return isinstance(cls, type) and (cls in NAMES or issubclass(cls, pathlib.PurePath))
