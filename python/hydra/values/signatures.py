"""Plain JSON in and out: what the command line and dashboards read, check and show.

A workflow's signature is kept in the database as JSON, so that `check_json_against` needs nobody's code.
"""

from __future__ import annotations

import base64
import inspect
import math
from collections import deque
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, get_origin

import msgspec

from hydra import _core
from hydra._core import Named
from hydra.errors import PayloadError
from hydra.values.apart import is_left_to_msgspec, made_apart, made_known
from hydra.values.classes import is_pydantic
from hydra.values.hints import resolve_hints, signature_of
from hydra.values.jsonschema import mismatch
from hydra.values.numbers import shown_int
from hydra.values.schemas import schema_of
from hydra.values.secret import Secret

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
            for parameter in signature_of(function).parameters.values()
        ],
        "documentation": inspect.getdoc(function) or "",
    }


def check_json_against(signature: dict[str, Any], value: Any) -> None:
    """Raises PayloadError, in one sentence, when plain JSON cannot be a call of the described function."""
    if isinstance(value, list):
        check_call_against(signature, value, {})
    elif isinstance(value, dict):
        check_call_against(signature, [], value)
    else:
        raise PayloadError("the arguments must be a JSON object (by name) or array (by position)")


def check_call_against(signature: dict[str, Any], args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """The same of arguments by position and by name, in their JSON form."""
    for parameter, argument, where in _match_parameters(signature["parameters"], args, kwargs):
        problem = mismatch(argument, parameter.get("schema", {}), where)
        if problem is not None:
            raise PayloadError(problem)


def from_json(value: Any, annotation: Any, where: str = "$") -> Any:
    """A typed value from plain JSON, in which Decimals, dates, UUIDs and bytes are strings."""
    if annotation is Any or annotation is inspect.Parameter.empty:
        return value
    if not is_left_to_msgspec(annotation):
        return made_apart(value, annotation, where, from_json)
    last_error: Exception | None = None
    for str_keys in (False, True):  # JSON has no keys but texts
        try:
            return msgspec.convert(value, annotation, strict=True, str_keys=str_keys, dec_hook=_from_json_hook)
        except msgspec.ValidationError as error:
            last_error = error
        except TypeError:
            # msgspec has no rule for the annotation (a union of two dataclasses, a class of the user's own).
            return made_apart(value, annotation, where, from_json)
    raise PayloadError(f"`{where}` does not fit `{_name_of(annotation)}`: {_lower_first(str(last_error))}")


def to_jsonable(value: Any) -> Any:
    """Any decoded value as JSON for people; it cannot be read back, an exact payload is not its job. Without
    comprehensions, which have frames of their own: a payload may be nested 512 deep, and Python's frames 1,000."""
    if value is None or isinstance(value, (bool, str)):
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
    if type(value) is int:
        return shown_int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, Named):
        return to_jsonable(value.value)
    if isinstance(value, dict):
        fields: dict[str, Any] = {}
        for key, item in value.items():
            fields[_key_text(key)] = to_jsonable(item)
        return fields
    if isinstance(value, (list, tuple, deque, set, frozenset)):
        items = list(map(to_jsonable, value))
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items
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


def _match_parameters(
    parameters: list[dict[str, Any]], args: Sequence[Any], kwargs: dict[str, Any]
) -> list[tuple[dict[str, Any], Any, str]]:
    """Each argument with its parameter and the name to complain under."""
    positional = [p for p in parameters if p["kind"] in ("positional", "any")]
    rest = next((p for p in parameters if p["kind"] == "more_positional"), None)
    if len(args) > len(positional) and rest is None:
        raise PayloadError(f"{len(args)} arguments given, and the workflow takes at most {len(positional)}")
    given = positional[: len(args)]
    matched = [(parameter, argument, parameter["name"]) for parameter, argument in zip(given, args, strict=False)]
    if rest is not None:
        matched += [(rest, argument, rest["name"]) for argument in args[len(positional) :]]
    return matched + _match_names(parameters, [p["name"] for p in given], kwargs)


def _match_names(
    parameters: list[dict[str, Any]], given: list[str], kwargs: dict[str, Any]
) -> list[tuple[dict[str, Any], Any, str]]:
    """Those by name; `given` are the parameters that have theirs by position."""
    by_name = {p["name"]: p for p in parameters if p["kind"] in ("any", "keyword")}
    more = next((p for p in parameters if p["kind"] == "more_keyword"), None)
    left = [p for p in parameters if p["name"] not in given]
    for parameter in left:
        if parameter["kind"] == "positional" and parameter["required"] and kwargs and not given:
            raise PayloadError(f"the argument `{parameter['name']}` is positional only: give the arguments as an array")
    has_own = ("positional", "any", "keyword")
    missing = [p["name"] for p in left if p["required"] and p["kind"] in has_own and p["name"] not in kwargs]
    if missing:
        raise PayloadError(f"{_listed('argument', missing)} missing")
    if twice := [name for name in kwargs if name in given and name in by_name]:
        raise PayloadError(f"{_listed('argument', twice)} given twice, by position and by name")
    unknown = [name for name in kwargs if name not in by_name]
    if unknown and more is None:
        takes = ", ".join(f"`{name}`" for name in by_name) or "no arguments"
        raise PayloadError(f"{_listed('argument', unknown)} unknown; the workflow takes {takes}")
    return [(by_name.get(name) or more or {}, item, name) for name, item in kwargs.items()]


def _listed(noun: str, names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names)
    return f"{noun} {shown} is" if len(names) == 1 else f"{noun}s {shown} are"


def _from_json_hook(cls: Any, value: Any) -> Any:
    origin = get_origin(cls) or cls
    if isinstance(origin, type) and is_pydantic(origin):
        return cls.model_validate(value)
    return made_known(value, cls, from_json)


def _name_of(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
