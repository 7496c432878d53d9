"""The fields of a user's class, dataclass, Struct or pydantic model, and how an object of it is made again."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from hydra.errors import PayloadError
from hydra.values.classes import is_pydantic, path_of

Restore = Callable[[Any, Any], Any]

_MISSING: Any = object()
_new = object.__new__
_set = object.__setattr__


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


def _same(value: Any) -> Any:
    return value
