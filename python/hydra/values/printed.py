"""What an exception and its parts look like in words, within limits, whatever their own code does when asked."""

from __future__ import annotations

import reprlib
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from hydra.values.special import is_a, linked, recorded_of

MAX_TEXT_CHARACTERS = 16_384
RAISED_AGAIN = "raised again from its record:"  # before the part of a traceback that says where a body got it
MAX_TRACEBACK_CHARACTERS = 32_768
MAX_FRAME_COUNT = 200


class _Short(reprlib.Repr):
    """Ends after so much, whatever a value is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxdeque = 20
        self.maxarray = self.maxlong = 200
        self.maxstring = self.maxother = 4_000

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:  # it has more digits than Python writes
            return f"<int of {x.bit_length():,} bits>"

    def repr_instance(self, x: Any, level: int) -> str:
        # Python's own prints the exceptions among its arguments, and theirs.
        return f"{type(x).__name__}(…)" if is_a(x, BaseException) else super().repr_instance(x, level)


_short = _Short()


def exact(text: str) -> str:
    """As a plain `str`; what is only derived from one cannot be recorded."""
    return str.__str__(text)


def printed(value: Any, function: Callable[[Any], str] = _short.repr) -> str:
    try:
        return exact(function(value))
    except BaseException:  # the user's code, which must not keep the failure from its record
        return f"<{_name_of(type(value))} that cannot be printed>"


def message_of(exception: BaseException) -> str:
    """What it says, or a shorter form where Python's own would print what may never end."""
    arguments = vars(BaseException)["args"].__get__(exception)
    if _has_python_text(type(exception)) and not all(type(argument) in _BRIEF for argument in arguments):
        inner = arguments[0] if len(arguments) == 1 else arguments
        return (text_of(inner) if len(arguments) == 1 else printed(inner))[:MAX_TEXT_CHARACTERS]
    try:
        return exact(str(exception))[:MAX_TEXT_CHARACTERS]
    except BaseException:
        # Made from its record, it may lack what its text is made of.
        return recorded_of(exception)[0] or printed(exception, str)


def text_of(value: Any) -> str:
    """What it says of itself."""
    return printed(value, str if _ends(value) else _short.repr)


def told_error(exception: BaseException) -> str:
    """Its class's name and what it says, if it says anything."""
    name, said = _name_of(type(exception)), message_of(exception)
    return f"{name}: {said}" if said.strip() else name


def _name_of(cls: type) -> str:
    """Past a class of its class's own, which answers as it likes."""
    return exact(vars(type)["__name__"].__get__(cls))


_BRIEF = frozenset({str, int, float, bool, bytes, type(None)})


def _has_python_text(cls: type) -> bool:
    """Whether it prints as its arguments do."""
    return next((base for base in cls.__mro__ if "__str__" in vars(base)), None) is BaseException


def _ends(value: Any) -> bool:
    """Whether it can be printed as it is: a container may hold itself on many ways, or exceptions that do."""
    return type(value) not in (list, tuple, dict, set, frozenset) and not is_a(value, BaseException)


def traceback_of(exception: BaseException, message: str, notes: tuple[str, ...], earlier: str) -> str:
    """As Python prints it, without causes, contexts and members. `earlier`: that of the record it was rebuilt from."""
    frames = linked("__traceback__").__get__(exception)
    if earlier and frames is None:
        return earlier
    lines = [*_frames(frames), *_last_lines(exception, message), *(f"{note}\n" for note in notes)]
    text = exact("".join(lines))
    if earlier:
        text = f"{earlier}\n{RAISED_AGAIN}\n\n{text}"
    if len(text) > MAX_TRACEBACK_CHARACTERS:
        # The end names the line that raised.
        text = "… (its beginning was cut)\n" + text[-MAX_TRACEBACK_CHARACTERS:]
    return text


def _frames(frames: TracebackType | None) -> list[str]:
    if frames is None:
        return []
    try:
        return ["Traceback (most recent call last):\n", *traceback.format_tb(frames, -MAX_FRAME_COUNT)]
    except BaseException:  # a source file that cannot be read, or whatever a loader of the user's does
        return []


def _last_lines(exception: BaseException, message: str) -> list[str]:
    cls = type(exception)
    if is_a(exception, SyntaxError):
        try:
            bare = SyntaxError(*vars(BaseException)["args"].__get__(exception))  # without all that hangs on it
            return traceback.format_exception_only(SyntaxError, bare)
        except BaseException:
            pass  # it says nothing of a place
    name = printed(cls, lambda cls: cls.__qualname__)
    module = printed(cls, lambda cls: cls.__module__)
    full_name = name if module in ("builtins", "__main__") else f"{module}.{name}"
    return [f"{full_name}: {message}\n" if message else f"{full_name}\n"]
