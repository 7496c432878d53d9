"""Time: the database's clock carried forward on CLOCK_BOOTTIME, and a fake one for tests.

Liveness is judged in boottime nanoseconds; timers and records use database microseconds (DESIGN §4.7). A wall clock
that jumps changes neither: between two readings of the database only boottime moves `now()`, and it never goes back.
"""

from __future__ import annotations

import mmap
import os
import time
import weakref
from datetime import timedelta
from typing import Protocol

from hydra.errors import ConfigError

LONGEST_SECONDS = 1_000 * 366 * 86_400.0


def boottime_ns() -> int:
    """Nanoseconds since boot, suspended time included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Clock(Protocol):
    def now(self) -> int:
        """Database time in microseconds since 1970 UTC."""
        ...

    def boottime_ns(self) -> int: ...


class DatabaseClock:
    """`calibrate` after each heartbeat; `now` in between costs no I/O.

    Until the first reading it is this host's own wall clock, which may be hours ahead; nothing of that stays.
    """

    def __init__(self) -> None:
        self._offset_us = time.time_ns() // 1000 - boottime_ns() // 1000
        self._last = 0
        self._is_calibrated = False

    @property
    def offset_us(self) -> int:
        return self._offset_us

    def calibrate(self, database_now: int, read_at_ns: int) -> None:
        """`read_at_ns` is taken behind the reading: then this clock is late by the reply's way, and never early."""
        self._offset_us = database_now - read_at_ns // 1000
        if not self._is_calibrated:
            self._last, self._is_calibrated = 0, True

    def now(self) -> int:
        self._last = max(self._last, boottime_ns() // 1000 + self._offset_us)
        return self._last

    def boottime_ns(self) -> int:
        return boottime_ns()


class FakeClock:
    """Stands still until told; both kinds of time move together."""

    def __init__(self, now: int = 1_767_225_600_000_000, boottime_ns: int = 1_000_000_000) -> None:
        self._now = now
        self._boottime_ns = boottime_ns

    def now(self) -> int:
        return self._now

    def boottime_ns(self) -> int:
        return self._boottime_ns

    def advance(self, microseconds: int) -> None:
        self._now += microseconds
        self._boottime_ns += microseconds * 1000


class LeasePage:
    """Words shared by a node's processes: until when steps may start (R5), the database clock's offset, the session.

    The supervisor writes, workers read; a page belongs to one registration and is never reused (R1).
    """

    SIZE = 4096

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._close_fd = weakref.finalize(self, os.close, fd)  # a page of the past is held by whoever still reads it
        self._map = mmap.mmap(fd, self.SIZE)
        self._words = memoryview(self._map).cast("q")
        self._last = 0

    @classmethod
    def create(cls) -> LeasePage:
        fd = os.memfd_create("hydra-lease", os.MFD_CLOEXEC)
        os.ftruncate(fd, cls.SIZE)
        return cls(fd)

    def set(self, deadline_ns: int, offset_us: int) -> None:
        self._words[1] = offset_us
        self._words[0] = deadline_ns

    def set_session(self, session: int) -> None:
        self._words[2] = session

    def session(self) -> int:
        """The node's, which the fence compares (R16)."""
        return self._words[2]

    def may_start(self) -> bool:
        """Whether this node may still start a step."""
        return boottime_ns() < self._words[0]

    def now(self) -> int:
        self._last = max(self._last, boottime_ns() // 1000 + self._words[1])
        return self._last

    def boottime_ns(self) -> int:
        return boottime_ns()

    def close(self) -> None:
        self._words.release()
        self._map.close()
        self._close_fd()


def seconds_of(duration: timedelta | float, what: str) -> float:
    """A duration as users write it, in seconds; `what` names it in the error."""
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        seconds = float(duration)
    else:
        raise ConfigError(f"{what} must be a timedelta or a number of seconds, not {duration!r}.")
    if not 0 <= seconds < LONGEST_SECONDS:
        raise ConfigError(f"{what} must be between 0 seconds and 1,000 years, not {duration!r}.")
    return seconds
