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


def place_in(strand: Strand, others: Iterable[Strand]) -> str:
    """`file:line in `function``: of the strand that runs, else of the body that waits for it; "" for neither."""
    if strand.place:
        return strand.place
    frames = [sys._getframe(), *(other.gr_frame for other in others)]
    return next(filter(None, map(place_of, frames)), "")


def place_of(frame: FrameType | None) -> str:
    """The innermost frame that is not hydra's own."""
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            return f"{code.co_filename}:{frame.f_lineno} in `{code.co_name}`"
        frame = frame.f_back
    return ""


def place_of_function(function: Callable[..., Any]) -> str:
    """Where it begins."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno} in `{code.co_name}`"


def place_of_error(error: BaseException) -> str:
    """Where the user's code raised it."""
    place, traceback = "", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            place = f"{code.co_filename}:{traceback.tb_lineno} in `{code.co_name}`"
        traceback = traceback.tb_next
    return place
