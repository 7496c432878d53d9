"""Exceptions as payloads: import path, arguments, attributes, traceback text, cause; and rebuilt from them (G3).

Live code gets the rebuilt exception too, so a replay sees the same. Rebuilding imports the module of the class and
makes the object without the class's own `__init__`; nothing else is run.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from hydra import _core
from hydra._core import Named
from hydra.errors import NonRetryable, PayloadError, StepFailed
from hydra.values.objects import path_of
from hydra.values.rebuild import plain, plan_of, rebuild

CHAIN_DEPTH_MAX = 5
GROUP_SIZE_MAX = 100
TRACEBACK_CHARACTERS_MAX = 32_768
TEXT_CHARACTERS_MAX = 16_384
# One argument must not fill the database; a larger one is kept as the start of its repr.
ARGUMENT_BYTES_MAX = 262_144
_TRACEBACK_ATTRIBUTE = "__hydra_traceback__"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an exception. `exception_type` is its import path, `package.module:Qualified.Name`."""

    exception_type: str
    message: str
    arguments: tuple[Any, ...] = ()
    attributes: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    traceback_text: str = ""
    cause: Failure | None = None
    context: Failure | None = None
    suppress_context: bool = False
    members: tuple[Failure, ...] = ()
    non_retryable: bool = False


def encode_failure(exception: BaseException) -> bytes:
    """Never raises: what cannot be kept as a value is kept as its repr."""
    failure = failure_of(exception)
    try:
        return _core.encode(_as_fields(failure))
    except PayloadError:
        # Many arguments, each within its limit, may still be too much together.
        bare = Failure(
            exception_type=failure.exception_type, message=failure.message, traceback_text=failure.traceback_text
        )
        return _core.encode(_as_fields(bare))


def decode_failure(payload: bytes) -> Failure:
    """The failure that `encode_failure` kept."""
    stored = _core.decode_named(payload)
    if type(stored) is not dict or "exception_type" not in stored:
        raise PayloadError("the payload holds a value, not a failure")
    return _from_fields(stored)


def failure_of(exception: BaseException) -> Failure:
    """What would be kept of an exception."""
    return _describe(exception, CHAIN_DEPTH_MAX, set())


def rebuild_exception(failure: Failure) -> BaseException:
    """The exception, or StepFailed in its place when its class cannot be imported or made without its constructor."""
    exception = _make(failure)
    for name, value in failure.attributes.items():
        _set_quietly(exception, name, value)
    for note in failure.notes:
        exception.add_note(note)
    _set_quietly(exception, _TRACEBACK_ATTRIBUTE, failure.traceback_text)
    if failure.cause is not None:
        exception.__cause__ = rebuild_exception(failure.cause)
    if failure.context is not None:
        exception.__context__ = rebuild_exception(failure.context)
    exception.__suppress_context__ = failure.suppress_context
    return exception


def _describe(exception: BaseException, depth: int, seen: set[int]) -> Failure:
    seen = seen | {id(exception)}
    is_group = isinstance(exception, BaseExceptionGroup)
    members: tuple[Failure, ...] = ()
    arguments = exception.args
    if isinstance(exception, OSError) and exception.filename is not None:
        # The constructor takes the file names, `args` leaves them out.
        arguments = (*arguments[:2], exception.filename, None, exception.filename2)
    if isinstance(exception, BaseExceptionGroup):
        arguments = (exception.message,)
        if depth:
            members = tuple(_describe(one, depth - 1, seen) for one in exception.exceptions[:GROUP_SIZE_MAX])

    def linked(other: BaseException | None) -> Failure | None:
        return None if other is None or not depth or id(other) in seen else _describe(other, depth - 1, seen)

    attributes = {
        name: _kept(value)
        for name, value in _attributes_of(exception).items()
        if not name.startswith("__") and not (is_group and name in ("message", "exceptions"))
    }
    return Failure(
        exception_type=path_of(type(exception)),
        message=_message_of(exception),
        arguments=tuple(_kept(argument) for argument in arguments),
        attributes=attributes,
        notes=tuple(str(note)[:TEXT_CHARACTERS_MAX] for note in getattr(exception, "__notes__", ())),
        traceback_text=_traceback_of(exception),
        cause=linked(exception.__cause__),
        # Python itself sets the cause as context too; once is enough.
        context=None if exception.__cause__ is exception.__context__ else linked(exception.__context__),
        suppress_context=exception.__suppress_context__,
        members=members,
        non_retryable=isinstance(exception, NonRetryable),
    )


