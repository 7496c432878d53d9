"""The database's own clock, which jumps, is set, and slews; and whoever reads it now and then, and carries it forward.

    true clock = boot time + what it was set by + what it slewed
    what is read = true clock + the glitch under way

What reads it is hydra's own `DatabaseTime`. Who submits is one `Client`; nodes have one each.
"""

from __future__ import annotations

from hydra.clock import CLOCK_BELIEVED_NS, CLOCK_TOLERANCE_US, DatabaseTime, onward

SECOND_NS = 1_000_000_000
CLIENT_READS_NS = 2 * SECOND_NS  # as `client.session` does
# Two clocks may each be off by what counts as the same clock, and replies take their time.
EARLY_US = 2 * CLOCK_TOLERANCE_US
LATE_US = 4 * CLOCK_TOLERANCE_US


class ModelClock:
    """In microseconds; every instant that is passed in is boot time."""

    def __init__(self) -> None:
        self.glitch_us = 0
        self.glitch_end_ns = 0
        self.is_settled = True  # whoever lives has heard of the last setting
        self._set_us = 1_700_000_000_000_000
        self._rate = 0.0  # seconds that it gains in each
        self._slew_from_ns = 0
        self._slew_end_ns = 0
        self.change_count = 0

    def true_us(self, now_ns: int) -> int:
        slewing_ns = max(0, min(now_ns, self._slew_end_ns) - self._slew_from_ns)
        return now_ns // 1000 + self._set_us + int(self._rate * slewing_ns / 1000)

    def read_us(self, now_ns: int) -> int:
        return self.true_us(now_ns) + self.glitch_us

    def glitch(self, by_us: int, now_ns: int, for_ns: int) -> None:
        self.glitch_us, self.glitch_end_ns = by_us, now_ns + for_ns
        self.change_count += 1

    def end_glitch(self) -> None:
        self.glitch_us = self.glitch_end_ns = 0

    def set_by(self, by_us: int) -> None:
        self._set_us += by_us
        self.is_settled = False
        self.change_count += 1

    def slew(self, rate: float, now_ns: int, for_ns: int) -> None:
        self._set_us = self.true_us(now_ns) - now_ns // 1000
        self._rate, self._slew_from_ns, self._slew_end_ns = rate, now_ns, now_ns + for_ns
        self.change_count += 1

    def is_steady(self, now_ns: int) -> bool:
        return self.is_settled and not self.glitch_us and now_ns >= self._slew_end_ns


class CarriedClock:
    """What a program or node takes for the database's clock. `dropped` leaves out what makes it a good one."""

    def __init__(self, wrong_us: int, dropped: frozenset[str]) -> None:
        self._time = BelievesAtOnce(wrong_us) if "clock_doubt" in dropped else DatabaseTime(wrong_us)
        self._goes_back = "clock_back" not in dropped
        self._last_us = 0
        self.has_read = False
        self.read_at_ns = 0

    @property
    def offset_us(self) -> int:
        return self._time.offset_us

    def read(self, read_us: int, now_ns: int) -> None:
        self._time.read(read_us - now_ns // 1000, now_ns)
        if not self.has_read:
            self._last_us = 0  # this host's own clock, of which nothing stays
        self.has_read, self.read_at_ns = True, now_ns

    def now_us(self, now_ns: int) -> int:
        self._last_us = carried(self._last_us, now_ns // 1000 + self.offset_us, self._goes_back)
        return self._last_us

    def is_near(self, clock: ModelClock, now_ns: int) -> bool:
        return abs(self.offset_us + now_ns // 1000 - clock.true_us(now_ns)) <= CLOCK_TOLERANCE_US


class BelievesAtOnce(DatabaseTime):
    """Whatever is read is the time."""

    def read(self, offset_us: int, now_ns: int) -> None:
        self._believe(offset_us, now_ns)


def carried(last_us: int, now_us: int, goes_back: bool) -> int:
    return onward(last_us, now_us) if goes_back else max(last_us, now_us)


LONGEST_GLITCH_NS = CLOCK_BELIEVED_NS - 6 * SECOND_NS  # two beats less, so that no reading finds it half a minute old
