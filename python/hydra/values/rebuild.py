"""Turns decoded values back into objects: as the classes they went in as, or as what an annotation says they are.

    payload ─► every object as its own class, found by its recorded name ─► what the annotation says of the rest
                   └─ some class is not found ─► the annotation names what it has become, or it is an error

Plans are compiled once per annotation, then cheap. Scalars are never converted: an int under `float` stays an int.
Only a dict with a class's field names, or the bare value of an enum, becomes an object for its annotation's sake. What
does not fit its annotation comes back as it went in.
"""

from __future__ import annotations

import collections.abc
import enum
import functools
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, ForwardRef, TypeVar, Union, get_args, get_origin

from hydra._core import Named, decode_named, decode_restored
from hydra.errors import ConfigError, PayloadError
from hydra.interruptions import let_out
from hydra.values.classes import is_object_class
from hydra.values.hints import resolve_hints, substitute
from hydra.values.objects import restore, settle
from hydra.values.plans import ClassPlan, EnumPlan, NamedTuplePlan, SecretPlan
from hydra.values.secret import Secret

Rebuild = Callable[[Any], Any]
MAX_PLAN_COUNT = 4096

_SEQUENCES = (list, tuple, set, frozenset)
_SEQUENCE_ORIGINS = {
    list,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Collection,
    collections.abc.Iterable,
    collections.abc.Set,
    collections.abc.MutableSet,
}
_MAPPING_ORIGINS = {dict, collections.abc.Mapping, collections.abc.MutableMapping}
_WRAPPERS = {typing.ClassVar, typing.Final, typing.Required, typing.NotRequired}


def plan_of(annotation: Any) -> Rebuild | None:
    """What rebuilds values under `annotation`; None when nothing in it names a class."""
    try:
        return _cached_plan(annotation)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return _compile(annotation)


def decode_planned(payload: bytes, plan: Rebuild | None) -> Any:
    """The value of a payload, each object of the class it went in as, and the rest as the plan says."""
    value, is_partial = decode_restored(payload, restore)
    if plan is None and not is_partial:
        return value
    return _guarded(lambda: settle(apply(decode_named(payload), plan)) if is_partial else apply(value, plan))


def decode_objects(payload: bytes, plan: Rebuild | None) -> Any:
    """The value of a payload, each object of its class; the plan is for those alone whose class is not found."""
    return decode_parts(payload, lambda value: rebuilt_object(value, plan))


def decode_parts(payload: bytes, plan: Rebuild | None) -> Any:
    """Likewise, the plan saying what its parts are."""
    value, is_partial = decode_restored(payload, restore)
    return _guarded(lambda: settle(apply(decode_named(payload), plan))) if is_partial else value


def rebuilt_object(value: Any, plan: Rebuild | None) -> Any:
    return apply(value, plan) if holds_object(value) else value


def _guarded(build: Callable[[], Any]) -> Any:
    try:
        return build()
    except RecursionError:
        raise PayloadError("the value is nested too deep for Python to rebuild") from None
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        raise PayloadError(f"a set's element or dict's key cannot be made again: {error}") from error


def rebuild(value: Any, plan: Rebuild | None) -> Any:
    """A part of a value that `decode_named` gave, likewise."""
    return settle(apply(value, plan))


def prove(payload: bytes) -> None:
    """Called by `_core` before it hands out a payload of which only this shows that it decodes."""
    try:
        decode_planned(payload, None)
    except PayloadError:
        raise
    except Exception as error:  # the user's classes take part
        let_out(error)
        raise PayloadError(f"the value cannot be made again from its fields: {error!r:.200}") from error


def apply(value: Any, plan: Rebuild | None) -> Any:
    return value if plan is None else plan(value)


def holds_object(value: Any) -> bool:
    """Whether any part of it went in as an object of a class."""
    kind = type(value)
    if kind is dict:
        return any(map(holds_object, value.values())) or any(map(holds_object, value))
    return kind is Named or (kind in _SEQUENCES and any(map(holds_object, value)))


@functools.lru_cache(maxsize=MAX_PLAN_COUNT)
def _cached_plan(annotation: Any) -> Rebuild | None:
    return _compile(annotation)


def _compile(annotation: Any) -> Rebuild | None:
    if annotation is Any or annotation is None:
        return None
    if isinstance(annotation, TypeVar):
        return _plan_of_typevar(annotation)
    if isinstance(annotation, (str, ForwardRef)):
        raise ConfigError(f"the annotation `{annotation}` is a string that could not be resolved")
    if isinstance(annotation, typing.NewType):
        return plan_of(annotation.__supertype__)
    if hasattr(annotation, "__value__") and type(annotation).__name__ == "TypeAliasType":
        return functools.partial(_rebuild_alias, annotation)
    origin = get_origin(annotation)
    if origin is not None:
        return _compile_generic(annotation, origin, get_args(annotation))
    if isinstance(annotation, type):
        return _compile_class(annotation, {})
    return None


def _plan_of_typevar(variable: TypeVar) -> Rebuild | None:
    if variable.__constraints__:
        return _compile_union(variable.__constraints__)
    return plan_of(variable.__bound__)


