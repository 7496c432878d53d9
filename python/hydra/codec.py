"""Values, calls and failures as payloads, and back: typed by annotations, equal to what went in (G10).

The bytes are `hydra._core`'s; `rebuild` knows annotations, `failures` exceptions, `signatures` plain JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Any

import msgspec

from hydra import _core
from hydra.errors import ConfigError, LocalClass, PayloadError, PayloadTooLarge
from hydra.interruptions import let_out
from hydra.payload_keys import encrypted_with
from hydra.pointers import is_pointer, is_unfetched, pointer_in
from hydra.values.checks import check_of
from hydra.values.failures import (
    Failure,
    decode_failure,
    encode_failure,
    failure_of,
    missing_class,
    read_failure,
    rebuild_exception,
)
from hydra.values.fitting import CallFitter, fit, fitter_of, outline
from hydra.values.hints import resolve_hints, signature_of
from hydra.values.new_fields import gained_fields, lacks_new_fields
from hydra.values.numbers import as_wanted
from hydra.values.printed import message_of, told_error
from hydra.values.rebuild import (
    Rebuild,
    SequencePlan,
    apply,
    decode_objects,
    decode_parts,
    decode_planned,
    plan_of,
    rebuild,
    rebuilt_object,
)
from hydra.values.schemas import schema_of
from hydra.values.secret import names_secret
from hydra.values.signatures import check_call_against, check_json_against, from_json, json_schema, to_jsonable
from hydra.values.special import cause_of, is_a, members_of

__all__ = [
    "Failure",
    "PayloadError",
    "PayloadTooLarge",
    "Signature",
    "Unfit",
    "Unreadable",
    "cause_of",
    "check_call_against",
    "check_json_against",
    "decode",
    "decode_as",
    "decode_call",
    "decode_failure",
    "decode_plain",
    "decode_taken",
    "describe",
    "encode",
    "encode_call",
    "encode_calls",
    "encode_failure",
    "encode_generation",
    "encode_input",
    "encode_many",
    "encode_placed",
    "encode_with_digest",
    "failure_of",
    "fit",
    "fitter_of",
    "from_json",
    "generation_of",
    "is_a",
    "is_call_of",
    "json_schema",
    "lacks_new_fields",
    "members_of",
    "message_of",
    "missing_class",
    "outline",
    "place_in",
    "read_failure",
    "rebuild_exception",
    "says_the_same",
    "to_jsonable",
    "told_error",
    "why_other_call",
]

MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
MAX_SIGNATURE_COUNT = 4096
SCALARS = frozenset({int, float, bool, str, bytes, type(None)})  # they decode to what they are

encode = _core.encode
encode_many = _core.encode_many
encode_with_digest = _core.encode_with_digest
digest_of_call = _core.digest_of_call  # of one that is made here: that of `encode_call`, without its payload


def decode(payload: bytes, annotation: Any = Any) -> Any:
    """The value of a payload, its objects of the classes they went in as, or of those that `annotation` names."""
    return decode_planned(payload, None if annotation is Any else plan_of(annotation))


class Unreadable(msgspec.Struct, frozen=True):
    """In place of a value that cannot be read: no text, so that nobody takes it for one. In JSON an object."""

    unreadable: str

    def __repr__(self) -> str:
        return f"<{self.unreadable}>"


def decode_plain(payload: bytes | None) -> Any:
    """The value for people to look at: objects as their fields. Needs nobody's code, and never fails: what cannot be
    read is an Unreadable."""
    if payload is None:
        return None
    if (key_id := encrypted_with(payload)) is not None:
        return Unreadable(f"encrypted with the key `{key_id}`")
    if is_pointer(payload) and not is_unfetched(payload):
        return Unreadable(f"offloaded ({pointer_in(payload).size:,} bytes)")
    try:
        return _core.decode(payload)
    except PayloadError as error:
        return Unreadable(f"this value cannot be read: {error}")


def decode_as(payload: bytes, annotation: Any, where: str = "$") -> Any:
    """The value of a payload by the rule of arguments: of its annotation, or its JSON form; PayloadError else."""
    if annotation is Any:
        return decode_planned(payload, None)
    value = decode_objects(payload, plan_of(annotation))
    check = check_of(annotation)
    return value if check is None or check(value) else fit(value, annotation, where)


def decode_taken(payload: bytes, annotation: Any) -> Any:
    """`decode_as` of what a wait has taken. Earlier versions took a float for a Decimal: what they recorded is read."""
    try:
        return decode_as(payload, annotation)
    except PayloadError:
        value = decode_objects(payload, plan_of(annotation))
        return fit(as_wanted(value, schema_of(annotation)), annotation, "$")


def encode_call(
    args: tuple[Any, ...], kwargs: dict[str, Any], max_bytes: int = MAX_PAYLOAD_BYTES
) -> tuple[bytes, bytes]:
    """The payload and the digest of a call's arguments as given, before defaults. What is to be decoded elsewhere goes
    through `encode_input`.
    """
    return _core.encode_with_digest({"args": list(args), "kwargs": kwargs}, max_bytes, True)


def encode_input(
    function: Callable[..., Any] | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> tuple[bytes, bytes]:
    """`encode_call` of arguments that another process is to decode, for `function` where that is known here."""
    call = {"args": list(args), "kwargs": kwargs}
    try:
        return _core.encode_with_digest(call, max_bytes)
    except LocalClass:
        if function is None:
            raise
        payload, digest = _core.encode_with_digest(call, max_bytes, True)
        Signature.of(function).decode_call(payload)
        return payload, digest


def encode_calls(
    calls: Iterable[tuple[tuple[Any, ...], dict[str, Any]]], max_bytes: int = MAX_PAYLOAD_BYTES
) -> list[tuple[bytes, bytes]]:
    """`encode_input` of many, with the GIL released for digests and compression. LocalClass where one needs its
    function to be decoded.
    """
    return _core.encode_many([{"args": list(args), "kwargs": kwargs} for args, kwargs in calls], max_bytes)


def is_call_of(digest: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a digest is that of these arguments, or was before their classes gained fields that have a default."""

    def digest_of(call: dict[str, Any]) -> bytes:
        return _core.encode_with_digest(call, MAX_PAYLOAD_BYTES, True)[1]

    call = {"args": list(args), "kwargs": kwargs}
    return digest_of(call) == digest or lacks_new_fields(digest, call, digest_of)


