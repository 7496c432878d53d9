"""Whether values are what annotations name, and what becomes of those that are not: the one rule for all arguments.

What is of its annotation's type stays as it is. What is the JSON form of it (a text for a Decimal, a date, a UUID; an
object for a dataclass or model; an enum's value; a list for a tuple) becomes it. Anything else is refused with the
sentence of `jsonschema`, the same from Python, the command line and a program that has not the code.
Annotations hydra has no rule for admit anything.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import call
from typing import Any
from uuid import UUID

import msgspec

from hydra.errors import PayloadError
from hydra.interruptions import let_out
from hydra.values.checks import check_of
from hydra.values.hints import resolve_hints, signature_of
from hydra.values.jsonschema import ANYTHING, BytesText, mismatch
from hydra.values.numbers import shown_int
from hydra.values.schemas import schema_of
from hydra.values.signatures import from_json

_TEXTS = (Decimal, datetime, date, time, timedelta, UUID)


def fit(value: Any, annotation: Any, where: str) -> Any:
    """The value as its annotation has it; PayloadError, naming the place, where it cannot be."""
    check = check_of(annotation)
    if check is None or check(value):
        return value
    try:
        problem = mismatch(outline(value), schema_of(annotation), where)
    except RecursionError:
        problem = f"`{where}` is nested too deep"
    if problem is not None:
        raise PayloadError(problem)
    try:
        made = from_json(value, annotation, where)
    except PayloadError:
        raise
    except Exception as error:  # user classes take part
        let_out(error)
        raise PayloadError(f"`{where}` cannot be read: {error}") from error
    if not check(made):
        raise PayloadError(f"`{where}` does not fit `{_name_of(annotation)}`: it is a `{type(value).__qualname__}`")
    return made


class CallFitter:
    """What the arguments of one function have to be."""

    def __init__(self, signature: inspect.Signature, hints: dict[str, Any]) -> None:
        self._positional: list[_Parameter] = []
        self._named: dict[str, _Parameter] = {}
        self._more_positional: _Parameter | None = None
        self._more_named: _Parameter | None = None
        for each in signature.parameters.values():
            parameter = _Parameter(each.name, hints.get(each.name, Any), each.default)
            if each.kind is each.VAR_POSITIONAL:
                self._more_positional = parameter
            elif each.kind is each.VAR_KEYWORD:
                self._more_named = parameter
            else:
                if each.kind is not each.POSITIONAL_ONLY:
                    self._named[each.name] = parameter
                if each.kind is not each.KEYWORD_ONLY:
                    self._positional.append(parameter)
        known = [*self._positional, *self._named.values(), self._more_positional, self._more_named]
        self._admits_all = all(each is None or each.check is None for each in known)
        self._checks = [_admit if each.check is None else each.check for each in self._positional]

    def fit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as the annotations have them, the same objects where nothing is to be done."""
        if self._admits_all:
            return args, kwargs
        # as most calls are, and most of them fit
        if not kwargs and len(args) <= len(self._checks) and all(map(call, self._checks, args)):
            return args, kwargs
        fitted = tuple([self._at(index, value) for index, value in enumerate(args)])
        return fitted, {name: self._by(name, value) for name, value in kwargs.items()}

    def _at(self, index: int, value: Any) -> Any:
        parameter = self._positional[index] if index < len(self._positional) else self._more_positional
        return value if parameter is None else parameter.fit(value, parameter.name)

    def _by(self, name: str, value: Any) -> Any:
        parameter = self._named.get(name, self._more_named)
        return value if parameter is None else parameter.fit(value, name)


def _admit(value: Any) -> bool:
    """Where no annotation says otherwise."""
    return True


class _Parameter:
    __slots__ = ("annotation", "check", "default", "name")

    def __init__(self, name: str, annotation: Any, default: Any) -> None:
        self.name = name
        self.annotation = annotation
        self.default = default
        self.check = check_of(annotation)

    def fit(self, value: Any, where: str) -> Any:
        if self.check is None or self.check(value) or value is self.default:  # `count: int = None`
            return value
        return fit(value, self.annotation, where)


def fitter_of(function: Callable[..., Any], hints: dict[str, Any] | None = None) -> CallFitter:
    known = resolve_hints(inspect.unwrap(function)) if hints is None else hints
    return CallFitter(signature_of(function), known)


def outline(value: Any) -> Any:
    """The JSON form of a value as far as a schema can judge it; ANYTHING stands for an object of a user's class."""
    if value is None or isinstance(value, (bool, int, float)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, enum.Enum):
        return outline(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return BytesText(msgspec.to_builtins(value))
    if isinstance(value, _TEXTS):
        return msgspec.to_builtins(value)
    if isinstance(value, dict):
        return {name if isinstance(name, str) else _name_text(name): outline(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and not hasattr(value, "_fields"):
        return [outline(item) for item in value]
    return ANYTHING


def _name_text(name: Any) -> str:
    form = outline(name)
    return str(shown_int(form) if type(form) is int else form)


def _name_of(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
