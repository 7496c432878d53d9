"""Whose keys a call has: worked out once, at its submission, and kept with it.

Who has the code asks its limits, who has only what a node registered asks its specs. Reads no database.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hydra.errors import ConfigError, PayloadError
from hydra.limit_keys import TAG_PREFIX, find_value, key_of, told_owner
from hydra.limits import Limit, LimitSpec
from hydra.values.jsonschema import read_text
from hydra.values.printed import told_error
from hydra.values.same_text import form_of_field, read_as, reads_by_code
from hydra.written import written


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
                message = f"the key of limit `{name}` could not be worked out: {told_error(error)}"
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
    given = {name: read_as(value, schemas.get(name, {})) for name, value in found_values.items()}
    found = []
    for spec in specs:
        if spec.key is None:
            message = f"the key of limit `{spec.name}` is a function, or a value that only code can read"
            raise ConfigError(f"{message}, and it is not here; submit workflow `{workflow}` where its code is")
        if not spec.key:
            value: Any = ""
        elif spec.key.startswith(TAG_PREFIX):
            value = find_value(spec.key, given, tags, spec.name)
        elif spec.key.partition(".")[0] in given:
            value = _value_by_name(spec, spec.key, given, workflow)
        else:
            value = spec.default
        found.append(key_of(spec.kind, spec.name, value))
    return tuple(sorted(found))


def _value_by_name(spec: LimitSpec, key: str, given: Mapping[str, Any], workflow: str) -> Any:
    try:
        value = find_value(key, given, None, spec.name)
    except PayloadError as error:  # it may have a default
        raise ConfigError(
            f"{error}, and only the code can add it; submit workflow `{workflow}` where its code is"
        ) from None
    if not spec.form or not isinstance(value, str):
        return value
    try:
        return read_text(value, {"format": spec.form})
    except ValueError:
        raise PayloadError(f"the key `{key}` of limit `{spec.name}` is no {spec.form}: {written(value)}") from None


def specs_by_name(specs: Sequence[LimitSpec], hints: Mapping[str, Any]) -> list[LimitSpec]:
    """As they are registered, for programs that have not the classes: without the key where only these can say it."""
    found = []
    for spec in specs:
        if spec.key and not spec.key.startswith(TAG_PREFIX):
            first, *fields = spec.key.split(".")
            hint = hints.get(first, Any)
            form = form_of_field(hint, fields) if fields else None if reads_by_code(hint) else ""
            spec = msgspec.structs.replace(spec, key=None if form is None else spec.key, form=form or "")
        found.append(spec)
    return found


def limits_named(limits: Sequence[Limit], workflow: str, key: str) -> list[str]:
    """Those that a step means by `key`: as they were given their key, or by their name; each as `kind:name`."""
    named = [(limit, limit.name_at(workflow)) for limit in limits]
    return [f"{limit.kind}:{name}" for limit, name in named if key in (limit.key, name)]
