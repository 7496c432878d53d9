"""A step may fork. A child that comes back from the step's code is a copy of the worker that nobody reckons with: it
would run the worker's other steps once more and speak in its name. So it ends there, and nothing it would say is said.

`subprocess` and `multiprocessing` end their children themselves; this is for `os.fork()` without an `os._exit()`.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress

log = logging.getLogger("hydra.worker")


class Forked:
    """Whether this process is a child that a worker's user code has forked."""

    is_child = False


def watch() -> None:
    """In a worker, before it runs any of the user's code."""
    os.register_at_fork(after_in_child=_note)


def _note() -> None:
    Forked.is_child = True


def end_child(error: BaseException | None = None) -> None:
    """With the code that the step's end would give a program."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        code = int(error is not None)
        log.warning("a child (pid %d) that a step has forked came back from it, and is ended", os.getpid())
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)
