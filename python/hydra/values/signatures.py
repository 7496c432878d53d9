"""Plain JSON in and out: what the command line and dashboards read, check and show.

A workflow's signature is kept in the database as JSON, so that `check_json_against` needs nobody's code.
"""

from __future__ import annotations

import base64
import inspect
import math
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any, Union, get_args, get_origin

import msgspec

from hydra import _core
from hydra._core import Named
from hydra.errors import PayloadError
from hydra.values.jsonschema import mismatch
from hydra.values.objects import is_pydantic, resolve_hints
from hydra.values.schemas import schema_of

_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "any",
    inspect.Parameter.VAR_POSITIONAL: "more_positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "more_keyword",
}


def json_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """A JSON description of a function's parameters; one whose type JSON cannot describe takes anything."""
    hints = resolve_hints(inspect.unwrap(function))
    return {
        "parameters": [
            {
                "name": parameter.name,
                "kind": _KINDS[parameter.kind],
                "required": parameter.default is parameter.empty,
                "schema": schema_of(hints.get(parameter.name, Any)),
            }
            for parameter in inspect.signature(function).parameters.values()
        ],
        "documentation": inspect.getdoc(function) or "",
    }


def check_json_against(signature: dict[str, Any], value: Any) -> None:
    """Raises PayloadError, in one sentence, when plain JSON cannot be a call of the described function."""
    parameters = signature["parameters"]
    taken = _match_parameters(parameters, value)
    for parameter, argument, where in taken:
        problem = mismatch(argument, parameter["schema"], where)
        if problem is not None:
            raise PayloadError(problem)


def call_from_json(function: Callable[..., Any], value: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Typed arguments from plain JSON: an object is keyword arguments, an array positional."""
    description = json_schema(function)["parameters"]
    hints = resolve_hints(inspect.unwrap(function))
    typed = [
        from_json(argument, hints.get(parameter["name"], Any), where)
        for parameter, argument, where in _match_parameters(description, value)
    ]
    if isinstance(value, dict):
        return (), dict(zip(value, typed, strict=True))
    return tuple(typed), {}


def from_json(value: Any, annotation: Any, where: str = "$") -> Any:
    """A typed value from plain JSON, in which Decimals, dates, UUIDs and bytes are strings."""
    if annotation is Any or annotation is inspect.Parameter.empty:
        return value
    last_error: Exception | None = None
    for strict in (True, False):
        try:
            return msgspec.convert(value, annotation, strict=strict, dec_hook=_from_json_hook)
        except msgspec.ValidationError as error:
            last_error = error
        except TypeError:
            # msgspec has no rule for the annotation (a union of two dataclasses, a class of the user's own).
            return _from_json_apart(value, annotation, where)
    raise PayloadError(f"`{where}` does not fit `{_name_of(annotation)}`: {_lower_first(str(last_error))}")


def to_jsonable(value: Any) -> Any:
    """Any decoded value as JSON for people; it cannot be read back, an exact payload is not its job."""
    if value is None or isinstance(value, (bool, str)):
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
    if type(value) is int:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Named):
        return to_jsonable(value.value)
    if isinstance(value, dict):
        return {_key_text(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_jsonable(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((to_jsonable(item) for item in value), key=repr)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return _object_to_jsonable(value)


def _object_to_jsonable(value: Any) -> Any:
    try:
        plain = _core.decode(_core.encode(value))
    except PayloadError:
        return str(value)
    # A Decimal or UUID comes back as itself, and reads best as text; an object comes back as its fields.
    return str(value) if type(plain) is type(value) else to_jsonable(plain)


def _key_text(key: Any) -> str:
    shown = to_jsonable(key)
    return shown if isinstance(shown, str) else msgspec.json.encode(shown).decode()


def _match_parameters(parameters: list[dict[str, Any]], value: Any) -> list[tuple[dict[str, Any], Any, str]]:
    """Each argument with its parameter and the name to complain under."""
    if isinstance(value, dict):
        return _match_names(parameters, value)
    if isinstance(value, list):
        return _match_positions(parameters, value)
    raise PayloadError("the arguments must be a JSON object (by name) or array (by position)")


def _match_names(parameters: list[dict[str, Any]], value: dict[str, Any]) -> list[tuple[dict[str, Any], Any, str]]:
    by_name = {p["name"]: p for p in parameters if p["kind"] in ("any", "keyword")}
    more = next((p for p in parameters if p["kind"] == "more_keyword"), None)
    for parameter in parameters:
        if parameter["kind"] == "positional" and parameter["required"]:
            raise PayloadError(f"the argument `{parameter['name']}` is positional only: give the arguments as an array")
    missing = [name for name, parameter in by_name.items() if parameter["required"] and name not in value]
    if missing:
        raise PayloadError(f"{_listed('argument', missing)} missing")
    unknown = [name for name in value if name not in by_name]
    if unknown and more is None:
        takes = ", ".join(f"`{name}`" for name in by_name) or "no arguments"
        raise PayloadError(f"{_listed('argument', unknown)} unknown; the workflow takes {takes}")
    return [(by_name.get(name) or more or {}, item, name) for name, item in value.items()]


def _match_positions(parameters: list[dict[str, Any]], value: list[Any]) -> list[tuple[dict[str, Any], Any, str]]:
    positional = [p for p in parameters if p["kind"] in ("positional", "any")]
    more = next((p for p in parameters if p["kind"] == "more_positional"), None)
    if len(value) > len(positional) and more is None:
        raise PayloadError(f"{len(value)} arguments given, and the workflow takes at most {len(positional)}")
    left = [*positional[len(value) :], *(p for p in parameters if p["kind"] == "keyword")]
    missing = [parameter["name"] for parameter in left if parameter["required"]]
    if missing:
        raise PayloadError(f"{_listed('argument', missing)} missing")
    matched = [*positional, *([more] * (len(value) - len(positional)) if more else ())]
    return [(parameter, item, parameter["name"]) for parameter, item in zip(matched, value, strict=False)]


def _listed(noun: str, names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names)
    return f"{noun} {shown} is" if len(names) == 1 else f"{noun}s {shown} are"


def _from_json_hook(cls: type, value: Any) -> Any:
    origin = get_origin(cls) or cls
    if isinstance(origin, type) and is_pydantic(origin):
        return typing.cast(Any, cls).model_validate(value)
    raise TypeError(f"no rule for {cls}")


def _from_json_apart(value: Any, annotation: Any, where: str) -> Any:
    """Members of a union one after the other, elements of a container one by one, anything else as it is."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Union or origin is types.UnionType:
        for member in arguments:
            try:
                return from_json(value, member, where)
            except PayloadError:
                continue
        raise PayloadError(f"`{where}` does not fit `{_name_of(annotation)}`")
    if origin is list and isinstance(value, list):
        return [from_json(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {key: from_json(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    return value


def _name_of(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
