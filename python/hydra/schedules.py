"""When a schedule fires, and what becomes of each tick: cron in a time zone, catch-up, overlap. Pure: no clock, no I/O.

    due ticks ──catch-up──► chosen ──overlap──► queue ──nothing of the schedule runs──► execution under the tick's key
                  └ passed over    └ passed over

Ticks are instants in UTC, each later than the one before, so a night on which clocks change neither loses nor doubles
one: a time that such a night skips fires when the clocks have jumped, one that comes twice fires the first time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError

from hydra._core import uuid7
from hydra.clock import seconds_of
from hydra.codec import encode_call
from hydra.config import to_instant
from hydra.errors import ConfigError
from hydra.execution import Submission

CATCH_UPS = ("none", "last", "all")
OVERLAPS = ("queue", "skip", "cancel", "allow")
CATCH_UP_MAXIMUM = 100  # ticks fired after an outage with `catch_up="all"`, the newest ones; also of those that wait
CATCH_UP_LIMIT = 1_000  # that a schedule may ask for: they are submitted in one transaction
JITTER_SECONDS_MAXIMUM = 86_400
RUNNING_MAXIMUM = 100  # unfinished executions of one schedule that are kept in mind
PUNCTUAL = timedelta(minutes=1)  # a tick that late is not late
FIRST_WINDOW = timedelta(hours=1)  # of the time before now that is searched for ticks; doubled until it holds enough

KEY_PREFIX = "hydra.tick:"
SCHEDULE_TAG, TICK_TAG = "schedule", "tick"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cron:
    """`Cron("0 6 1 * *", timezone="Europe/Berlin", catch_up="last")`: minute, hour, day, month, weekday.

    catch_up says what becomes of the ticks that nobody was there to fire: "none" of them, the "last", or "all" of them
    (the newest `catch_up_maximum`).

    overlap says what becomes of a tick while an execution of the schedule has not ended: it waits its turn ("queue", at
    most `catch_up_maximum` wait), it is passed over ("skip"), it takes the place of what runs ("cancel": that one is
    cancelled, and the tick runs once it has ended), or it runs beside it ("allow").

    jitter delays each tick by up to so many seconds (or a timedelta), the same for a tick on every node.

    Raises ConfigError for what is no cron expression, time zone or policy.
    """

    def __init__(
        self,
        expression: str,
        timezone: str = "UTC",
        catch_up: str = "last",
        catch_up_maximum: int = CATCH_UP_MAXIMUM,
        overlap: str = "queue",
        jitter: timedelta | float = 0,
    ) -> None:
        if catch_up not in CATCH_UPS:
            raise ConfigError(f"`catch_up` of a schedule is one of {', '.join(CATCH_UPS)}, not {catch_up!r}.")
        if overlap not in OVERLAPS:
            raise ConfigError(f"`overlap` of a schedule is one of {', '.join(OVERLAPS)}, not {overlap!r}.")
        if isinstance(catch_up_maximum, bool) or not isinstance(catch_up_maximum, int) or catch_up_maximum < 1:
            raise ConfigError(f"`catch_up_maximum` of a schedule is a count of at least 1, not {catch_up_maximum!r}.")
        if catch_up_maximum > CATCH_UP_LIMIT:
            raise ConfigError(f"`catch_up_maximum` of a schedule is at most {CATCH_UP_LIMIT}, not {catch_up_maximum}.")
        jitter_seconds = seconds_of(jitter, "`jitter` of a schedule")
        if jitter_seconds > JITTER_SECONDS_MAXIMUM:
            raise ConfigError(f"`jitter` of a schedule is at most a day, not {jitter!r}.")
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
            message = f"`{timezone}` is not a time zone that this host knows; give a name such as `Europe/Berlin`"
            raise ConfigError(f"{message}, or install `tzdata` where it knows none.") from None
        if not isinstance(expression, str) or len(expression.split()) != 5:
            raise ConfigError(f"`{expression}` is not a cron expression of five fields, such as `0 6 1 * *`.")
        self.expression = expression
        self.timezone = timezone
        self.catch_up = catch_up
        self.catch_up_maximum = catch_up_maximum
        self.overlap = overlap
        self.jitter = timedelta(seconds=jitter_seconds)
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
        """The newest ticks whose time has come unseen, at most `catch_up_maximum`, the oldest first.

        Searched backwards, so that years without a node cost no more than a week.
        """
        window = FIRST_WINDOW + self.jitter
        while True:
            start = after if now - after <= window else now - window
            found = self._late_ticks_from(start, now, name)
            if start == after or len(found) >= self.catch_up_maximum:
                return found[-self.catch_up_maximum :]
            window *= 2

    def choose(self, late: list[datetime], now: datetime, name: str = "") -> list[datetime]:
        """Which late ticks are fired. One of this very minute is never late, so "none" leaves out only earlier ones."""
        if self.catch_up == "none":
            return [tick for tick in late if now - self.fires_at(tick, name) < PUNCTUAL]
        return late if self.catch_up == "all" else late[-1:]

    def due_ticks(self, after: datetime, now: datetime, name: str = "") -> list[datetime]:
        """Which ticks to fire at `now` when all up to `after` have been seen to; the oldest first."""
        return self.choose(self.late_ticks(after, now, name), now, name)

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


class ScheduleSpec(msgspec.Struct, frozen=True):
    """What a program's code says of a schedule, as the database keeps it: whoever fires it needs nobody's code."""

    expression: str
    timezone: str
    catch_up: str
    catch_up_maximum: int
    overlap: str
    jitter_us: int
    timeout_us: int | None  # the workflow's

    @classmethod
    def of(cls, cron: Cron, timeout_us: int | None) -> ScheduleSpec:
        jitter_us = cron.jitter // timedelta(microseconds=1)
        policies = (cron.catch_up, cron.catch_up_maximum, cron.overlap)
        return cls(cron.expression, cron.timezone, *policies, jitter_us, timeout_us)

    def cron(self) -> Cron:
        jitter = timedelta(microseconds=self.jitter_us)
        return Cron(self.expression, self.timezone, self.catch_up, self.catch_up_maximum, self.overlap, jitter)


class ScheduleProgress(msgspec.Struct, frozen=True):
    """How far a schedule has come, beside its mark."""

    queued: list[int] = []  # ticks that wait for what runs; the oldest first
    running: list[str] = []  # executions that had not ended when somebody last looked
    last_tick_at: int | None = None  # the newest tick that became an execution
    last_execution_id: str | None = None
    skipped_count: int = 0  # ticks passed over by catch-up or overlap, as far as they were counted


class ScheduleState(msgspec.Struct, frozen=True):
    """One schedule's row. Its name is its workflow's. Each change raises `revision`; `mark_at` only grows (R25)."""

    name: str
    spec: ScheduleSpec
    revision: int
    mark_at: int  # every tick up to it has been seen to
    next_at: int | None  # the first tick behind the mark
    paused_at: int | None
    progress: ScheduleProgress
    is_served: bool  # a living node has it in its code


class ScheduleEntry(msgspec.Struct, frozen=True):
    """What a node registers. Its mark holds where the spec is new, on the row of that revision (0: there is none)."""

    name: str
    spec: ScheduleSpec
    revision: int
    mark_at: int
    next_at: int | None


class ScheduleChange(msgspec.Struct, frozen=True):
    """What one transaction writes of one schedule, if its row still has `revision`; else nothing of it happens."""

    name: str
    revision: int
    mark_at: int
    next_at: int | None
    paused_at: int | None
    progress: ScheduleProgress
    submissions: list[Submission] = []
    cancels: list[str] = []


def register(name: str, spec: ScheduleSpec, known: ScheduleState | None, now: int) -> ScheduleEntry:
    """What a node's code makes of the row: new ticks count from now; old ones that are due were fired before."""
    if known is None:
        return ScheduleEntry(name, spec, 0, now, next_after(spec.cron(), now))
    if is_same_time(known.spec, spec):
        return ScheduleEntry(name, spec, known.revision, known.mark_at, known.next_at)
    mark_at = max(known.mark_at, now)
    return ScheduleEntry(name, spec, known.revision, mark_at, next_after(spec.cron(), mark_at))