def _attributes_of(exception: BaseException) -> dict[str, Any]:
    """What user code set on the exception: its `__dict__` and the `__slots__` of its classes."""
    attributes = dict(vars(exception))
    if isinstance(exception, (ImportError, NameError, AttributeError)):
        attributes["name"] = exception.name
    for cls in type(exception).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(exception, name):
                attributes.setdefault(name, getattr(exception, name))
    return attributes


def _kept(value: Any) -> Any:
    """The value itself if it can be encoded, else the start of its repr."""
    try:
        _core.encode(value, ARGUMENT_BYTES_MAX)
    except PayloadError:
        return _quietly(repr, value)[:TEXT_CHARACTERS_MAX]
    return value


def _message_of(exception: BaseException) -> str:
    return _quietly(str, exception)[:TEXT_CHARACTERS_MAX]


def _quietly(function: Callable[[Any], str], value: Any) -> str:
    try:
        return function(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be printed>"


def _traceback_of(exception: BaseException) -> str:
    earlier = getattr(exception, _TRACEBACK_ATTRIBUTE, "")
    if earlier and exception.__traceback__ is None:
        return str(earlier)
    try:
        text = "".join(traceback.format_exception(exception, chain=False))
    except Exception:
        text = "".join(traceback.format_tb(exception.__traceback__)) + _message_of(exception)
    if earlier:
        text = f"{earlier}\nraised again from its record:\n\n{text}"
    if len(text) > TRACEBACK_CHARACTERS_MAX:
        # The end names the line that raised.
        text = "… (its beginning was cut)\n" + text[-TRACEBACK_CHARACTERS_MAX:]
    return text


def _as_fields(failure: Failure) -> dict[str, Any]:
    fields = msgspec.structs.asdict(failure)
    for name in ("cause", "context"):
        fields[name] = None if fields[name] is None else _as_fields(fields[name])
    fields["members"] = [_as_fields(member) for member in failure.members]
    return {name: value for name, value in fields.items() if value not in (None, (), [], {}, False, "")} | {
        "exception_type": failure.exception_type
    }


def _from_fields(stored: dict[str, Any]) -> Failure:
    known = {name: stored[name] for name in Failure.__struct_fields__ if name in stored}
    for name in ("cause", "context"):
        if known.get(name) is not None:
            known[name] = _from_fields(known[name])
    known["members"] = tuple(_from_fields(member) for member in known.get("members", ()))
    known["arguments"] = tuple(_with_classes(value) for value in known.get("arguments", ()))
    known["attributes"] = {name: _with_classes(value) for name, value in known.get("attributes", {}).items()}
    known.setdefault("message", "")
    return Failure(**known)


def _with_classes(value: Any) -> Any:
    """An argument that is an object of an importable class is that object again, though no annotation names it."""
    if type(value) is Named:
        found = _import(value.name)
        return rebuild(value, plan_of(found)) if isinstance(found, type) else plain(value)
    return plain(value)


def _import(path: str) -> Any:
    """What `package.module:Qualified.Name` names, or None."""
    module_name, _, qualified_name = path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for name in qualified_name.split("."):
            found = getattr(found, name)
    except Exception:
        return None
    return found


def _make(failure: Failure) -> BaseException:
    cls = _import(failure.exception_type)
    if isinstance(cls, type) and issubclass(cls, BaseException):
        try:
            return _make_as(cls, failure)
        except Exception:
            return _stand_in(failure)
    return _stand_in(failure)


def _make_as(cls: type[BaseException], failure: Failure) -> BaseException:
    if issubclass(cls, BaseExceptionGroup):
        members = [rebuild_exception(member) for member in failure.members]
        return cls.__new__(cls, failure.arguments[0], members)
    exception = cls.__new__(cls, *failure.arguments)
    # The nearest built-in class keeps some of its state outside `__dict__` (OSError.errno, SystemExit.code).
    native: Any = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    native.__init__(exception, *failure.arguments)
    return exception


def _stand_in(failure: Failure) -> StepFailed:
    name = failure.exception_type.partition(":")[2]
    return StepFailed(
        f"{name}: {failure.message}", exception_type=failure.exception_type, traceback_text=failure.traceback_text
    )


def _set_quietly(exception: BaseException, name: str, value: Any) -> None:
    try:
        object.__setattr__(exception, name, value)
    except (AttributeError, TypeError):
        # A read-only attribute of the class: what the class shows there comes from its arguments.
        return
