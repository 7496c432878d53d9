"""Makes objects of a user's classes from their fields: dataclass, Struct, pydantic model, Enum, NamedTuple.

What went in as an object is restored field by field, without its constructor, so nothing is validated or computed
twice. A plain dict with the class's field names (from JSON, or a program without the code) goes through the
constructor.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
import typing
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import msgspec

from hydra._core import Named
from hydra.errors import ConfigError, PayloadError

Rebuild = Callable[[Any], Any]
PlanOf = Callable[[Any], Rebuild | None]
Apply = Callable[[Any, Rebuild | None], Any]

_MISSING: Any = object()


def is_object_class(cls: type) -> bool:
    """Whether the class is a dataclass, a msgspec Struct or a pydantic model."""
    return dataclasses.is_dataclass(cls) or issubclass(cls, msgspec.Struct) or is_pydantic(cls)


def is_pydantic(cls: type) -> bool:
    """Whether the class is a pydantic model; pydantic is never imported to find out."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def resolve_hints(owner: Any, local_names: dict[str, Any] | None = None) -> dict[str, Any]:
    """The annotations of a class or function, strings resolved."""
    names = dict(local_names or {})
    if isinstance(owner, type):
        names.setdefault(owner.__name__, owner)
    try:
        return typing.get_type_hints(owner, localns=names or None, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        where = f"{owner.__module__}.{owner.__qualname__}"
        raise ConfigError(
            f"the annotations of `{where}` cannot be resolved: {error}; hydra needs them at run time, so their names "
            "must be importable from that module, not only under TYPE_CHECKING or inside a function"
        ) from error


def substitute(hint: Any, variables: dict[Any, Any]) -> Any:
    """The hint with its type variables replaced."""
    if not variables:
        return hint
    if isinstance(hint, TypeVar):
        return variables.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or isinstance(hint, type):
        return hint
    return hint[tuple(variables.get(parameter, Any) for parameter in parameters)]


def _base_variables(cls: type, variables: dict[Any, Any]) -> dict[Any, Any]:
    """What the type variables of a class and of its generic bases stand for."""
    known = dict(variables)
    for base in getattr(cls, "__orig_bases__", ()):
        origin = typing.get_origin(base)
        if isinstance(origin, type) and origin is not typing.Generic:
            parameters = getattr(origin, "__parameters__", ())
            arguments = [substitute(argument, variables) for argument in typing.get_args(base)]
            known.update(_base_variables(origin, dict(zip(parameters, arguments, strict=False))))
    return known


def path_of(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _find_class(root: type, name: str) -> type | None:
    """The class of that `module:Name` among a class and its subclasses."""
    if path_of(root) == name:
        return root
    subclasses: list[type] = type.__subclasses__(root)
    for subclass in subclasses:
        found = _find_class(subclass, name)
        if found is not None:
            return found
    return None


class EnumPlan:
    kind: ClassVar[str] = "enum"

    def __init__(self, cls: type[enum.Enum]) -> None:
        self.cls = cls

    def __call__(self, value: Any) -> Any:
        raw = value.value if type(value) is Named else value
        try:
            return self.cls(raw)
        except (ValueError, KeyError, TypeError):
            return raw

    def fits(self, value: Any) -> bool:
        return isinstance(self(value), self.cls)

    def is_named(self, value: Named) -> bool:
        return path_of(self.cls) == value.name

    def has_class_named(self, value: Named) -> bool:
        return self.cls.__qualname__ == value.name.partition(":")[2]

    could_be = fits


class _FieldsPlan:
    """What NamedTuple and object plans share: finding the class by name and the plan of each field."""

    kind: ClassVar[str]

    def __init__(self, cls: Any, variables: dict[Any, Any], plan_of: PlanOf, apply: Apply) -> None:
        self.cls = cls
        self.variables = variables
        self.plan_of = plan_of
        self.apply = apply
        self.subclasses: dict[str, _FieldsPlan] = {}

    @functools.cached_property
    def path(self) -> str:
        return path_of(self.cls)

    def is_named(self, value: Named) -> bool:
        return _find_class(self.cls, value.name) is not None

    def has_class_named(self, value: Named) -> bool:
        return bool(self.cls.__qualname__ == value.name.partition(":")[2])

    def _for_class_of(self, value: Named) -> typing.Self:
        """This plan, or the one of the subclass the value went in as."""
        if value.name == self.path:
            return self
        known = self.subclasses.get(value.name)
        if known is None:
            found = _find_class(self.cls, value.name)
            known = self if found is None else type(self)(found, self.variables, self.plan_of, self.apply)
            if found is not None:
                self.subclasses[value.name] = known
        return typing.cast(typing.Self, known)

    @functools.cached_property
    def plans(self) -> dict[str, Rebuild | None]:
        variables = _base_variables(self.cls, self.variables)
        return {name: self.plan_of(substitute(hint, variables)) for name, hint in self._hints().items()}

    def _hints(self) -> dict[str, Any]:
        return resolve_hints(self.cls)


class NamedTuplePlan(_FieldsPlan):
    kind = "namedtuple"

    def __call__(self, value: Any) -> Any:
        if type(value) is not Named or value.kind != "namedtuple":
            return self.apply(value, None)
        return self._for_class_of(value)._restore(value.value)

    def _restore(self, items: tuple[Any, ...]) -> Any:
        if len(items) != len(self.cls._fields):
            return self.apply(items, None)
        pairs = zip(self.cls._fields, items, strict=True)
        return self.cls._make([self.apply(item, self.plans.get(name)) for name, item in pairs])

    def fits(self, value: Any) -> bool:
        return False

    def could_be(self, value: Named) -> bool:
        return len(value.value) == len(self.cls._fields)


class ClassPlan(_FieldsPlan):
    kind = "object"

    def __call__(self, value: Any) -> Any:
        if type(value) is Named and value.kind == "object":
            return self._for_class_of(value)._restore(value.value)
        if self.fits(value):
            return self._construct(value)
        return self.apply(value, None)

    def fits(self, value: Any) -> bool:
        if type(value) is not dict or not value.keys() <= self.accepted.keys():
            return False
        return self.required <= {self.accepted[key] for key in value}

    def could_be(self, value: Named) -> bool:
        return bool(self.required <= value.value.keys() <= set(self.names))

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        if issubclass(self.cls, msgspec.Struct):
            return tuple(self.cls.__struct_fields__)
        if is_pydantic(self.cls):
            return tuple(self.cls.model_fields)
        return tuple(field.name for field in dataclasses.fields(self.cls))

    @functools.cached_property
    def fields(self) -> list[tuple[str, Rebuild | None]]:
        return [(name, self.plans.get(name)) for name in self.names]

    @functools.cached_property
    def is_model(self) -> bool:
        return is_pydantic(self.cls)

    @functools.cached_property
    def is_struct(self) -> bool:
        return issubclass(self.cls, msgspec.Struct)

    @functools.cached_property
    def accepted(self) -> dict[str, str]:
        """Each name the constructor takes a field under, and the field's name."""
        if self.is_struct:
            fields = self.cls.__struct_fields__
            return {**dict(zip(self.cls.__struct_encode_fields__, fields, strict=True)), **{n: n for n in fields}}
        if self.is_model:
            aliases = {f.alias: name for name, f in self.cls.model_fields.items() if f.alias}
            return {**aliases, **{name: name for name in self.names}}
        return {field.name: field.name for field in dataclasses.fields(self.cls) if field.init}

    @functools.cached_property
    def required(self) -> frozenset[str]:
        if self.is_model:
            return frozenset(name for name, field in self.cls.model_fields.items() if field.is_required())
        return frozenset(name for name in self.accepted.values() if self.defaults.get(name, _MISSING) is _MISSING)

    @functools.cached_property
    def defaults(self) -> dict[str, Any]:
        """A function that makes the default of each field that has one."""
        made: dict[str, Any] = {}
        if self.is_struct:
            for struct_field in msgspec.structs.fields(self.cls):
                if struct_field.default_factory is not msgspec.NODEFAULT:
                    made[struct_field.name] = struct_field.default_factory
                elif struct_field.default is not msgspec.NODEFAULT:
                    made[struct_field.name] = functools.partial(_same, struct_field.default)
        elif dataclasses.is_dataclass(self.cls):
            for field in dataclasses.fields(self.cls):
                if field.default_factory is not dataclasses.MISSING:
                    made[field.name] = field.default_factory
                elif field.default is not dataclasses.MISSING:
                    made[field.name] = functools.partial(_same, field.default)
        return made

    def _hints(self) -> dict[str, Any]:
        if self.is_model:
            return {name: field.annotation for name, field in self.cls.model_fields.items()}
        return resolve_hints(self.cls)

    def _restore(self, stored: dict[str, Any]) -> Any:
        """The object as it was; a field that the class has gained since takes its default."""
        if self.is_model:
            plans = self.plans
            values = {name: self.apply(item, plans.get(name)) for name, item in stored.items()}
            return self.cls.model_construct(_fields_set=set(values), **values)
        known: dict[str, Any] = {}
        for name, plan in self.fields:
            if name in stored:
                known[name] = self.apply(stored[name], plan)
            elif name in self.defaults:
                known[name] = self.defaults[name]()
            else:
                raise PayloadError(f"the stored `{path_of(self.cls)}` has no field `{name}`, which has no default")
        if self.is_struct:
            # A Struct cannot be made without its constructor; what `__post_init__` changes is put back.
            struct = self.cls(**known)
            for name in self.names if hasattr(self.cls, "__post_init__") else ():
                msgspec.structs.force_setattr(struct, name, known[name])
            return struct
        made = self.cls.__new__(self.cls)
        for name, item in known.items():
            object.__setattr__(made, name, item)
        return made

    def _construct(self, raw: dict[str, Any]) -> Any:
        values = {self.accepted[key]: self.apply(item, self.plans.get(self.accepted[key])) for key, item in raw.items()}
        try:
            if self.is_model:
                return self.cls.model_validate(raw)
            return self.cls(**values)
        except Exception as error:
            raise PayloadError(f"`{path_of(self.cls)}` refused the fields it was given: {error}") from error


def _same(value: Any) -> Any:
    return value
