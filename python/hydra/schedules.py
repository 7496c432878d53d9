"""When a schedule fires: a cron expression in a time zone, which ticks are due after an outage. Pure: no clock, no I/O.

Ticks are instants in UTC, each later than the one before, so a night on which clocks change neither loses nor doubles
one: a time that such a night skips fires when the clocks have jumped, one that comes twice fires the first time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from hydra.errors import ConfigError

CATCH_UPS = ("none", "last", "all")
CATCH_UP_MAXIMUM = 100  # ticks fired after an outage with `catch_up="all"`, the newest ones


class Cron:
    """`Cron("0 6 1 * *", timezone="Europe/Berlin", catch_up="last")`: minute, hour, day, month, weekday.

    catch_up says what becomes of the ticks that nobody was there to fire: "none" of them, the "last", or "all" of them.
    """

    def __init__(
        self,
        expression: str,
        timezone: str = "UTC",
        catch_up: str = "last",
        catch_up_maximum: int = CATCH_UP_MAXIMUM,
    ) -> None:
        if catch_up not in CATCH_UPS:
            raise ConfigError(f"`catch_up` of a schedule is one of {', '.join(CATCH_UPS)}, not {catch_up!r}.")
        if not isinstance(catch_up_maximum, int) or catch_up_maximum < 1:
            raise ConfigError(f"`catch_up_maximum` of a schedule is a count of at least 1, not {catch_up_maximum!r}.")
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
            raise ConfigError(f"`{timezone}` is not a time zone; give a name such as `Europe/Berlin`.") from None
        if not isinstance(expression, str) or len(expression.split()) != 5:
            raise ConfigError(f"`{expression}` is not a cron expression of five fields, such as `0 6 1 * *`.")
        self.expression = expression
        self.timezone = timezone
        self.catch_up = catch_up
        self.catch_up_maximum = catch_up_maximum
        try:
            has_tick = self.next_tick(datetime(2000, 1, 1, tzinfo=UTC)) is not None
        except CronSimError as error:
            raise ConfigError(f"`{expression}` is not a cron expression: {error}.") from None
        if not has_tick:
            raise ConfigError(f"the cron expression `{expression}` names a date that never comes.")

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

    def due_ticks(self, after: datetime, now: datetime) -> list[datetime]:
        """Which ticks to fire at `now` when all up to `after` have been seen to; the oldest first.

        The tick of this very minute is never late, so "none" leaves out only those of earlier minutes.
        """
        due: list[datetime] = []
        tick = self.next_tick(after)
        while tick is not None and tick <= now:
            due.append(tick)
            if len(due) > self.catch_up_maximum:
                del due[0]
            tick = self.next_tick(tick)
        if self.catch_up == "none":
            return [tick for tick in due if (now - tick).total_seconds() < 60]
        return due if self.catch_up == "all" else due[-1:]

    def __repr__(self) -> str:
        return f"Cron({self.expression!r}, timezone={self.timezone!r}, catch_up={self.catch_up!r})"
