"""One thread looks for all that wait; each thread learns of every change since it last returned. Knows no database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hydra.condition import Condition


class Lookout:
    """A signal's handler may raise in it at any moment: then another thread looks."""

    def __init__(self) -> None:
        self._news = Condition()
        self._seen = threading.local()
        self._change_count = 0
        self._looking: object = None  # whose turn it is

    @property
    def is_taken(self) -> bool:
        """Whether somebody looks."""
        return self._looking is not None

    @property
    def has_changed(self) -> bool:
        """Whether there ever was news."""
        return self._change_count > 0

    def tell(self) -> None:
        """There is news, whoever looks."""
        with self._news.lock:
            self._change_count += 1
            self._news.notify_all()

    def wait(self, timeout_seconds: float, look: Callable[[float], object]) -> bool:
        """True as soon as there was news since this thread's last call; at its first call at once. `look` waits for
        some, at most so many seconds, and tells of it; no two threads look at once."""
        deadline = time.monotonic() + timeout_seconds
        turn = object()
        try:
            while self._news.wait_for(lambda: self._is_told_or_next(turn), deadline - time.monotonic()):
                if self._looking is not turn:
                    return True
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                look(remaining)
                self._end(turn)
            return False
        finally:
            try:
                self._end(turn)
            except BaseException:
                self._end(turn)
                raise

    def _is_told_or_next(self, turn: object) -> bool:
        """Whether there is something to tell this thread, or it is to look itself, since nobody does."""
        if self._change_count != getattr(self._seen, "change_count", -1):
            self._seen.change_count = self._change_count
            return True
        if self._looking is None:
            self._looking = turn
        return self._looking is turn

    def _end(self, turn: object) -> None:
        """Safe to repeat."""
        with self._news.lock:
            if self._looking is turn:
                self._looking = None
                self._news.notify_all()
