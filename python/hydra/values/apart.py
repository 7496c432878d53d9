"""Makes from plain JSON what msgspec has no rule for, or another one than the class itself.

A pydantic dataclass is made by its own validators, an enum by its members' values, what a payload takes of Python's own
classes from what is natural for it: a text for an address, a list for a deque.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import fractions
import functools
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hydra.errors import ConfigError, PayloadError
from hydra.interruptions import let_out
from hydra.values.checks import check_of
from hydra.values.hints import resolve_hints
from hydra.values.known import FACTORIES, is_known
from hydra.values.printed import printed
from hydra.values.secret import MASK, Secret

FromJson = Callable[[Any, Any, str], Any]

_DICTS = (collections.OrderedDict, collections.defaultdict, collections.Counter)
_SEQUENCES: dict[Any, Any] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.deque: collections.deque,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def is_left_to_msgspec(annotation: Any) -> bool:
    try:
        return _is_left(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return True


@functools.lru_cache(maxsize=4096)
def _is_left(annotation: Any) -> bool:
    return not _needs_own(annotation, set())


def _needs_own(annotation: Any, seen: set[Any]) -> bool:
    if annotation in seen:
        return False
    seen.add(annotation)
    origin = get_origin(annotation)
    if origin is Literal:
        return any(isinstance(each, enum.Enum) for each in get_args(annotation))
    if origin is not None:
        if origin in (collections.abc.Iterable, *_DICTS, collections.deque):
            return True
        return any(_needs_own(each, seen) for each in (origin, *get_args(annotation)) if isinstance(each, _HASHED))
    if not isinstance(annotation, type):
        return False
    if issubclass(annotation, enum.Enum):
        return not _has_plain_values(annotation)
    if is_pydantic_dataclass(annotation) or is_known(annotation):
        return True
    if not dataclasses.is_dataclass(annotation):
        return False
    if init_only(annotation):
        return True
    try:
        return any(_needs_own(hint, seen) for hint in resolve_hints(annotation).values())
    except (ConfigError, TypeError):
        return False


_HASHED = collections.abc.Hashable


def _has_plain_values(cls: type[enum.Enum]) -> bool:
    """Whether msgspec finds its members: by texts, or by ints that are not joined to others."""
    kinds = {type(member.value) for member in cls}
    return kinds in ({str}, {int}) and not issubclass(cls, enum.Flag)


def is_pydantic_dataclass(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) and hasattr(cls, "__pydantic_validator__")


def init_only(cls: Any) -> dict[str, Any]:
    """What its constructor takes that is no field."""
    fields = {field.name for field in dataclasses.fields(cls)}
    names = [name for name in cls.__dataclass_fields__ if name not in fields]
    hints = resolve_hints(cls) if names else {}
    return {name: hints[name].type for name in names if isinstance(hints.get(name), dataclasses.InitVar)}


def made_apart(value: Any, annotation: Any, where: str, make: FromJson) -> Any:
    """`make` reads the parts. What there is no rule for stays as it is."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Union or origin is types.UnionType:
        return _made_of_union(value, annotation, where, make)
    if origin is Literal:
        same = [each for each in arguments if _is_said(value, each)]
        return same[0] if same else value
    if origin is Annotated or origin in (typing.Required, typing.NotRequired, typing.Final):
        return make(value, arguments[0], where)
    if origin is tuple and isinstance(value, (list, tuple)):
        return _made_of_tuple(value, arguments, where, make)
    if origin in _SEQUENCES and isinstance(value, _LISTS):
        return _SEQUENCES[origin](_items(value, arguments[0], where, make))
    if origin in _MAPPINGS and isinstance(value, dict):
        key, item = arguments
        return {make(name, key, where): make(each, item, f"{where}.{name}") for name, each in value.items()}
    cls = origin or annotation
    if not isinstance(cls, type):
        return value
    if isinstance(value, cls) and not arguments:
        return value
    if issubclass(cls, enum.Enum):
        return _member(cls, value, where, make)
    if is_pydantic_dataclass(cls) and isinstance(value, dict):
        return _validated(value, annotation)
    if dataclasses.is_dataclass(cls) and isinstance(value, dict) and not arguments:
        return _made_of_fields(value, cls, where, make)
    if cls in _DICTS or is_known(cls):
        return made_known(value, annotation, make, where)
    return value


_LISTS = (list, tuple, set, frozenset, collections.deque)


def _items(value: Iterable[Any], annotation: Any, where: str, make: FromJson) -> list[Any]:
    return [make(item, annotation, f"{where}[{index}]") for index, item in enumerate(value)]


