"""Time: the database's clock carried forward on CLOCK_BOOTTIME, and a fake one for tests.

Liveness is judged in boottime nanoseconds; timers and records use database microseconds. A wall clock
that jumps changes neither: between two readings of the database only boottime moves `now()`, and where the database's
own clock jumps, `DatabaseTime` tells glitches from corrections as far as that can be told.
"""

from __future__ import annotations

import mmap
import os
import time
import weakref
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Protocol

from hydra._core import LeaseClock
from hydra.errors import ConfigError
from hydra.written import written

CLOCK_TOLERANCE_US = 2_000_000  # readings that differ by less are of one clock; replies take their time
CLOCK_BELIEVED_NS = 30_000_000_000  # a clock that jumped is wrong until it has stayed there for so long
FIRST_READING_NS = 300_000_000_000  # with nothing to compare it with, the first counts as if it had lasted for so long
LONGEST_SECONDS = 1_000 * 366 * 86_400.0


# Nanoseconds since boot, suspended time included. Read several times a step: without a frame of Python's.
boottime_ns: Callable[[], int] = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)


class Clock(Protocol):
    def now(self) -> int:
        """Database time in microseconds since 1970 UTC."""
        ...

    def boottime_ns(self) -> int: ...


class DatabaseTime:
    """By how much the database's clock is ahead of this host's boottime, from readings that may be wrong for a while.

    a step, either way ──────────────► believed once it has stayed so for a while, and forgotten if it did not
    back to what was before ─────────► believed at once: a glitch that lasted has ended
    ahead again to what was before ──► believed at once, too, if that had lasted longer than what is believed now
    """

    def __init__(self, offset_us: int) -> None:
        self.offset_us = offset_us  # until the first reading
        self._since_ns: int | None = None  # it has been believed
        self._before = (0, 0)  # the offset before, and for how many nanoseconds it had been believed
        self._step: tuple[int, int] | None = None  # another reading, and since when there was nothing else

    def read(self, offset_us: int, now_ns: int) -> None:
        """A reading that leaves `offset_us` between the two clocks."""
        if self._since_ns is None:
            self._believe(offset_us, now_ns - FIRST_READING_NS)
        elif _is_near(offset_us, self.offset_us):
            self.offset_us, self._step = offset_us, None
        else:
            self._read_step(offset_us, now_ns, now_ns - self._since_ns)

    def _read_step(self, offset_us: int, now_ns: int, lasted_ns: int) -> None:
        before_us, before_lasted_ns = self._before
        is_back = offset_us < self.offset_us
        if before_lasted_ns and _is_near(offset_us, before_us) and (is_back or before_lasted_ns > lasted_ns):
            self._before = (self.offset_us, lasted_ns) if is_back else (0, 0)
            self._believe(offset_us, now_ns - before_lasted_ns)
        elif self._step is None or not _is_near(offset_us, self._step[0]):
            self._step = offset_us, now_ns
        elif now_ns - self._step[1] >= CLOCK_BELIEVED_NS:
            if lasted_ns > before_lasted_ns:  # not what was itself only passing
                self._before = self.offset_us, lasted_ns
            self._believe(offset_us, self._step[1])

    def _believe(self, offset_us: int, since_ns: int) -> None:
        self.offset_us, self._since_ns, self._step = offset_us, since_ns, None


def _is_near(one_us: int, other_us: int) -> bool:
    return abs(one_us - other_us) <= CLOCK_TOLERANCE_US


def onward(last: int, now: int) -> int:
    """Readings differ a little, and time does not go back for that; it does where the database's clock was set back."""
    return last if now < last <= now + CLOCK_TOLERANCE_US else now


class DatabaseClock:
    """`calibrate` after each heartbeat; `now` in between costs no I/O.

    Until the first reading it is this host's own wall clock, which may be hours ahead; nothing of that stays.
    """

    def __init__(self) -> None:
        self._time = DatabaseTime(time.time_ns() // 1000 - boottime_ns() // 1000)
        self._last = 0

    @property
    def offset_us(self) -> int:
        return self._time.offset_us

    def calibrate(self, database_now: int, read_at_ns: int) -> None:
        """`read_at_ns` is taken behind the reading: then this clock is late by the reply's way, and never early."""
        self._time.read(database_now - read_at_ns // 1000, read_at_ns)

    def now(self) -> int:
        self._last = onward(self._last, boottime_ns() // 1000 + self.offset_us)
        return self._last

    def boottime_ns(self) -> int:
        return boottime_ns()


FAKE_NOW = 1_767_225_600_000_000  # the first of January 2026, in microseconds
FAKE_BOOTTIME_NS = 1_000_000_000


class FakeClock:
    """Stands still until told; both kinds of time move together."""

    def __init__(self, now: int = FAKE_NOW, boottime_ns: int = FAKE_BOOTTIME_NS) -> None:
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
        clock = LeaseClock(self._words, CLOCK_TOLERANCE_US)
        self.may_start = clock.may_start  # whether this node may still start a step
        self.now = clock.now

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

    def boottime_ns(self) -> int:
        return boottime_ns()

    def close(self) -> None:
        self._words.release()
        self._map.close()
        self._close_fd()


def seconds_of(duration: timedelta | float, what: str) -> float:
    """A duration as users write it, in seconds; `what` names it in the error."""
    if isinstance(duration, timedelta):
        duration = duration.total_seconds()
    elif isinstance(duration, bool) or not isinstance(duration, (int, float)):
        raise ConfigError(f"{what} must be a timedelta or a number of seconds, not {written(duration)}")
    if not 0 <= duration < LONGEST_SECONDS:  # before it is a float: an int may be too large for one
        raise ConfigError(f"{what} must be between 0 seconds and 1,000 years, not {written(duration)}")
    return float(duration)