def fire(state: ScheduleState, unfinished: Collection[str], now: int) -> ScheduleChange | None:
    """What happens to a schedule at `now`, given which executions have not ended; None: nothing."""
    if state.paused_at is not None:
        return None
    cron, before = state.spec.cron(), state.progress
    here = to_datetime(now)
    late = cron.late_ticks(to_datetime(state.mark_at), here, state.name)
    chosen = [to_instant(tick) for tick in cron.choose(late, here, state.name)]
    running = [id for id in before.running if id in unfinished]
    queued, cancels = before.queued, []
    match cron.overlap:
        case "queue" | "allow":
            queued = queued + chosen
        case "skip":
            queued = queued if queued or running else chosen
        case "cancel" if chosen:
            queued, cancels = chosen[-1:], running
    fired: list[int] = []
    if cron.overlap == "allow":
        fired, queued, running = queued, [], []
    elif queued and not running:
        fired, queued = queued[:1], queued[1:]
    queued = queued[-cron.catch_up_maximum :]
    if not late and not fired:
        return None
    submissions = [tick_submission(state, tick_at) for tick_at in fired]
    if cron.overlap != "allow":
        running = [*running, *(submission.id for submission in submissions)][-RUNNING_MAXIMUM:]
    mark_at = to_instant(late[-1]) if late else state.mark_at
    progress = ScheduleProgress(
        queued,
        running,
        max(fired[-1], before.last_tick_at or 0) if fired else before.last_tick_at,
        submissions[-1].id if submissions else before.last_execution_id,
        before.skipped_count + len(late) + len(before.queued) - len(fired) - len(queued),
    )
    next_at = next_after(cron, mark_at)
    return ScheduleChange(state.name, state.revision, mark_at, next_at, None, progress, submissions, cancels)