def _made_of_tuple(value: Any, arguments: tuple[Any, ...], where: str, make: FromJson) -> tuple[Any, ...]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_items(value, arguments[0], where, make))
    if len(arguments) != len(value):
        raise PayloadError(f"`{where}` has {len(value)} elements, which is not how many it takes")
    return tuple(make(each, kind, f"{where}[{n}]") for n, (each, kind) in enumerate(zip(value, arguments, strict=True)))


def _made_of_union(value: Any, annotation: Any, where: str, make: FromJson) -> Any:
    for member in get_args(annotation):
        try:
            made = make(value, member, where)
        except Exception as error:  # user classes take part
            let_out(error)
            continue
        check = check_of(member)
        if check is None or check(made):
            return made
    raise PayloadError(f"`{where}` does not fit `{annotation}`".replace("typing.", ""))


def _is_said(value: Any, option: Any) -> bool:
    plain = option.value if isinstance(option, enum.Enum) and not isinstance(value, enum.Enum) else option
    return type(value) is type(plain) and bool(value == plain)


def _member(cls: type[enum.Enum], value: Any, where: str, make: FromJson) -> enum.Enum:
    if issubclass(cls, enum.Flag) and type(value) is int:
        return cls(value)
    for member in cls:
        try:
            if make(value, type(member.value), where) == member.value:
                return member
        except PayloadError:
            continue
    raise PayloadError(f"`{where}` must be a value of the enum `{cls.__name__}`, not {printed(value):.60}")


def _validated(value: Any, annotation: Any) -> Any:
    import pydantic

    return pydantic.TypeAdapter(annotation).validate_python(value)


def _made_of_fields(value: dict[str, Any], cls: Any, where: str, make: FromJson) -> Any:
    hints = resolve_hints(cls) | init_only(cls)
    takes = [*(field.name for field in dataclasses.fields(cls) if field.init), *init_only(cls)]
    unknown = [name for name in value if name not in takes]
    if unknown:
        listed = ", ".join(f"`{each}`" for each in takes)
        raise PayloadError(f"`{where}` has no `{unknown[0]}`; it takes {listed}")
    made = {name: make(item, hints.get(name, Any), f"{where}.{name}") for name, item in value.items()}
    try:
        return cls(**made)
    except TypeError as error:
        let_out(error)
        raise PayloadError(f"`{where}` does not fit `{cls.__name__}`: {error}") from None


def made_known(value: Any, annotation: Any, make: FromJson, where: str = "$") -> Any:
    """An object of one of Python's own classes; TypeError where it is none of them."""
    cls, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if isinstance(cls, type) and issubclass(cls, _DICTS) and isinstance(value, dict):
        key = arguments[0] if arguments else Any
        item = arguments[1] if len(arguments) > 1 else int if cls is collections.Counter else Any
        items = {make(name, key, where): make(each, item, f"{where}.{name}") for name, each in value.items()}
        if cls is collections.defaultdict:
            usual = FACTORIES.get(getattr(get_origin(item) or item, "__name__", ""))
            usual = FACTORIES.get(getattr(get_origin(item) or item, "__name__", ""))
            factory: Any = getattr(value, "default_factory", usual)
            made: Any = collections.defaultdict(factory)
            made.update(items)
            return made
        return typing.cast(Any, cls)(items)
    if cls is collections.deque and isinstance(value, _LISTS):
        items_made = _items(value, arguments[0], where, make) if arguments else value
        return collections.deque(items_made, getattr(value, "maxlen", None))
    if cls is Secret:
        return _made_secret(value, arguments, where, make)
    if not is_known(cls):
        raise TypeError(f"no rule for {cls}")
    if isinstance(value, cls):
        return value
    try:
        if cls in (complex, range) and isinstance(value, (list, tuple)):
            return cls(*value)
        if isinstance(value, str) or (cls is fractions.Fraction and type(value) is int):
            return cls(value)
    except (ValueError, TypeError, ArithmeticError) as error:
        let_out(error)
        raise PayloadError(f"`{where}` is no `{cls.__name__}`: {error}") from None
    raise PayloadError(f"`{where}` must be a `{cls.__name__}` or what it is made from, not {printed(value):.60}")


def _made_secret(value: Any, arguments: tuple[Any, ...], where: str, make: FromJson) -> Secret[Any]:
    """An error says nothing of the value."""
    inner = value.get_secret_value() if type(value) is Secret else value
    (kind,) = arguments or (Any,)
    try:
        made = make(inner, kind, where)
        check = check_of(kind)
        if check is None or check(made):
            return Secret(made)
    except Exception as error:  # user classes take part
        let_out(error)
    raise PayloadError(f"`{where}` does not fit `Secret[{getattr(kind, '__name__', kind)}]`: {MASK}")
