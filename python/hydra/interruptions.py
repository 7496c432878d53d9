"""What a signal's handler raises in a program's own thread (Ctrl-C, a job's soft time limit) may come behind any call,
and says nothing of what was done. It leaves hydra as itself, of whatever class it is.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from types import CodeType, TracebackType

from hydra.errors import HydraError

# Whose exceptions tell of a value, a statement, or a fault of hydra's. An OSError may be a handler's TimeoutError.
OWN_MODULES = ("builtins", "hydra", "msgspec", "orjson", "psycopg", "pymysql", "sqlite3")

ON_ITS_WAY = "was already on its way to the database and"


def is_interruption(error: BaseException) -> bool:
    """Whether a handler may have raised it."""
    if is_of_handler(error):
        return True
    if isinstance(error, HydraError):
        return False
    if isinstance(error, OSError) or not isinstance(error, Exception):
        return True
    return type(error).__module__.partition(".")[0] not in OWN_MODULES


def is_of_handler(error: BaseException) -> bool:
    """Whether it came through a signal's handler."""
    return _handler_in(error) is not None


def end_what_was_begun(error: BaseException) -> None:
    """A block (`blocks`) that a handler interrupted as it was entered is neither entered nor left: it stays open as
    long as the frames of the error are kept, and whoever handles that would go on inside it."""
    handler = _handler_in(error)
    entry = error.__traceback__ if handler is not None else None
    while entry is not None and entry is not handler:
        with suppress(RuntimeError):  # it is still running
            entry.tb_frame.clear()
        entry = entry.tb_next


def let_out(error: BaseException) -> None:
    """Raise it again where a handler did: for whoever would take it for a fault of what was tried."""
    if is_of_handler(error):
        raise error


def let_out_cause(error: BaseException, outer: BaseException | None) -> None:
    """Raise what a handler did, where a driver or a library made this error of it. `outer` is what was being handled
    before (`sys.exception()`): that is another story."""
    each: BaseException | None = error
    while each is not None and each is not outer:
        if is_of_handler(each):
            raise each from None
        each = each.__cause__ or each.__context__


def may_have_submitted(error: BaseException, execution_id: str) -> None:
    """Say on what came in between that the submission may have happened, as StoreUnavailable does (R17)."""
    note = (
        f"execution `{execution_id}` {ON_ITS_WAY} may have been submitted; "
        "submitting it again as it was, with its key, or without one with that id, is safe"
    )
    with suppress(AttributeError, TypeError):  # its class takes none, not even behind a `__setattr__` of its own
        _set(error, "execution_id", execution_id)
        _set(error, "outcome", "unknown")
        _set(error, "__notes__", [*_notes_of_others(error), note])


def has_submitted_nothing(error: BaseException) -> None:
    """Take back what an earlier call has said on it: a handler may raise one and the same instance each time."""
    if any(ON_ITS_WAY in each for each in getattr(error, "__notes__", [])):
        with suppress(AttributeError, TypeError):
            _set(error, "execution_id", None)
            _set(error, "outcome", None)
            _set(error, "__notes__", _notes_of_others(error))


_set = BaseException.__setattr__


def _notes_of_others(error: BaseException) -> list[str]:
    return [each for each in getattr(error, "__notes__", []) if ON_ITS_WAY not in each]


def refuse_within(code: CodeType, owner: object, what: str) -> None:
    """Where this thread waits for itself: a signal's handler came into that method of the owner, and asks for it again.
    Looked for only where one would wait."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code is code and frame.f_locals.get("self") is owner:
            raise HydraError(
                f"this thread is {what} already, and a signal's handler came in between and asks for the same; have "
                "the handler set a flag, or do it in another thread"
            )
        frame = frame.f_back  # type: ignore[assignment]


def _handler_in(error: BaseException) -> TracebackType | None:
    """Where it begins. Python gives a handler the frame that it comes into, and nobody else."""
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        interrupted, entry = entry.tb_frame, entry.tb_next
        for value in entry.tb_frame.f_locals.values():
            if value is interrupted or (type(value) is tuple and any(each is interrupted for each in value)):
                return entry
    return None
