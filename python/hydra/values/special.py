"""What is particular about some classes of exceptions: what they keep outside `args` and `__dict__`, and how an object
of them is made. Asks an exception past whatever its class has put in the way.
"""

from __future__ import annotations

import builtins
import sys
from contextlib import suppress
from types import MemberDescriptorType
from typing import Any, cast

from hydra.errors import StepFailed

MAX_VALIDATION_LINES = 200
_DICT: Any = vars(BaseException)["__dict__"]
_ARGS: Any = vars(BaseException)["args"]


def linked(name: str) -> Any:
    """What reads and sets `__cause__`, `__context__` … of any exception."""
    return vars(BaseException)[name]


def is_a(exception: object, kind: type | tuple[type, ...]) -> bool:
    """Like `isinstance`, which asks the object for its `__class__`, too."""
    return issubclass(type(exception), kind)


def cause_of(exception: BaseException) -> BaseException | None:
    """What it was raised from, or while."""
    found: BaseException | None = linked("__cause__").__get__(exception)
    if found is None and not linked("__suppress_context__").__get__(exception):
        found = linked("__context__").__get__(exception)
    return found


def members_of(exception: Any) -> tuple[Exception, ...]:
    """Of a group; empty for any other exception."""
    return BaseExceptionGroup.exceptions.__get__(exception) if is_a(exception, BaseExceptionGroup) else ()


class RecordedDict(dict[str, Any]):
    """The `__dict__` of an exception made from its record: what the record says of it stands beside its attributes."""

    __slots__ = ("message", "traceback_text")
    message: str
    traceback_text: str

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def set_recorded(exception: BaseException, message: str, traceback_text: str) -> None:
    known = RecordedDict(_DICT.__get__(exception) or {})
    known.message, known.traceback_text = message, traceback_text
    _DICT.__set__(exception, known)


def recorded_of(exception: BaseException) -> tuple[str, str]:
    """Message and traceback of the record that it was made from; empty if it was raised here."""
    known = _DICT.__get__(exception)
    return (known.message, known.traceback_text) if type(known) is RecordedDict else ("", "")


def arguments_of(exception: BaseException) -> tuple[Any, ...]:
    """What `make_as` makes it again from."""
    arguments: tuple[Any, ...] = _ARGS.__get__(exception)
    if is_a(exception, BaseExceptionGroup):
        return (BaseExceptionGroup.message.__get__(exception),)
    if _is_validation_error(type(exception)):
        return _arguments_of_validation_error(exception)
    return arguments


def attributes_of(exception: BaseException, count_max: int) -> dict[str, Any]:
    """What user code set on the exception: its `__dict__` and the `__slots__` of its classes."""
    found: dict[Any, Any] = dict(_DICT.__get__(exception) or {})
    found.update(_native_state(exception))
    for cls in type(exception).__mro__:
        slots = vars(cls).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            name = f"_{cls.__name__.lstrip('_')}{slot}" if slot.startswith("__") and not slot.endswith("__") else slot
            try:
                found.setdefault(name, object.__getattribute__(exception, name))
            except Exception:
                continue  # it was never set, or is no slot of an object
    if is_a(exception, BaseExceptionGroup):
        found = {name: value for name, value in found.items() if name not in ("message", "exceptions")}
    named = {str.__str__(n): value for n, value in found.items() if isinstance(n, str) and not n.startswith("__")}
    return dict(list(named.items())[:count_max])


def _native_state(exception: BaseException) -> dict[str, Any]:
    """What its built-in class keeps outside `args` and `__dict__`, as far as it does not follow from `args`."""
    cls = _native_class(type(exception))
    if issubclass(cls, BaseExceptionGroup):
        return {}
    try:
        fresh = cls(*_ARGS.__get__(exception))
    except BaseException:  # arguments that another class takes, or a user's object among them
        fresh = cls.__new__(cls)
    state = {}
    for base in cls.__mro__:
        for name, member in vars(base).items():
            # `obj` of an AttributeError is whatever lacks the attribute.
            if type(member) is MemberDescriptorType and name[:1] != "_" and name != "obj":
                value = member.__get__(exception)
                if value is not member.__get__(fresh):
                    state[name] = value
    return state


