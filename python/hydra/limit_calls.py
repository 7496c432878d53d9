"""Whose keys a call has: worked out once, at its submission, and kept with it.

Who has the code asks its limits, who has only what a node registered asks its specs. Reads no database.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.errors import ConfigError, PayloadError
from hydra.limit_keys import TAG_PREFIX, find_value, key_of, told_owner
from hydra.limits import Limit, LimitSpec
from hydra.values.jsonschema import read_text


def keys_of_call(
    limits: Sequence[Limit],
    workflow: str,
    signature: inspect.Signature,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tags: Mapping[str, str] | None,
) -> tuple[str, ...] | None:
    """The keys of a call by a program that has the code, in the order in which their places are taken. The arguments
    are as the annotations have them, so that a UUID and its text have one key."""
    if not limits:
        return None
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    found = []
    for limit in limits:
        name = limit.name_at(workflow)
        if callable(limit.key):
            try:
                value = limit.key(*args, **kwargs)
            except Exception as error:
                message = f"the key of limit `{name}` could not be worked out: {type(error).__name__}: {error}"
                raise PayloadError(
                    f"{message}; its function is given the arguments of {told_owner(workflow)}"
                ) from error
        elif limit.key is None:
            value = ""
        else:
            value = find_value(limit.key, bound.arguments, tags, name)
        found.append(key_of(limit.kind, name, value))
    return tuple(sorted(found))


def keys_of_specs(
    specs: Sequence[LimitSpec],
    workflow: str,
    parameters: Sequence[Mapping[str, Any]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tags: Mapping[str, str] | None,
) -> tuple[str, ...] | None:
    """`keys_of_call` by a program that knows only what a node has registered: `parameters`, in order."""
    if not specs:
        return None
    positional = [each["name"] for each in parameters if each["kind"] in ("positional", "any")]
    schemas = {each["name"]: each["schema"] for each in parameters}
    found_values = {**dict(zip(positional, args, strict=False)), **kwargs}
    given = {name: _as_annotated(value, schemas.get(name, {})) for name, value in found_values.items()}
    found = []
    for spec in specs:
        if spec.key is None:
            message = f"the key of limit `{spec.name}` is a function, which this program does not have"
            raise ConfigError(f"{message}; submit workflow `{workflow}` where its code is")
        if not spec.key:
            value: Any = ""
        elif spec.key.startswith(TAG_PREFIX) or spec.key.partition(".")[0] in given:
            value = find_value(spec.key, given, tags, spec.name)
        else:
            value = spec.default
        found.append(key_of(spec.kind, spec.name, value))
    return tuple(sorted(found))


def _as_annotated(value: Any, schema: Mapping[str, Any]) -> Any:
    """What a text stands for where its parameter takes no text."""
    choices = schema.get("anyOf", [schema])
    if not isinstance(value, str) or any(each.get("type") == "string" and "format" not in each for each in choices):
        return value
    for each in choices:
        with contextlib.suppress(ValueError):
            if not isinstance(found := read_text(value, each), str):
                return found
    return value


def limits_named(limits: Sequence[Limit], workflow: str, key: str) -> list[str]:
    """Those that a step means by `key`: as they were given their key, or by their name; each as `kind:name`."""
    named = [(limit, limit.name_at(workflow)) for limit in limits]
    return [f"{limit.kind}:{name}" for limit, name in named if key in (limit.key, name)]
