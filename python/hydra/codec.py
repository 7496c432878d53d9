"""Values, calls and failures as payloads, and back: typed by annotations, equal to what went in (G10).

The bytes are `hydra._core`'s; `rebuild` knows annotations, `failures` exceptions, `signatures` plain JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Any

from hydra import _core
from hydra.errors import ConfigError, PayloadError, PayloadTooLarge
from hydra.values.failures import Failure, decode_failure, encode_failure, failure_of, rebuild_exception
from hydra.values.objects import resolve_hints
from hydra.values.rebuild import Rebuild, plan_of, rebuild
from hydra.values.signatures import call_from_json, check_json_against, from_json, json_schema, to_jsonable

__all__ = [
    "Failure",
    "PayloadError",
    "PayloadTooLarge",
    "Signature",
    "Unfit",
    "call_from_json",
    "check_json_against",
    "decode",
    "decode_call",
    "decode_failure",
    "describe",
    "encode",
    "encode_call",
    "encode_calls",
    "encode_failure",
    "encode_generation",
    "encode_many",
    "encode_with_digest",
    "failure_of",
    "from_json",
    "generation_of",
    "json_schema",
    "rebuild_exception",
    "to_jsonable",
]

MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
SIGNATURE_COUNT_MAX = 4096

encode = _core.encode
encode_many = _core.encode_many
encode_with_digest = _core.encode_with_digest


def decode(payload: bytes, annotation: Any = Any) -> Any:
    """The value of a payload, its objects rebuilt as the classes that `annotation` names."""
    if annotation is Any:
        return _core.decode(payload)
    plan = plan_of(annotation)
    if plan is None:
        return _core.decode(payload)
    return rebuild(_core.decode_named(payload), plan)


def encode_call(
    args: tuple[Any, ...], kwargs: dict[str, Any], max_bytes: int = MAX_PAYLOAD_BYTES
) -> tuple[bytes, bytes]:
    """The payload and the digest of a call's arguments as given, before defaults."""
    return _core.encode_with_digest({"args": list(args), "kwargs": kwargs}, max_bytes)


def encode_calls(
    calls: Iterable[tuple[tuple[Any, ...], dict[str, Any]]], max_bytes: int = MAX_PAYLOAD_BYTES
) -> list[tuple[bytes, bytes]]:
    """`encode_call` of many, with the GIL released for digests and compression."""
    return _core.encode_many([{"args": list(args), "kwargs": kwargs} for args, kwargs in calls], max_bytes)


def encode_generation(args: tuple[Any, ...], kwargs: dict[str, Any], generation: int) -> bytes:
    """The input of an execution that begins anew, for the `generation`th time."""
    return _core.encode({"args": list(args), "kwargs": kwargs, "generation": generation})


def generation_of(input: bytes) -> int:
    """1 for an execution that has not begun anew."""
    call = _core.decode(input)
    return int(call.get("generation", 1)) if isinstance(call, dict) else 1


def decode_call(payload: bytes, function: Callable[..., Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, typed by the function's annotations."""
    return Signature.of(function).decode_call(payload)


def describe(payload: bytes) -> Any:
    """What a payload holds, as plain JSON for people; needs nobody's code."""
    return to_jsonable(_core.decode_named(payload))


class Signature:
    """A function's parameters and result as far as decoding needs them; annotations are read on first use."""

    def __init__(self, function: Callable[..., Any], *, skip_count: int = 0) -> None:
        self.function = function
        self.skip_count = skip_count

    @classmethod
    def of(cls, function: Callable[..., Any], *, skip_count: int = 0) -> Signature:
        """The signature of a function, kept with it; `skip_count` leading parameters are not in its payloads."""
        return _signature_of(function, skip_count)

    @cached_property
    def hints(self) -> dict[str, Any]:
        function = inspect.unwrap(self.function)
        return resolve_hints(function, _captured_names(function))

    @cached_property
    def result_annotation(self) -> Any:
        return self.hints.get("return", Any)

    @cached_property
    def _result_plan(self) -> Rebuild | None:
        return plan_of(self.result_annotation)

    @cached_property
    def _argument_plans(self) -> _ArgumentPlans | None:
        plans = _ArgumentPlans(self.function, self.hints, self.skip_count)
        return plans if plans.names_classes else None

    def check(self) -> None:
        """Raises ConfigError now rather than at the first call when an annotation cannot be resolved."""
        _ = self._argument_plans, self._result_plan

    def decode_call(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        plans = self._argument_plans
        if plans is None:
            call = _core.decode(payload)
            return tuple(call["args"]), call["kwargs"]
        call = _core.decode_named(payload)
        args = [rebuild(value, plans.of_position(index)) for index, value in enumerate(call["args"])]
        return tuple(args), {name: rebuild(value, plans.of_name(name)) for name, value in call["kwargs"].items()}

    def decode_result(self, payload: bytes) -> Any:
        plan = self._result_plan
        return _core.decode(payload) if plan is None else rebuild(_core.decode_named(payload), plan)

    def decode_results(self, payload: bytes) -> list[Any]:
        """The values of a payload that is a list of results; an Unfit where one does not fit the annotation."""
        plan = self._result_plan
        if plan is None:
            return list(_core.decode(payload))
        return [rebuild_or_unfit(value, plan) for value in _core.decode_named(payload)]


class Unfit:
    """In place of a result that does not fit the function's annotation."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def rebuild_or_unfit(value: Any, plan: Rebuild) -> Any:
    try:
        return rebuild(value, plan)
    except Exception as error:  # user classes take part in decoding
        return Unfit(error)


@lru_cache(maxsize=SIGNATURE_COUNT_MAX)
def _signature_of(function: Callable[..., Any], skip_count: int) -> Signature:
    return Signature(function, skip_count=skip_count)


class _ArgumentPlans:
    def __init__(self, function: Callable[..., Any], hints: dict[str, Any], skip_count: int) -> None:
        try:
            parameters = list(inspect.signature(function).parameters.values())[skip_count:]
        except (TypeError, ValueError) as error:
            raise ConfigError(f"the signature of `{function!r}` cannot be read: {error}") from error
        self.positional: list[Rebuild | None] = []
        self.named: dict[str, Rebuild | None] = {}
        self.more_positional: Rebuild | None = None
        self.more_named: Rebuild | None = None
        for parameter in parameters:
            plan = plan_of(hints.get(parameter.name, Any))
            if parameter.kind is parameter.VAR_POSITIONAL:
                self.more_positional = plan
            elif parameter.kind is parameter.VAR_KEYWORD:
                self.more_named = plan
            else:
                self.named[parameter.name] = plan
                if parameter.kind is not parameter.KEYWORD_ONLY:
                    self.positional.append(plan)

    @property
    def names_classes(self) -> bool:
        plans = [*self.named.values(), self.more_positional, self.more_named]
        return any(plan is not None for plan in plans)

    def of_position(self, index: int) -> Rebuild | None:
        return self.positional[index] if index < len(self.positional) else self.more_positional

    def of_name(self, name: str) -> Rebuild | None:
        return self.named.get(name, self.more_named)


def _captured_names(function: Callable[..., Any]) -> dict[str, Any]:
    """What the function's body captures from around it: a class defined in a test is often there."""
    code = getattr(function, "__code__", None)
    names: dict[str, Any] = {}
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            # The cell is filled later than the annotations are read.
            continue
    return names
