"""The annotations of classes and functions, read at run time: texts resolved, type variables replaced."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from hydra.errors import ConfigError

if sys.version_info >= (3, 14):
    import annotationlib

    _LATER: dict[str, Any] = {"annotation_format": annotationlib.Format.FORWARDREF}
else:
    _LATER: dict[str, Any] = {}


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Its parameters. An annotation with a name that is not there yet, which CPython 3.14 leaves to be looked at later,
    is its text, as it is under `from __future__ import annotations`."""
    found = inspect.signature(function, **_LATER)
    parameters = [each.replace(annotation=_text_of(each.annotation)) for each in found.parameters.values()]
    return found.replace(parameters=parameters, return_annotation=_text_of(found.return_annotation))


def _text_of(annotation: Any) -> Any:
    return annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation


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


def base_variables(cls: type, variables: dict[Any, Any]) -> dict[Any, Any]:
    """What the type variables of a class and of its generic bases stand for."""
    known = dict(variables)
    for base in getattr(cls, "__orig_bases__", ()):
        origin = typing.get_origin(base)
        if isinstance(origin, type) and origin is not typing.Generic:
            parameters = getattr(origin, "__parameters__", ())
            arguments = [substitute(argument, variables) for argument in typing.get_args(base)]
            known.update(base_variables(origin, dict(zip(parameters, arguments, strict=False))))
    return known