def _native_class(cls: type[BaseException]) -> Any:
    return next(base for base in cls.__mro__ if type(base) is type and base in _NATIVE)


_NATIVE = frozenset(
    each for each in vars(builtins).values() if isinstance(each, type) and issubclass(each, BaseException)
)


def make_as(cls: type[BaseException], arguments: tuple[Any, ...], members: list[BaseException]) -> BaseException:
    """An exception of the class, without the class's own constructor."""
    if issubclass(cls, BaseExceptionGroup):
        left_out = StepFailed("the members of this group were too deep in others, or too many, to be recorded")
        if cls is BaseExceptionGroup and all(isinstance(member, Exception) for member in members):
            # Python would make an ExceptionGroup of it, which `except Exception` catches.
            members = [*members, BaseException("a member of this group, no Exception, was not recorded as itself")]
        return cls.__new__(cls, arguments[0] if arguments else "", members or [left_out])
    if _is_validation_error(cls):
        return _make_validation_error(cls, arguments)
    native = _native_class(cls)
    try:
        exception = cls.__new__(cls, *arguments)
    except TypeError:
        # Its own `__new__` takes something else than what it keeps.
        exception = native.__new__(cls, *arguments)
    # The nearest built-in class keeps some of its state outside `__dict__` (OSError.errno, SystemExit.code).
    with suppress(TypeError):  # a stand-in for what could not be recorded is not what it wants
        native.__init__(exception, *arguments)
    if not (issubclass(native, OSError) and len(arguments) == 5):  # those of older records hold the file names, too
        _ARGS.__set__(exception, arguments)  # its own `__new__` may have kept others
    return exception


# pydantic's ValidationError keeps everything outside `args`, and has a constructor of its own.


def _is_validation_error(cls: type) -> bool:
    pydantic_core = sys.modules.get("pydantic_core")
    return pydantic_core is not None and issubclass(cls, pydantic_core.ValidationError)


def _arguments_of_validation_error(error: Any) -> tuple[Any, ...]:
    """The title, then the parts of each line, flat: so that one that cannot be kept costs no other."""
    lines = error.errors(include_url=False)[:MAX_VALIDATION_LINES]
    parts = [(line["type"], line["loc"], line["msg"], line.get("ctx"), line.get("input")) for line in lines]
    return error.title, *(_plain_context(part) for line in parts for part in line)


def _plain_context(part: Any) -> Any:
    if type(part) is not dict:
        return part
    return {name: str(item) if isinstance(item, Exception) else item for name, item in part.items()}


def _make_validation_error(cls: Any, arguments: tuple[Any, ...]) -> BaseException:
    title, *parts = arguments
    lines = [_line(*parts[start : start + 5]) for start in range(0, len(parts), 5)]
    made: BaseException = cls.from_exception_data(title, lines)
    _ARGS.__set__(made, ())
    return made


def _line(kind: str, place: tuple[Any, ...], message: str, context: Any, input: Any) -> dict[str, Any]:
    """One of pydantic's own kinds makes its message from its context; any other is given its message."""
    import pydantic_core

    line = {"loc": place, "input": input}
    raised = {"value_error": ValueError, "assertion_error": AssertionError}.get(kind)
    if raised is not None and context:
        context = {**context, "error": raised(context.get("error"))}
    try:
        if pydantic_core.PydanticKnownError(cast(Any, kind), context).message() == message:
            return line | {"type": kind} | ({"ctx": context} if context else {})
    except (KeyError, TypeError, ValueError):
        pass  # a kind of the user's own
    custom = pydantic_core.PydanticCustomError(kind, message, context)
    if custom.message() != message:  # a word in braces that the context has, too
        custom = pydantic_core.PydanticCustomError(kind, message)
    return line | {"type": custom}