def _rebuild_alias(alias: Any, value: Any) -> Any:
    # An alias may name itself, so its meaning is looked up only when a value is there.
    return apply(value, plan_of(alias.__value__))


def _compile_class(cls: type, variables: dict[Any, Any]) -> Rebuild | None:
    if issubclass(cls, enum.Enum):
        return EnumPlan(cls)
    if cls is Secret:
        return SecretPlan(Any, None)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return NamedTuplePlan(cls, variables, plan_of)
    if typing.is_typeddict(cls):
        return TypedDictPlan(cls, variables)
    if is_object_class(cls):
        return ClassPlan(cls, variables, plan_of)
    return None


def _compile_generic(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Rebuild | None:
    if origin is Annotated or origin in _WRAPPERS or getattr(origin, "_name", "") == "ReadOnly":
        return plan_of(arguments[0])
    if origin is Union or origin is types.UnionType:
        return _compile_union(arguments)
    if origin is tuple:
        return _compile_tuple(arguments)
    if origin is Secret:
        return SecretPlan(arguments[0], plan_of(arguments[0]))
    if origin in _SEQUENCE_ORIGINS:
        element = plan_of(arguments[0])
        return None if element is None else SequencePlan(element)
    if origin in _MAPPING_ORIGINS:
        key, value = plan_of(arguments[0]), plan_of(arguments[1])
        return None if key is None and value is None else MappingPlan(key, value)
    if isinstance(origin, type):
        return _compile_class(origin, dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False)))
    return None


def _compile_tuple(arguments: tuple[Any, ...]) -> Rebuild | None:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        element = plan_of(arguments[0])
        return None if element is None else SequencePlan(element)
    elements = [plan_of(argument) for argument in arguments]
    return TuplePlan(elements) if any(elements) else None


def _compile_union(members: tuple[Any, ...]) -> Rebuild | None:
    plans = [plan for plan in map(plan_of, members) if plan is not None]
    if not plans:
        return None
    takes_dicts = any(member in (dict, Any, object) or get_origin(member) in _MAPPING_ORIGINS for member in members)
    takes_scalars = any(member in (int, str, float, bytes, Any, object) for member in members)
    return UnionPlan(plans, takes_dicts, takes_scalars)


class SequencePlan:
    def __init__(self, element: Rebuild) -> None:
        self.element = element

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        if kind is list:
            return [self.element(item) for item in value]
        if kind in _SEQUENCES:
            return kind([self.element(item) for item in value])
        return value

    def fits(self, value: Any) -> bool:
        return type(value) in _SEQUENCES


class TuplePlan:
    def __init__(self, elements: list[Rebuild | None]) -> None:
        self.elements = elements

    def __call__(self, value: Any) -> Any:
        if not self.fits(value):
            return value
        return type(value)([apply(item, plan) for item, plan in zip(value, self.elements, strict=True)])

    def fits(self, value: Any) -> bool:
        return type(value) in (list, tuple) and len(value) == len(self.elements)


class MappingPlan:
    def __init__(self, key: Rebuild | None, value: Rebuild | None) -> None:
        self.key = key
        self.value = value

    def __call__(self, value: Any) -> Any:
        if type(value) is not dict:
            return value
        return {apply(key, self.key): apply(item, self.value) for key, item in value.items()}

    def fits(self, value: Any) -> bool:
        return type(value) is dict


class TypedDictPlan:
    def __init__(self, cls: type, variables: dict[Any, Any]) -> None:
        self.cls = cls
        self.variables = variables

    @functools.cached_property
    def fields(self) -> dict[str, Rebuild | None]:
        hints = resolve_hints(self.cls)
        return {name: plan_of(substitute(hint, self.variables)) for name, hint in hints.items()}

    def __call__(self, value: Any) -> Any:
        if type(value) is not dict:
            return value
        return {key: apply(item, self.fields.get(key)) for key, item in value.items()}

    def fits(self, value: Any) -> bool:
        required: frozenset[str] = getattr(self.cls, "__required_keys__", frozenset())
        return type(value) is dict and required <= value.keys() <= self.fields.keys()


class UnionPlan:
    """An object finds its member by class name, anything else the first member that its shape fits."""

    def __init__(self, plans: list[Any], takes_dicts: bool, takes_scalars: bool) -> None:
        self.flat: list[Any] = [
            inner for plan in plans for inner in (plan.flat if isinstance(plan, UnionPlan) else [plan])
        ]
        self.takes_dicts = takes_dicts
        self.takes_scalars = takes_scalars

    def __call__(self, value: Any) -> Any:
        if value is None:
            return None
        if type(value) is Named:
            return self._rebuild_named(value)
        for plan in self.flat:
            if type(plan) is ClassPlan and self.takes_dicts:
                continue
            if type(plan) in (EnumPlan, SecretPlan) and self.takes_scalars:
                continue
            if not hasattr(plan, "fits") or plan.fits(value):
                return plan(value)
        return value

    def _rebuild_named(self, value: Named) -> Any:
        candidates = [plan for plan in self.flat if getattr(plan, "kind", None) == value.kind]
        for matches in ("is_named", "has_class_named", "could_be"):
            for plan in candidates:
                if getattr(plan, matches)(value):
                    return plan(value)
        return value
