"""When a schedule fires: a cron expression in a time zone, jitter, and what becomes of late ticks. Pure.

Ticks are instants in UTC, each later than the one before, so a night on which clocks change neither loses nor doubles
one: a time that such a night skips fires when the clocks have jumped, one that comes twice fires the first time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from hydra.clock import seconds_of
from hydra.errors import ConfigError
from hydra.interruptions import let_out
from hydra.written import as_text, written

CATCH_UPS = ("none", "last", "all")
OVERLAPS = ("queue", "skip", "cancel", "allow")
MAX_CATCH_UP = 100  # missed ticks fired after an outage with `catch_up="all"`, the newest ones
CATCH_UP_LIMIT = 1_000  # that a schedule may ask for: they are submitted in one transaction
MAX_JITTER_SECONDS = 86_400
PUNCTUAL = timedelta(minutes=1)  # a tick that late is not missed
FIRST_WINDOW = timedelta(hours=1)  # of the time before now that is searched for ticks; doubled until it holds enough

KEY_PREFIX = "hydra.tick:"


class Cron:
    """When a workflow runs by itself: a cron expression of five fields, in a time zone.

        hydra.Cron("0 6 1 * *", timezone="Europe/Berlin", catch_up="last")  # minute, hour, day, month, weekday

    Args:
        expression: minute, hour, day of the month, month, day of the week.
        timezone: in which it is read. A night on which clocks change neither loses nor doubles a tick.
        catch_up: what becomes of ticks that are missed (a minute late, since nobody was there to fire them). `"none"`
            of them is fired; the `"last"`, if no later one is on time; or `"all"`. A tick that is on time is always
            fired.
        catch_up_maximum: of all ticks that were missed, so many of the newest are fired.
        overlap: what becomes of a tick while an execution of the schedule has not ended (a parked one has not). It
            waits its turn, however many wait (`"queue"`); it is left out (`"skip"`); it takes the place of what runs,
            which is cancelled first (`"cancel"`); or it runs beside it (`"allow"`).
        jitter: delays each tick by up to so many seconds (or a timedelta), the same for a tick on every node. Ticks
            fire in their order, also where it is longer than the time between two.

    Raises:
        ConfigError: for what is no cron expression, time zone or policy.
    """

    def __init__(
        self,
        expression: str,
        timezone: str = "UTC",
        catch_up: str = "last",
        catch_up_maximum: int = MAX_CATCH_UP,
        overlap: str = "queue",
        jitter: timedelta | float = 0,
    ) -> None:
        if catch_up not in CATCH_UPS:
            raise ConfigError(f"`catch_up` of a schedule is one of {', '.join(CATCH_UPS)}, not {written(catch_up)}")
        if overlap not in OVERLAPS:
            raise ConfigError(f"`overlap` of a schedule is one of {', '.join(OVERLAPS)}, not {written(overlap)}")
        if isinstance(catch_up_maximum, bool) or not isinstance(catch_up_maximum, int) or catch_up_maximum < 1:
            raise ConfigError(
                f"`catch_up_maximum` of a schedule is a count of at least 1, not {written(catch_up_maximum)}"
            )
        if catch_up_maximum > CATCH_UP_LIMIT:
            raise ConfigError(
                f"`catch_up_maximum` of a schedule is at most {CATCH_UP_LIMIT}, not {written(catch_up_maximum)}"
            )
        jitter_seconds = seconds_of(jitter, "`jitter` of a schedule")
        if jitter_seconds > MAX_JITTER_SECONDS:
            raise ConfigError(f"`jitter` of a schedule is at most a day, not {written(jitter)}")
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
            let_out(error)
            message = (
                f"`{as_text(timezone)}` is not a time zone that this host knows; give a name such as `Europe/Berlin`"
            )
            raise ConfigError(f"{message}, or install `tzdata` where it knows none") from None
        if not isinstance(expression, str) or len(expression.split()) != 5:
            raise ConfigError(f"`{as_text(expression)}` is not a cron expression of five fields, such as `0 6 1 * *`")
        self.expression = expression
        self.timezone = timezone
        self.catch_up = catch_up
        self.catch_up_maximum = catch_up_maximum
        self.overlap = overlap
        self.jitter = timedelta(seconds=jitter_seconds)
        try:
            has_tick = self.next_tick(datetime(2000, 1, 1, tzinfo=UTC)) is not None
        except CronSimError as error:
            raise ConfigError(f"`{expression}` is not a cron expression: {error}") from None
        if not has_tick:
            raise ConfigError(f"the cron expression `{expression}` names a date that never comes")

    def next_tick(self, after: datetime) -> datetime | None:
        """The first tick later than `after`, in UTC; None when there is none any more."""
        try:
            for local in CronSim(self.expression, after.astimezone(self._zone)):
                tick = local.astimezone(UTC)
                if tick > after:
                    return tick
        except OverflowError:
            return None  # beyond the year 9999
        return None

    def ticks(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The first ticks later than `after` and not later than `until`, at most `limit`."""
        found: list[datetime] = []
        tick = self.next_tick(after)
        while tick is not None and tick <= until and len(found) < limit:
            found.append(tick)
            tick = self.next_tick(tick)
        return found

    def fires_at(self, tick: datetime, name: str = "") -> datetime:
        """The tick with its jitter; `name` is the schedule's, so that two of one expression part."""
        span_us = self.jitter // timedelta(microseconds=1)
        if not span_us:
            return tick
        digest = hashlib.sha256(f"{name}\0{tick_key(tick)}".encode()).digest()
        delay = timedelta(microseconds=int.from_bytes(digest[:8], "big") % (span_us + 1))
        return min(tick, datetime.max.replace(tzinfo=UTC) - delay) + delay

    def late_ticks(self, after: datetime, now: datetime, name: str = "") -> list[datetime]:
        """The ticks whose time has come unseen, the oldest first: all that are on time, and at least the newest
        `catch_up_maximum` of the others.

        Searched backwards, so that years without a node cost no more than a week.
        """
        window = FIRST_WINDOW + self.jitter
        while True:
            start = after if now - after <= window else now - window
            found = self._late_ticks_from(start, now, name)
            if start == after or len(found) >= self.catch_up_maximum:
                return found
            window *= 2

    def choose(self, late: list[datetime], now: datetime, name: str = "") -> list[datetime]:
        """Which late ticks are fired: each that is on time, and of those that were missed what `catch_up` says."""
        missed_count = sum(now - at >= PUNCTUAL for at in self._fire_times(late, name))
        missed, on_time = late[:missed_count], late[missed_count:]
        if self.catch_up == "none":
            return on_time
        if self.catch_up == "all":
            return missed[-self.catch_up_maximum :] + on_time
        return on_time or missed[-1:]

    def due_ticks(self, after: datetime, now: datetime, name: str = "") -> list[datetime]:
        """Which ticks to fire at `now` when all up to `after` have been seen to; the oldest first."""
        return self.choose(self.late_ticks(after, now, name), now, name)

    def _fire_times(self, ticks: list[datetime], name: str) -> Iterator[datetime]:
        """A tick waits for those before it, whose jitter may be longer: so the times never fall."""
        return accumulate((self.fires_at(tick, name) for tick in ticks), max)

    def _late_ticks_from(self, start: datetime, now: datetime, name: str) -> list[datetime]:
        """Up to the first whose time has not come: ticks are seen to in their order."""
        found: list[datetime] = []
        tick = self.next_tick(start)
        while tick is not None and tick <= now and self.fires_at(tick, name) <= now:
            found.append(tick)
            tick = self.next_tick(tick)
        return found

    def __repr__(self) -> str:
        return f"Cron({self.expression!r}, timezone={self.timezone!r}, catch_up={self.catch_up!r})"


def tick_key(tick: datetime) -> str:
    """Grows with the tick, as text, too."""
    return f"{KEY_PREFIX}{tick.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
