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
from types import ModuleType
from typing import Any, ClassVar, TypeVar

import msgspec

from hydra._core import Named
from hydra.errors import ConfigError, PayloadError
from hydra.values.classes import find_among, find_class, is_object_class, is_pydantic, path_of
from hydra.values.known import make as make_known

Rebuild = Callable[[Any], Any]
PlanOf = Callable[[Any], Rebuild | None]
Restore = Callable[[Any, Any], Any]

MAX_CLASS_COUNT = 4096
_MISSING: Any = object()
_new = object.__new__
_set = object.__setattr__


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
        return functools.partial(_member, cls) if issubclass(cls, enum.Enum) else None
    if kind == "namedtuple":
        return functools.partial(_tuple, cls) if issubclass(cls, tuple) and hasattr(cls, "_fields") else None
    return Fields(cls).restorer() if is_object_class(cls) else None


def _member(cls: type[enum.Enum], value: Any, name: Any) -> enum.Enum:
    if name is not None and name in cls.__members__:
        return cls.__members__[name]
    try:
        return cls(value)
    except (ValueError, KeyError, TypeError) as error:
        raise PayloadError(f"the enum `{path_of(cls)}` has no member {name or repr(value)!s:.80} any more") from error


def _tuple(cls: Any, items: tuple[Any, ...], more: Any) -> Any:
    """Fields that the class has gained since take their defaults."""
    missing = cls._fields[len(items) :]
    if len(items) > len(cls._fields) or not cls._field_defaults.keys() >= set(missing):
        raise PayloadError(f"the stored `{path_of(cls)}` has {len(items)} fields, the class has {len(cls._fields)}")
    return cls._make([*items, *(cls._field_defaults[name] for name in missing)])


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


