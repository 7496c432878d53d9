"""The clocks of a harness: the test's, which stands still until it is told, and the node's, which must go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hydra.clock import FAKE_BOOTTIME_NS, FAKE_NOW, FakeClock, seconds_of
from hydra.errors import ConfigError
from hydra.testing.waits import Waits, wait_in_strand, wait_on_loop

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_LEAP_US = 366 * 86_400 * 1_000_000  # of boottime, whose nanoseconds do not reach to the year 9999


class HarnessClock(FakeClock):
    """What user code, timers and records see. The lease never ends by it.

    A step may move it, as if it took so long (`sleep`): past its `timeout` or `heartbeat_timeout` it gets StepTimeout.
    """

    def __init__(self, now: int = FAKE_NOW, boottime_ns: int = FAKE_BOOTTIME_NS) -> None:
        super().__init__(now, boottime_ns)
        self.on_moved: Callable[[], None] = _nobody
        self.waits = Waits()

    def sleep(self, duration: timedelta | float) -> None:
        """For a step: let so much time pass at once. Timers that are due meanwhile fire when the step has ended."""
        self.advance(round(seconds_of(duration, "the duration of `sleep`") * 1e6))

    def wait(self, duration: timedelta | float) -> None:
        """For a step: it takes so long, and others go on meanwhile. So the test says which of several ends first."""
        wait_in_strand(self.waits, self.now, self._due_at(duration))

    async def wait_async(self, duration: timedelta | float) -> None:
        """`wait`, for an async step."""
        await wait_on_loop(self.waits, self._due_at(duration))

    def _due_at(self, duration: timedelta | float) -> int:
        return self.now() + round(seconds_of(duration, "the duration of `wait`") * 1e6)

    def may_start(self) -> bool:
        return True

    def advance(self, microseconds: int) -> None:
        """Nothing in memory waits as long as the longest leap, so boottime need not go further."""
        beyond = max(0, microseconds - MAX_LEAP_US)
        super().advance(microseconds - beyond)
        self._now += beyond
        self.on_moved()

    def now_datetime(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.now())

    def move_to(self, instant: int) -> None:
        self.advance(max(0, instant - self.now()))


class NodeClock:
    """The test's clock, ahead by what the dispatcher needs to go on to its next beat and claim."""

    def __init__(self, clock: HarnessClock) -> None:
        self._clock = clock
        self._ahead_ns = 0

    def now(self) -> int:
        return self._clock.now()

    def boottime_ns(self) -> int:
        return self._clock.boottime_ns() + self._ahead_ns

    def calibrate(self, database_now: int, read_at_ns: int) -> None:
        """The database's own clock has no say here."""

    def go_on(self, nanoseconds: int) -> None:
        self._ahead_ns += nanoseconds


def _nobody() -> None:
    """No harness has a node yet."""


def microseconds_until(duration: timedelta | float | datetime, now: int) -> int:
    """From `now` to an instant, or for a duration."""
    if not isinstance(duration, datetime):
        return round(seconds_of(duration, "the duration of `advance`") * 1e6)
    if duration.tzinfo is None:
        raise ConfigError(f"`advance` needs a datetime with a time zone, not {duration!r}")
    microseconds = (duration - EPOCH) // timedelta(microseconds=1) - now
    if microseconds < 0:
        raise ConfigError(f"the harness's clock cannot go back to {duration.isoformat()}")
    return microseconds
