"""Exceptions as payloads: import path, arguments, attributes, traceback text, cause; and rebuilt from them (G3).

Live code gets the rebuilt exception too, so a replay sees the same. Rebuilding imports the module of the class and
makes the object without the class's own `__init__`; nothing else is run. Reading a failure (`decode_failure`) rebuilds
nothing and needs nobody's code.

An exception is code of the user's that has just failed: nothing it says of itself is trusted to answer, or to end.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hydra import _core
from hydra.errors import NonRetryable, PayloadError, StepFailed
from hydra.values.classes import find, path_of
from hydra.values.objects import settle
from hydra.values.printed import MAX_TEXT_CHARACTERS, exact, message_of, printed, text_of, traceback_of
from hydra.values.rebuild import prove
from hydra.values.special import (
    arguments_of,
    attributes_of,
    is_a,
    linked,
    make_as,
    members_of,
    recorded_of,
    set_recorded,
)
from hydra.values.standins import StandIn, stand_in

MAX_CHAIN_DEPTH = 5
MAX_GROUP_SIZE = 100
# Causes, contexts and members of groups in all: each may name any of the others.
MAX_FAILURE_COUNT = 200
MAX_NESTING = 4  # lists and dicts around an exception that is a value on another
MAX_ATTRIBUTE_COUNT = 100
MAX_NOTE_COUNT = 100
# One argument must not fill the database; a larger one is kept as the start of its repr.
MAX_ARGUMENT_BYTES = 262_144
# All of them together, before compression: with the texts it stays below what one payload may take.
MAX_KEPT_BYTES = 4 * 1024 * 1024
# A dataclass on an exception that has one of these (the connection of psycopg's errors) is not for the records.
SECRETS = frozenset({"password", "passwd", "secret", "token", "api_key"})


class Above(msgspec.Struct, frozen=True):
    """As a value on an exception: that itself (0), the one that it hangs on (1) …"""

    levels: int


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an exception. `exception_type` is its import path, `package.module:Qualified.Name`.

    In one that was decoded, objects of classes are still `_core.Named`.
    """

    exception_type: str
    message: str
    arguments: tuple[Any, ...] = ()
    attributes: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    traceback_text: str = ""
    cause: Failure | None = None
    context: Failure | None = None
    context_is_cause: bool = False  # as after `except … as error: raise … from error`
    suppress_context: bool = False
    members: tuple[Failure, ...] = ()
    non_retryable: bool = False
    importable: bool = False  # its class could be found by that path where it was raised


def encode_failure(exception: BaseException) -> bytes:
    """Never raises: what cannot be kept as a value is kept as its repr, what cannot even be asked for is left out."""
    try:
        failure = failure_of(exception)
    except BaseException as error:  # a step must get its record, whatever its exception does
        failure = _bare(exception, f"<{type(exception).__name__} that cannot be described: {type(error).__name__}>")
    try:
        return _core.encode(_as_fields(failure))
    except BaseException:
        # Many arguments, each within its limit, may still be too much together.
        return _core.encode(_as_fields(_bare(exception, failure.message, failure.traceback_text)))


def decode_failure(payload: bytes) -> Failure:
    """The failure that `encode_failure` kept; PayloadError where the payload is damaged, or holds something else."""
    stored = _core.decode_named(payload)
    if type(stored) is not dict or "exception_type" not in stored:
        raise PayloadError("the payload holds a value, not a failure")
    return _from_fields(stored)


def read_failure(payload: bytes) -> Failure:
    """What a failure says, for people and for whoever must go on: where it cannot be read, that it cannot."""
    try:
        return decode_failure(payload)
    except Exception as error:
        sentence = f"its record cannot be read: {error}"
        return Failure(exception_type="hydra.errors:StepFailed", message=sentence)


def failure_of(exception: BaseException) -> Failure:
    """What would be kept of an exception."""
    return _Describer().describe(exception, MAX_CHAIN_DEPTH, ())


def rebuild_exception(failure: Failure, above: tuple[BaseException | None, ...] = ()) -> BaseException:
    """The exception, or StepFailed in its place when its class cannot be imported or made without its constructor.

    `above`: those that it hangs on, the nearest first; None for one that is not made yet.
    """
    exception = _make(failure, above)
    for name, value in failure.attributes.items():
        _set_quietly(exception, name, _rebuilt(value, (exception, *above)))
    # Past the class's own ways of being set: that of a frozen dataclass refuses.
    if failure.notes:
        _set_quietly(exception, "__notes__", list(failure.notes))
    set_recorded(exception, failure.message, failure.traceback_text)
    if failure.cause is not None:
        cause = rebuild_exception(failure.cause, (exception, *above))
        linked("__cause__").__set__(exception, cause)
        if failure.context_is_cause:
            linked("__context__").__set__(exception, cause)
    if failure.context is not None:
        linked("__context__").__set__(exception, rebuild_exception(failure.context, (exception, *above)))
    linked("__suppress_context__").__set__(exception, failure.suppress_context)
    return exception