def why_other_call(digest: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Why these arguments are not those of a recorded digest, as far as that tells."""

    def digest_of(call: dict[str, Any]) -> bytes:
        return _core.encode_with_digest(call, MAX_PAYLOAD_BYTES, True)[1]

    gained = gained_fields(digest, {"args": list(args), "kwargs": kwargs}, digest_of)
    if not gained:
        return "a value differs, or a class has lost or renamed a field; of what was recorded only the digest is known"
    fields = ", ".join(f"`{cls.__name__}.{name}`" for cls, name in gained)
    return f"they are the same but for {fields}, which the record lacks, and new fields are to be at their default"


def says_the_same(known: bytes, payload: bytes) -> bool:
    """Whether two payloads are of one value, but for fields with a default that its classes have gained since."""
    try:
        return known == payload or encode_with_digest(decode(known))[1] == encode_with_digest(decode(payload))[1]
    except Exception as error:  # user classes take part in decoding
        let_out(error)
        let_out(error)
        return False


def encode_generation(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], generation: int
) -> bytes:
    """The input of an execution that begins again, for the `generation`th time."""
    return _encode_call_with(function, {"args": list(args), "kwargs": kwargs, "generation": generation})


def encode_placed(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], place: dict[str, Any]
) -> bytes:
    """The input of an execution that runs one step of another, with whose step it is."""
    return _encode_call_with(function, {"args": list(args), "kwargs": kwargs, "place": place})


def place_in(input: bytes) -> dict[str, Any] | None:
    """Whose step an execution with this input runs."""
    call = _core.decode(input)  # needs no class
    return call.get("place") if isinstance(call, dict) else None


def _encode_call_with(function: Callable[..., Any], call: dict[str, Any]) -> bytes:
    try:
        return _core.encode(call)
    except LocalClass:
        payload = _core.encode(call, MAX_PAYLOAD_BYTES, True)
        Signature.of(function).decode_call(payload)
        return payload


def generation_of(input: bytes) -> int:
    """1 for an execution that has not begun again."""
    call = _core.decode(input)  # needs no class
    return int(call.get("generation", 1)) if isinstance(call, dict) else 1


def decode_call(payload: bytes, function: Callable[..., Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, typed by the function's annotations."""
    return Signature.of(function).decode_call(payload)


def describe(payload: bytes) -> Any:
    """What a payload holds, as plain JSON for people; needs nobody's code."""
    return to_jsonable(_core.decode(payload))


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
    def fitter(self) -> CallFitter:
        """What the arguments have to be."""
        return fitter_of(self.function, self.hints)

    @cached_property
    def _result_plan(self) -> Rebuild | None:
        return plan_of(self.result_annotation)

    @cached_property
    def _argument_plans(self) -> _ArgumentPlans | None:
        plans = _ArgumentPlans(self.function, self.hints, self.skip_count)
        return plans if plans.names_classes else None

    @cached_property
    def _gives_secret(self) -> bool:
        return names_secret(self.result_annotation)

    @cached_property
    def _is_unplanned(self) -> bool:
        """Whether the annotation has no say in what becomes of a result."""
        return self._result_plan is None and not self._gives_secret

    def check(self) -> None:
        """Raises ConfigError now rather than at the first call when an annotation cannot be resolved."""
        _ = self._argument_plans, self._result_plan

    def decode_call(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        plans = self._argument_plans
        call = decode_planned(payload, None if plans is None else plans.of_call)
        return tuple(call["args"]), call["kwargs"]

    def encode_result(self, value: Any) -> tuple[bytes, Any]:
        """The payload of a result, and the value that it decodes to here and in every replay."""
        if type(value) in SCALARS and self._is_unplanned:
            return encode(value), value
        value = self.hidden(value)
        try:
            payload = encode(value)
        except LocalClass:  # which the annotation may name
            payload = encode(value, MAX_PAYLOAD_BYTES, True)
        return payload, self.decode_result(payload)

    def hidden(self, value: Any) -> Any:
        """A result, of which what was returned bare is a Secret where the annotation says so: it is recorded as one."""
        return apply(value, self._result_plan) if self._gives_secret else value

    def encode_proven_result(self, value: Any) -> bytes:
        """The payload of a result, which is decoded here only where that could fail."""
        if self._result_plan is None:
            return encode(value)
        return self.encode_result(value)[0]

    def decode_arguments(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a call as the annotations have them; PayloadError where they cannot be."""
        plans = self._argument_plans
        call = decode_parts(payload, None if plans is None else plans.of_objects)
        return self.fitter.fit(tuple(call["args"]), call["kwargs"])

    def decode_result(self, payload: bytes) -> Any:
        return decode_planned(payload, self._result_plan)

    def decode_results(self, payload: bytes) -> list[Any]:
        """The values of a payload that is a list of results; an Unfit where one does not fit the annotation."""
        plan = self._result_plan
        try:
            return list(decode_planned(payload, None if plan is None else SequencePlan(plan)))
        except Exception as error:  # user classes take part in decoding; one of the values says why
            let_out(error)
            return [rebuild_or_unfit(value, plan) for value in _core.decode_named(payload)]


class Unfit:
    """In place of a result that does not fit the function's annotation."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def rebuild_or_unfit(value: Any, plan: Rebuild | None) -> Any:
    try:
        return rebuild(value, plan)
    except Exception as error:  # user classes take part in decoding
        let_out(error)
        return Unfit(error)


@lru_cache(maxsize=MAX_SIGNATURE_COUNT)
def _signature_of(function: Callable[..., Any], skip_count: int) -> Signature:
    return Signature(function, skip_count=skip_count)


class _ArgumentPlans:
    def __init__(self, function: Callable[..., Any], hints: dict[str, Any], skip_count: int) -> None:
        try:
            parameters = list(signature_of(function).parameters.values())[skip_count:]
        except (TypeError, ValueError) as error:
            let_out(error)
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

    def of_call(self, call: Any) -> dict[str, Any]:
        """The plan of a whole call: each argument by its parameter's."""
        args = [apply(value, self.of_position(index)) for index, value in enumerate(call["args"])]
        return {
            "args": args,
            "kwargs": {name: apply(value, self.of_name(name)) for name, value in call["kwargs"].items()},
        }

    def of_objects(self, call: Any) -> dict[str, Any]:
        """Of those arguments alone that hold objects: what is plain is a JSON form, of which `fit` converts all."""
        args = [rebuilt_object(value, self.of_position(index)) for index, value in enumerate(call["args"])]
        kwargs = {name: rebuilt_object(value, self.of_name(name)) for name, value in call["kwargs"].items()}
        return {"args": args, "kwargs": kwargs}

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
