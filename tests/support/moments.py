"""Every moment of a call at which a signal's handler may raise: as a function begins, and behind each function of C's.

The handler is called as Python does it, with the frame that it comes into, but at a moment that is chosen, not by luck.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

MOMENTS_MAX = 40_000
# They take it for no length, no file, no variable, no thread of their own, the end of a row.
DEAF = ("enum", "genericpath", "os", "pathlib", "posixpath", "pymysql", "threading")


def swallowed_at_any_moment(
    call: Callable[[], object], kind: type[BaseException], *, stride: int = 1, begin: Callable[[], object] | None = None
) -> list[str]:
    """Where what the handler raised did not come out of the call as itself; empty where it always did.

    The call is made once for each moment, until one has none left; `begin` is called before each. `stride`: every so
    many moments, where all would take too long.
    """
    found = []
    for number in range(1, MOMENTS_MAX, stride):
        if begin is not None:
            begin()
        moment = _Moment(number, kind)
        outcome = moment.interrupt(call)
        if moment.place is None:
            return found
        if outcome is not moment.raised and not moment.is_unheard:
            found.append(f"{moment.place}: {outcome!r:.200}")
    raise AssertionError(f"the call has more than {MOMENTS_MAX} moments")


def at_every_moment(call: Callable[[], object], handler: Callable[[], object], *, stride: int = 1) -> Iterator[object]:
    """What the call gave or raised, for each moment at which a signal's handler came in."""
    for number in range(1, MOMENTS_MAX, stride):
        moment = _Moment(number, handler=handler)
        outcome = moment.interrupt(call)
        if moment.place is None:
            return
        yield outcome
    raise AssertionError(f"the call has more than {MOMENTS_MAX} moments")


class _Moment:
    """The `number`th of a call, and what the handler does there, or raises."""

    def __init__(
        self, number: int, kind: type[BaseException] = Exception, handler: Callable[[], object] | None = None
    ) -> None:
        self.raised = kind("a signal's handler")
        self._handler = handler
        self.place: str | None = None
        self.is_unheard = False
        self._left = number

    def interrupt(self, call: Callable[[], object]) -> object:
        """What the call gave or raised."""
        self._hears_others = before = sys.unraisablehook
        sys.unraisablehook = self._hear
        sys.setprofile(self._pass)
        try:
            return call()
        except BaseException as error:
            return error
        finally:
            sys.setprofile(None)
            sys.unraisablehook = before

    def _pass(self, frame: FrameType, event: str, _: Any) -> None:
        if event not in ("call", "c_return"):
            return
        self._left -= 1
        if self._left == 0:
            sys.setprofile(None)
            self.is_unheard = frame.f_globals.get("__name__", "").partition(".")[0] in DEAF
            self.place = f"{frame.f_code.co_qualname}, line {frame.f_lineno} ({event})"
            self._limit(14, sys._getframe())

    def _limit(self, signal_number: int, frame: FrameType) -> None:
        if self._handler is None:
            raise self.raised
        self._handler()

    def _hear(self, unraisable: Any) -> None:
        """Python itself lets no error out of a weak reference's callback or a generator that is collected."""
        if unraisable.exc_value is not self.raised:
            self._hears_others(unraisable)
            return
        self.is_unheard = True
