"""What a body starts in threads, where the process is a program's own: `engine.worker()`, `Harness`.

A worker's process is hydra's, and whatever has no caller there is refused. Here a thread without a caller is the
program's, whose calls are plain; so threads that a body starts, and functions that it hands to a pool, are marked.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from hydra.definitions import UnknownCaller, caller

_watching = threading.Lock()
_is_watching = False


def watch_threads() -> None:
    """From now on, for good."""
    global _is_watching
    with _watching:
        if not _is_watching:
            _is_watching = True
            threading.Thread.start = marking_start(threading.Thread.start)  # type: ignore[method-assign, assignment]
            ThreadPoolExecutor.submit = marking_submit(ThreadPoolExecutor.submit)  # type: ignore[method-assign]


def marking_start(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @functools.wraps(start)
    def marked(thread: threading.Thread) -> None:
        if is_in_body():
            thread.run = refusing(thread.run)  # type: ignore[method-assign]
        start(thread)

    return marked


def marking_submit(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @functools.wraps(submit)
    def marked(pool: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        here = caller.get()
        if not is_in_body():
            return submit(pool, function, *args, **kwargs)
        caller.set(None)  # the pool's own thread, if this starts one, may serve the program later
        try:
            return submit(pool, refusing(function), *args, **kwargs)
        finally:
            caller.set(here)

    return marked


def is_in_body() -> bool:
    return getattr(caller.get(), "is_body", False)


def refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        token = caller.set(UnknownCaller())
        try:
            return function(*args, **kwargs)
        finally:
            caller.reset(token)

    return run
