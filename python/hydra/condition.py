"""A condition to wait for where a signal's handler may raise at any moment.

`threading.Condition` gives its lock back inside `wait` and takes it again: what a handler raises in between leaves its
`with` block to release a lock that is not held, or is another thread's by then, and behind its `__enter__` nobody
releases it any more. Here nobody holds the lock while he waits, and it is only ever taken by `with`.
"""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from hydra.errors import HydraError
from hydra.interruptions import let_out
from hydra.locks import RLock

T = TypeVar("T")


class Condition:
    """`lock` guards what is waited for; `notify_all`, with the lock held, has everybody look again."""

    def __init__(self) -> None:
        self.lock = RLock()
        self._bells: list[threading.Lock] = []  # one of each who waits, locked until it rings

    def wait_for(self, look: Callable[[], T], seconds: float | None = None) -> T:
        """What `look` says, as soon as that is true, or when the time is over. It looks with the lock held, and may
        take what it finds."""
        deadline = None if seconds is None else time.monotonic() + seconds
        bell = threading.Lock()
        bell.acquire()
        try:
            while True:
                with self.lock:
                    if found := look():
                        return found
                    if bell not in self._bells:
                        self._bells.append(bell)
                remaining = -1 if deadline is None else min(deadline - time.monotonic(), threading.TIMEOUT_MAX)
                if deadline is not None and remaining <= 0:
                    return found
                bell.acquire(timeout=remaining)
        finally:
            with self.lock:  # left out where a handler raises here, it rings for nobody
                if bell in self._bells:
                    self._bells.remove(bell)

    def notify_all(self) -> None:
        for bell in self._bells:
            if bell.locked():
                bell.release()
        self._bells.clear()


class NoThread(HydraError):
    """Python begins no thread: it is ending (from CPython 3.12 on), or the system has none to spare."""


def start(thread: threading.Thread) -> None:
    """Begin it where no signal's handler comes in between. NoThread where Python refuses."""
    try:
        _start(thread)
    except RuntimeError as error:
        let_out(error)
        raise NoThread(f"Python begins no thread any more ({error}); do this before the program ends") from error


def _start(thread: threading.Thread) -> None:
    """A handler that raises inside `Thread.start` has Python forget a thread that runs by then: that one fails of it,
    with a traceback on standard error. Handlers run on the main thread alone, so another one starts it, and that waits.
    """
    if threading.get_ident() != threading.main_thread().ident:
        thread.start()
        return
    is_over = threading.Lock()
    failed: list[BaseException] = []

    def begin() -> None:
        try:
            thread.start()
        except BaseException as error:
            failed.append(error)
        is_over.release()

    is_over.acquire()
    _thread.start_new_thread(begin, ())
    is_over.acquire()
    if failed:
        raise failed.pop()
