"""Restores objects of a user's classes by the names they were recorded under: dataclass, Struct, pydantic model, Enum,
NamedTuple.

Field by field, without their constructors, so nothing is validated or computed twice.
"""

from __future__ import annotations

import enum
import functools
import sys
from types import ModuleType
from typing import Any

from hydra._core import Named
from hydra.errors import PayloadError
from hydra.interruptions import let_out
from hydra.values.classes import find_class, is_object_class, path_of
from hydra.values.fields import Fields, Restore
from hydra.values.known import make as make_known

MAX_CLASS_COUNT = 4096


def restore(kind: str, name: str, value: Any, more: Any) -> Any:
    """The object that went in, of the class it was; NotImplemented where no such class is found."""
    known = _found.get(name)
    if known is not None:
        known_kind, known_module, place, own_name, known_cls, known_restorer = known
        if kind == known_kind and _modules.get(known_module) is place and place.__dict__.get(own_name) is known_cls:
            return known_restorer(value, more)
    if kind == "known":
        return make_known(name, value)
    cls = find_class(name)
    restorer = None if cls is None else restorer_of(cls, kind)
    if cls is None or restorer is None:
        return NotImplemented
    module = _modules.get(cls.__module__)
    if module is not None and _is_at_top(cls, module) and len(_found) < MAX_CLASS_COUNT:
        found: _Found = (kind, cls.__module__, module, cls.__name__, cls, restorer)
        _found[name] = found
    return restorer(value, more)


def _is_at_top(cls: type, module: ModuleType) -> bool:
    return vars(module).get(cls.__name__) is cls


_Found = tuple[str, str, ModuleType, str, type, Restore]
# Classes at the top of their modules, by the names that are recorded; each holds as long as the class stays there.
_found: dict[str, _Found] = {}
_modules = sys.modules


@functools.lru_cache(maxsize=MAX_CLASS_COUNT)
def restorer_of(cls: type, kind: str) -> Restore | None:
    """What makes an object of the class again; None where objects of that kind are no more of this class."""
    if kind == "enum":
        return functools.partial(restore_member, cls) if issubclass(cls, enum.Enum) else None
    if kind == "namedtuple":
        return functools.partial(restore_tuple, cls) if issubclass(cls, tuple) and hasattr(cls, "_fields") else None
    return Fields(cls).restorer() if is_object_class(cls) else None


def restore_member(cls: type[enum.Enum], value: Any, name: Any) -> enum.Enum:
    if name is not None and name in cls.__members__:
        return cls.__members__[name]
    try:
        return cls(value)
    except (ValueError, KeyError, TypeError) as error:
        let_out(error)
        raise PayloadError(f"the enum `{path_of(cls)}` has no member {name or repr(value)!s:.80} any more") from error


def restore_tuple(cls: Any, items: tuple[Any, ...], more: Any) -> Any:
    """Fields that the class has gained since take their defaults."""
    missing = cls._fields[len(items) :]
    if len(items) > len(cls._fields) or not cls._field_defaults.keys() >= set(missing):
        raise PayloadError(f"the stored `{path_of(cls)}` has {len(items)} fields, the class has {len(cls._fields)}")
    return cls._make([*items, *(cls._field_defaults[name] for name in missing)])


def settle(value: Any) -> Any:
    """The value with every object in it that still waits for its class; PayloadError where one has none."""
    kind = type(value)
    if kind is Named:
        return _settle_named(value)
    if kind is list:
        return [settle(item) for item in value]
    if kind is dict:
        return {settle(key): settle(item) for key, item in value.items()}
    if kind is tuple or kind is set or kind is frozenset:
        return kind([settle(item) for item in value])
    return value


def _settle_named(value: Named) -> Any:
    made = restore(value.kind, value.name, settle(value.value), settle(value.more))
    if made is NotImplemented:
        raise PayloadError(
            f"the value holds an object of the class `{value.name}`, which is not found; keep the class where it was, "
            "or name what it has become in an annotation"
        )
    return made