def pause(state: ScheduleState, now: int) -> ScheduleChange | None:
    """None: it is paused already. What runs goes on; what waits its turn, waits."""
    if state.paused_at is not None:
        return None
    return ScheduleChange(state.name, state.revision, state.mark_at, state.next_at, now, state.progress)


def resume(state: ScheduleState, now: int) -> ScheduleChange | None:
    """None: it is not paused. The ticks of the pause are passed over; a backfill runs them."""
    if state.paused_at is None:
        return None
    mark_at = max(state.mark_at, now)
    next_at = next_after(state.spec.cron(), mark_at)
    return ScheduleChange(state.name, state.revision, mark_at, next_at, None, state.progress)


def trigger(state: ScheduleState, id: str) -> ScheduleChange:
    """One more execution, at once, which is no tick; ticks heed it as they heed each other."""
    progress = state.progress
    if state.spec.overlap != "allow":
        progress = msgspec.structs.replace(progress, running=[*progress.running, id][-RUNNING_MAXIMUM:])
    submission = _submission(state, id, None, {SCHEDULE_TAG: state.name})
    return ScheduleChange(
        state.name, state.revision, state.mark_at, state.next_at, state.paused_at, progress, [submission]
    )


def looks_at(state: ScheduleState) -> int | None:
    """When the next tick fires, with its jitter; None: time alone makes nothing happen.

    Computed from the mark, since the rules of a time zone may have changed after `next_at` was written.
    """
    if state.paused_at is not None:
        return None
    cron = state.spec.cron()
    tick = cron.next_tick(to_datetime(state.mark_at))
    return None if tick is None else to_instant(cron.fires_at(tick, state.name))


def tick_submission(state: ScheduleState, tick_at: int) -> Submission:
    """The execution of a tick. Its key is the tick in UTC, so there is never a second one (R24, R25)."""
    tick = to_datetime(tick_at)
    tags = {SCHEDULE_TAG: state.name, TICK_TAG: tick.isoformat()}
    return _submission(state, uuid7(), tick_key(tick), tags)


def tick_key(tick: datetime) -> str:
    """Grows with the tick, as text, too."""
    return f"{KEY_PREFIX}{tick.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def is_same_time(one: ScheduleSpec, other: ScheduleSpec) -> bool:
    """Whether both have the same ticks."""
    return (one.expression, one.timezone) == (other.expression, other.timezone)


def next_after(cron: Cron, instant: int) -> int | None:
    tick = cron.next_tick(to_datetime(instant))
    return None if tick is None else to_instant(tick)


def to_datetime(instant: int) -> datetime:
    return EPOCH + timedelta(microseconds=instant)


def _submission(state: ScheduleState, id: str, key: str | None, tags: dict[str, str]) -> Submission:
    input, digest = encode_call((), {})
    return Submission(id, state.name, input, digest, key, timeout_us=state.spec.timeout_us, tags=tags)
