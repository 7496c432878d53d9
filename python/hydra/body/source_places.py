"""Which line of the user's code is asking: found in the frames when something is to be said of it, never before."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from hydra.body.strand import Strand

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # hydra itself
PYTHON = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
PACKAGES = tuple(os.path.join(PYTHON, name) + os.sep for name in ("site-packages", "dist-packages"))


def place_in(strand: Strand, others: Iterable[Strand]) -> str:
    """`file:line in `function``: of the strand that runs, else of the body that waits for it; "" for neither."""
    if strand.place:
        return strand.place
    frames = [sys._getframe(), *(other.gr_frame for other in others)]
    return next(filter(None, map(place_of, frames)), "")


def is_users(path: str) -> bool:
    """Whether code of that file is neither hydra's nor Python's own: asyncio runs what is a task by itself."""
    if path.startswith((PACKAGE, "<frozen ")):
        return False
    return not path.startswith(PYTHON) or path.startswith(PACKAGES)


def place_of(frame: FrameType | None) -> str:
    """The innermost frame of the user's."""
    while frame is not None:
        code = frame.f_code
        if is_users(code.co_filename):
            return f"{code.co_filename}:{frame.f_lineno} in `{code.co_name}`"
        frame = frame.f_back
    return ""


def place_of_function(function: Callable[..., Any]) -> str:
    """Where it begins."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno} in `{code.co_name}`"


def place_of_error(error: BaseException) -> str:
    """Where the user's code raised it, or called what did."""
    place, traceback = "", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if is_users(code.co_filename):
            place = f"{code.co_filename}:{traceback.tb_lineno} in `{code.co_name}`"
        traceback = traceback.tb_next
    return place