class Fields:
    """The fields of a class, and how an object of it is made: again as it was, or from plain JSON."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self.is_model = is_pydantic(cls)
        self.is_struct = issubclass(cls, msgspec.Struct)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        if self.is_struct:
            return tuple(self.cls.__struct_fields__)
        if self.is_model:
            return tuple(self.cls.model_fields)
        return tuple(field.name for field in dataclasses.fields(self.cls))

    @functools.cached_property
    def accepted(self) -> dict[str, str]:
        """Each name the constructor takes a field under, and the field's name."""
        if self.is_struct:
            fields = self.cls.__struct_fields__
            return {**dict(zip(self.cls.__struct_encode_fields__, fields, strict=True)), **{n: n for n in fields}}
        if self.is_model:
            aliases = {f.alias: name for name, f in self.cls.model_fields.items() if f.alias}
            return {**{name: name for name in self.names}, **aliases}
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
        elif self.is_model:
            for name, model_field in self.cls.model_fields.items():
                if not model_field.is_required():
                    made[name] = functools.partial(model_field.get_default, call_default_factory=True)
        else:
            for field in dataclasses.fields(self.cls):
                if field.default_factory is not dataclasses.MISSING:
                    made[field.name] = field.default_factory
                elif field.default is not dataclasses.MISSING:
                    made[field.name] = functools.partial(_same, field.default)
        return made

    def restorer(self) -> Restore:
        """What makes an object as it was; a field that the class has gained since takes its default."""
        make = self._restore_model if self.is_model else self._make_struct if self.is_struct else self._make_dataclass
        names = frozenset(self.names)

        def restore(stored: dict[str, Any], more: dict[str, Any] | None) -> Any:
            return make(stored if stored.keys() == names else self._completed(stored), stored, more)

        return restore

    def _completed(self, stored: dict[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for name in self.names:
            if name in stored:
                known[name] = stored[name]
            elif name in self.defaults:
                known[name] = self.defaults[name]()
            elif not self.is_model:
                raise PayloadError(f"the stored `{path_of(self.cls)}` has no field `{name}`, which has no default")
        return known

    def _make_dataclass(self, known: dict[str, Any], stored: dict[str, Any], more: dict[str, Any] | None) -> Any:
        made = _new(self.cls)
        for name, item in known.items():
            _set(made, name, item)
        if more is not None:
            vars(made).update(more.get("more", {}))
        return made

    def _make_struct(self, known: dict[str, Any], stored: dict[str, Any], more: dict[str, Any] | None) -> Any:
        # A Struct cannot be made without its constructor; what `__post_init__` changes is put back.
        struct = self.cls(**known)
        for name in self.names if hasattr(self.cls, "__post_init__") else ():
            msgspec.structs.force_setattr(struct, name, known[name])
        if more is not None:
            vars(struct).update(more.get("more", {}))
        return struct

    def _restore_model(self, known: dict[str, Any], stored: dict[str, Any], more: dict[str, Any] | None) -> Any:
        """Past pydantic's constructor, which reads fields by their aliases and forgets which of them were set."""
        cls, more = self.cls, more or {}
        model = cls.__new__(cls)
        extra = {name: item for name, item in stored.items() if name not in known}
        allows_extra = cls.model_config.get("extra") == "allow"
        _set(model, "__dict__", known)
        _set(model, "__pydantic_fields_set__", set(more.get("set", stored)))
        if cls.__pydantic_root_model__:
            return model
        _set(model, "__pydantic_extra__", extra if allows_extra else None)
        private = None
        if cls.__private_attributes__:
            defaults = {name: attribute.get_default() for name, attribute in cls.__private_attributes__.items()}
            undefined = sys.modules["pydantic_core"].PydanticUndefined
            private = dict(more.get("private", {}))
            private |= {n: item for n, item in defaults.items() if n not in private and item is not undefined}
        _set(model, "__pydantic_private__", private)
        return model


class EnumPlan:
    kind: ClassVar[str] = "enum"

    def __init__(self, cls: type[enum.Enum]) -> None:
        self.cls = cls

    def __call__(self, value: Any) -> Any:
        if type(value) is Named:
            return self._restored(value)
        if isinstance(value, enum.Enum):
            return value
        try:
            return self.cls(value)
        except (ValueError, KeyError, TypeError):
            return value

    def _restored(self, value: Named) -> Any:
        if value.kind != "enum":
            return settle(value)
        found = find_class(value.name)
        cls = found if found is not None and issubclass(found, enum.Enum) else self.cls
        return _member(cls, settle(value.value), value.more)

    def fits(self, value: Any) -> bool:
        return isinstance(self(value), self.cls)

    def is_named(self, value: Named) -> bool:
        return path_of(self.cls) == value.name

    def has_class_named(self, value: Named) -> bool:
        return self.cls.__qualname__ == value.name.partition(":")[2]

    def could_be(self, value: Named) -> bool:
        try:
            _member(self.cls, settle(value.value), value.more)
        except PayloadError:
            return False
        return True


class _FieldsPlan:
    """What NamedTuple and object plans share: finding the class by name and the plan of each field."""

    kind: ClassVar[str]

    def __init__(self, cls: Any, variables: dict[Any, Any], plan_of: PlanOf) -> None:
        self.cls = cls
        self.variables = variables
        self.plan_of = plan_of
        self.subclasses: dict[str, typing.Self] = {}

    @functools.cached_property
    def path(self) -> str:
        return path_of(self.cls)

    def is_named(self, value: Named) -> bool:
        return find_among(self.cls, value.name) is not None

    def has_class_named(self, value: Named) -> bool:
        return bool(self.cls.__qualname__ == value.name.partition(":")[2])

    def _for_class_of(self, value: Named) -> typing.Self:
        """This plan, or the one of the class the value went in as, where that is found."""
        if value.name == self.path:
            return self
        known = self.subclasses.get(value.name)
        if known is not None:
            return known
        found = find_among(self.cls, value.name)
        if found is None and (other := find_class(value.name)) is not None:
            found = other if restorer_of(other, self.kind) is not None else None
        if found is None:
            return self
        self.subclasses[value.name] = known = type(self)(found, self.variables, self.plan_of)
        return known

    @functools.cached_property
    def plans(self) -> dict[str, Rebuild | None]:
        variables = _base_variables(self.cls, self.variables)
        return {name: self.plan_of(substitute(hint, variables)) for name, hint in self._hints().items()}

    @functools.cached_property
    def known_plans(self) -> dict[str, Rebuild | None]:
        """None at all where the annotations cannot be read: objects in the fields are found by their own names."""
        try:
            return self.plans
        except ConfigError:
            return {}

    def _hints(self) -> dict[str, Any]:
        return resolve_hints(self.cls)

    def _settled(self, item: Any, name: str) -> Any:
        plan = self.known_plans.get(name)
        return settle(item if plan is None else plan(item))


class NamedTuplePlan(_FieldsPlan):
    kind = "namedtuple"

    def __call__(self, value: Any) -> Any:
        if type(value) is not Named or value.kind != "namedtuple":
            return value
        return self._for_class_of(value)._restored(value)

    def _restored(self, value: Named) -> Any:
        # More items than fields are refused, so nothing is lost where names run out.
        names = [*self.cls._fields, *[""] * len(value.value)]
        items = [self._settled(item, name) for item, name in zip(value.value, names, strict=False)]
        return _tuple(self.cls, tuple(items), None)

    def fits(self, value: Any) -> bool:
        return False

    def could_be(self, value: Named) -> bool:
        return len(value.value) == len(self.cls._fields)


class ClassPlan(_FieldsPlan):
    kind = "object"

    def __call__(self, value: Any) -> Any:
        if type(value) is Named:
            return self._for_class_of(value)._restored(value) if value.kind == "object" else value
        return self._construct(value) if self.fits(value) else value

    @functools.cached_property
    def fields(self) -> Fields:
        return Fields(self.cls)

    def _restored(self, value: Named) -> Any:
        stored = {name: self._settled(item, name) for name, item in value.value.items()}
        return self.fields.restorer()(stored, settle(value.more))

    def fits(self, value: Any) -> bool:
        accepted = self.fields.accepted
        if type(value) is not dict or not value.keys() <= accepted.keys():
            return False
        return self.fields.required <= {accepted[key] for key in value}

    def could_be(self, value: Named) -> bool:
        return bool(self.fields.required <= value.value.keys() <= set(self.fields.names))

    def _hints(self) -> dict[str, Any]:
        if self.fields.is_model:
            return {name: field.annotation for name, field in self.cls.model_fields.items()}
        return resolve_hints(self.cls)

    def _construct(self, raw: dict[str, Any]) -> Any:
        try:
            if self.fields.is_model:
                return self.cls.model_validate(raw)
            plans, accepted = self.plans, self.fields.accepted
            return self.cls(**{accepted[key]: _planned(item, plans.get(accepted[key])) for key, item in raw.items()})
        except PayloadError:
            raise
        except Exception as error:
            raise PayloadError(f"`{path_of(self.cls)}` refused the fields it was given: {error}") from error


def _planned(value: Any, plan: Rebuild | None) -> Any:
    return value if plan is None else plan(value)


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


def _same(value: Any) -> Any:
    return value
