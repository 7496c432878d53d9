"""How a value becomes what an annotation names: one plan for a class that has members or fields.

What went in as an object is restored; plain JSON with the names of a class's fields goes through its constructor.
"""

from __future__ import annotations

import enum
import functools
import typing
from collections.abc import Callable
from typing import Any, ClassVar

from hydra._core import Named
from hydra.errors import ConfigError, PayloadError
from hydra.interruptions import let_out
from hydra.values.checks import check_of
from hydra.values.classes import find_among, find_class, path_of
from hydra.values.fields import Fields
from hydra.values.hints import base_variables, resolve_hints, substitute
from hydra.values.objects import restore_member, restore_tuple, restorer_of, settle
from hydra.values.secret import NAME as SECRET
from hydra.values.secret import Secret

Rebuild = Callable[[Any], Any]
PlanOf = Callable[[Any], Rebuild | None]


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
        except (ValueError, KeyError, TypeError) as error:
            let_out(error)
            return value

    def _restored(self, value: Named) -> Any:
        if value.kind != "enum":
            return settle(value)
        found = find_class(value.name)
        cls = found if found is not None and issubclass(found, enum.Enum) else self.cls
        return restore_member(cls, settle(value.value), value.more)

    def fits(self, value: Any) -> bool:
        return isinstance(self(value), self.cls)

    def is_named(self, value: Named) -> bool:
        return path_of(self.cls) == value.name

    def has_class_named(self, value: Named) -> bool:
        return self.cls.__qualname__ == value.name.partition(":")[2]

    def could_be(self, value: Named) -> bool:
        try:
            restore_member(self.cls, settle(value.value), value.more)
        except PayloadError:
            return False
        return True


class SecretPlan:
    """What stands bare where a Secret is wanted becomes one, if it is of the type that is to be hidden."""

    kind: ClassVar[str] = "known"

    def __init__(self, hidden: Any, plan: Rebuild | None) -> None:
        self.plan = plan
        self.check = check_of(hidden)

    def __call__(self, value: Any) -> Any:
        if type(value) is Named and self.is_named(value):
            return Secret(self._made(value.value))
        if type(value) is Secret:
            return value if self.plan is None else Secret(self._made(value.get_secret_value()))
        value = settle(value)
        return Secret(value) if self.check is not None and self.check(value) else value

    def _made(self, hidden: Any) -> Any:
        return settle(hidden if self.plan is None else self.plan(hidden))

    def fits(self, value: Any) -> bool:
        return type(value) is Secret or (self.check is not None and self.check(value))

    def is_named(self, value: Named) -> bool:
        return bool(value.name == SECRET)

    has_class_named = could_be = is_named


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
        variables = base_variables(self.cls, self.variables)
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
        return restore_tuple(self.cls, tuple(items), None)

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
            let_out(error)
            raise PayloadError(f"`{path_of(self.cls)}` refused the fields it was given: {error}") from error


def _planned(value: Any, plan: Rebuild | None) -> Any:
    return value if plan is None else plan(value)