def missing_class(failure: Failure) -> str:
    """The path of its class (or of one in its group) that could be imported when it was raised, and cannot any more."""
    if failure.importable and not is_exception_class(find(failure.exception_type)):
        return failure.exception_type
    return next(filter(None, map(missing_class, failure.members)), "")


def is_exception_class(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, BaseException)


class _Describer:
    """Describes one exception and all that hangs on it, within a limit for all of them together."""

    def __init__(self) -> None:
        self.left_count = MAX_FAILURE_COUNT
        self.left_bytes = MAX_KEPT_BYTES

    def describe(self, exception: BaseException, depth: int, seen: tuple[int, ...]) -> Failure:
        """`seen`: those that it hangs on, the nearest first; what it is the cause or member of among them."""
        self.left_count -= 1
        seen = (id(exception), *seen)
        cause, context = linked("__cause__").__get__(exception), linked("__context__").__get__(exception)
        found = [self._linked(one, depth, seen) for one in members_of(exception)[:MAX_GROUP_SIZE]]
        members = tuple(failure for failure in found if failure is not None)
        message, notes = message_of(exception), _notes_of(exception)
        path = _path_of(exception)
        return Failure(
            exception_type=path,
            message=message,
            arguments=self._arguments(exception, depth, seen),
            attributes={
                name: self._kept(value, depth, seen)
                for name, value in attributes_of(exception, MAX_ATTRIBUTE_COUNT).items()
            },
            notes=notes,
            traceback_text=traceback_of(exception, message, notes, recorded_of(exception)[1]),
            cause=self._linked(cause, depth, seen),
            context=None if cause is context else self._linked(context, depth, seen),
            context_is_cause=cause is not None and cause is context,
            suppress_context=bool(linked("__suppress_context__").__get__(exception)),
            members=members,
            non_retryable=is_a(exception, NonRetryable),
            importable=find(path) is type(exception),
        )

    def _arguments(self, exception: BaseException, depth: int, seen: tuple[int, ...]) -> tuple[Any, ...]:
        arguments = arguments_of(exception)
        if is_a(exception, BaseExceptionGroup):  # it is made of a text only, however much its members have taken
            return (exact(arguments[0])[:MAX_TEXT_CHARACTERS],)
        return tuple(self._kept(argument, depth, seen) for argument in arguments)

    def _linked(self, other: BaseException | None, depth: int, seen: tuple[int, ...]) -> Failure | None:
        if other is None or not depth or id(other) in seen or self.left_count <= 0:
            return None
        return self.describe(other, depth - 1, seen)

    def _kept(self, value: Any, depth: int, seen: tuple[int, ...]) -> Any:
        """The value itself if it decodes; an exception as what is kept of it; else a stand-in with its repr."""
        value = self._with_failures(value, depth, seen, MAX_NESTING)
        try:
            if not SECRETS.isdisjoint(getattr(type(value), "__dataclass_fields__", ())):
                return stand_in(value, f"<{type(value).__name__}>", "it may hold a password")
            payload = _core.encode(value, min(MAX_ARGUMENT_BYTES, self.left_bytes))
            prove(payload)
            self.left_bytes -= _body_bytes(payload)
        except BaseException as error:  # the user's classes take part
            return stand_in(value, printed(value), error, text_of(value))
        return value

    def _with_failures(self, value: Any, depth: int, seen: tuple[int, ...], levels: int) -> Any:
        """The value, the exceptions in it as what is kept of them."""
        kind = type(value)
        if issubclass(kind, BaseException):
            if id(value) in seen:
                return Above(seen.index(id(value)))
            failure = self._linked(value, depth, seen)
            return failure or stand_in(value, printed(value), "it is an exception too deep in others")
        if kind not in (list, tuple, dict) or not levels or not _holds_exception(value, levels):
            return value
        if kind is dict:
            items = list(value.items())[:MAX_GROUP_SIZE]
            return {key: self._with_failures(one, depth, seen, levels - 1) for key, one in items}
        return kind([self._with_failures(one, depth, seen, levels - 1) for one in value[:MAX_GROUP_SIZE]])


