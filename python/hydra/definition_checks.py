"""What `@hydra.workflow` and `@hydra.step` refuse, where a function is decorated: functions, names, times."""

from __future__ import annotations

import functools
import inspect
from datetime import timedelta

from hydra.clock import seconds_of
from hydra.errors import ConfigError
from hydra.execution import RESERVED_PREFIX
from hydra.values.hints import signature_of
from hydra.written import written

MAX_NAME_LENGTH = 200
LAMBDA = "<lambda>"
BOUND_PARAMETERS = ("self", "cls")  # by which a function of a class's body is known as a method


def check_function(function: object, kind: str, name: str | None) -> None:
    """Refuse, where it is decorated, what would only fail when it is called."""
    where = f"`@hydra.{kind}` belongs on a function"
    refused = isinstance(function, classmethod | functools.partial | functools.partialmethod)
    if refused or not inspect.isroutine(function) or not hasattr(function, "__name__"):
        raise ConfigError(f"{where}, not on {function!r:.200}; write a function that calls it")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{kind} `{function.__name__}` must not be a generator; return a list instead")
    if function.__name__ == LAMBDA and name is None:
        raise ConfigError(f"a {kind} made of a lambda has no name; give it one by `name=`")
    owner = function.__qualname__.rpartition(".")[0]
    if inspect.isfunction(function) and owner and not owner.endswith("<locals>"):
        first = next(iter(signature_of(function).parameters), None)
        if first in BOUND_PARAMETERS:
            raise ConfigError(
                f"{where}, not on the method `{function.__qualname__}`: nothing could make its `{first}` again after a "
                "crash; write a function that takes what it needs as arguments"
            )


def check_name(name: object, kind: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        owner = "an event" if kind == "event" else f"a {kind}"
        raise ConfigError(
            f"the name of {owner} must be 1 to {MAX_NAME_LENGTH} printable characters, not {written(name)}"
        )
    if name.startswith(RESERVED_PREFIX):
        raise ConfigError(f"{kind} `{name}` needs another name: those starting with `{RESERVED_PREFIX}` are hydra's")
    return name


def check_versions(version: object, name: str) -> tuple[str | None, ...]:
    """All that are declared, the newest first; empty for none."""
    if version is None:
        return ()
    declared = (version,) if isinstance(version, str) else version
    if not isinstance(declared, tuple | list) or not declared or declared[0] is None:
        raise ConfigError(
            f"`version` of workflow `{name}` must be a text or several, newest first, not {written(version)}"
        )
    return tuple(None if each is None else check_name(each, "version") for each in declared)


def timeout_of(timeout: timedelta | float, what: str) -> float:
    seconds = seconds_of(timeout, what)
    if seconds == 0:
        raise ConfigError(f"{what} must be more than 0 seconds")
    return seconds


def positional_range(signature: inspect.Signature) -> tuple[int, int] | None:
    """How few and how many bare arguments fit, or None where only a full check can tell."""
    plain = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(plain) != len(signature.parameters):
        return None
    return sum(p.default is p.empty for p in plain), len(plain)