def _holds_exception(value: Any, levels: int) -> bool:
    kind = type(value)
    if kind not in (list, tuple, dict):
        return issubclass(kind, BaseException)
    parts = list(value.values() if kind is dict else value)[:MAX_GROUP_SIZE]
    return levels > 0 and any(_holds_exception(one, levels - 1) for one in parts)


def _bare(exception: BaseException, message: str, traceback_text: str = "") -> Failure:
    """As little as there can be."""
    path = _path_of(exception)
    return Failure(
        exception_type=path,
        message=message,
        traceback_text=traceback_text,
        non_retryable=is_a(exception, NonRetryable),
        importable=find(path) is type(exception),
    )


def _body_bytes(payload: bytes) -> int:
    """Before compression."""
    is_compressed = payload[1] & 1
    return int.from_bytes(payload[6:10], "little") if is_compressed else len(payload)


def _path_of(exception: BaseException) -> str:
    try:
        return exact(path_of(type(exception)))
    except BaseException:  # its class has a class of its own, which answers as it likes
        return "builtins:Exception"


def _notes_of(exception: BaseException) -> tuple[str, ...]:
    try:
        notes = getattr(exception, "__notes__", ())
        return tuple(printed(note, str)[:MAX_TEXT_CHARACTERS] for note in list(notes)[:MAX_NOTE_COUNT])
    except BaseException:
        return ()


def _as_fields(failure: Failure) -> dict[str, Any]:
    fields = msgspec.structs.asdict(failure)
    for name in ("cause", "context"):
        fields[name] = None if fields[name] is None else _as_fields(fields[name])
    fields["members"] = [_as_fields(member) for member in failure.members]
    given = {name: value for name, value in fields.items() if _is_given(value)}
    return given | {"exception_type": failure.exception_type}


def _is_given(value: Any) -> bool:
    return value is not None and value is not False and (not isinstance(value, (tuple, dict, list, str)) or bool(value))


def _from_fields(stored: dict[str, Any]) -> Failure:
    known = {name: stored[name] for name in Failure.__struct_fields__ if name in stored}
    for name in ("cause", "context"):
        if known.get(name) is not None:
            known[name] = _from_fields(known[name])
    known["members"] = tuple(_from_fields(member) for member in known.get("members", ()))
    known["arguments"] = tuple(known.get("arguments", ()))
    known.setdefault("message", "")
    return Failure(**known)


def _rebuilt(value: Any, above: tuple[BaseException | None, ...]) -> Any:
    """An argument or attribute, its objects of the classes they were, though no annotation names them."""
    try:
        return _with_exceptions(settle(value), above)
    except BaseException as error:  # the user's classes take part, and may be gone
        return stand_in(value, _shown(value), error)


def _shown(value: Any) -> str:
    """What is known of an object whose class is gone."""
    if type(value) is not _core.Named:
        return printed(value)
    said = value.value.get("message") if type(value.value) is dict else None
    return said if type(said) is str else f"<{value.name}>"


def _with_exceptions(value: Any, above: tuple[BaseException | None, ...]) -> Any:
    kind = type(value)
    if kind is Failure:
        return rebuild_exception(value, above)
    if kind is Above:
        found = above[value.levels] if value.levels < len(above) else None
        return stand_in(value, "<an exception around this one>", "it is not made yet") if found is None else found
    if kind in (list, tuple):
        return kind([_with_exceptions(one, above) for one in value])
    if kind is dict:
        return {key: _with_exceptions(one, above) for key, one in value.items()}
    return value


def _make(failure: Failure, above: tuple[BaseException | None, ...]) -> BaseException:
    cls = find(failure.exception_type)
    if isinstance(cls, type) and issubclass(cls, BaseException):
        try:
            members = [rebuild_exception(member, (None, *above)) for member in failure.members]
            arguments = tuple(_rebuilt(argument, (None, *above)) for argument in failure.arguments)
            return make_as(cls, arguments, members)
        except BaseException:  # its own `__new__` may do as it likes
            return _stand_in_for(failure)
    return _stand_in_for(failure)


def _stand_in_for(failure: Failure) -> StepFailed:
    name = failure.exception_type.partition(":")[2]
    return StepFailed(
        f"{name}: {failure.message}", exception_type=failure.exception_type, traceback_text=failure.traceback_text
    )


def _set_quietly(exception: BaseException, name: str, value: Any) -> None:
    try:
        object.__setattr__(exception, name, value)
    except BaseException:  # a property of the class's own may do as it likes
        # A read-only attribute of the class: what the class shows there comes from its arguments.
        return


__all__ = ["Failure", "StandIn", "decode_failure", "encode_failure", "failure_of", "rebuild_exception"]
