"""What a schedule does next, decided from its row alone: registered, fired, paused, resumed, triggered. Pure.

due ticks ──catch-up──► chosen ──overlap──► queue ──nothing of the schedule runs──► execution under the tick's key
              └ passed over    └ passed over
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

import msgspec

from hydra.codec import encode_call
from hydra.cron import CATCH_UP_LIMIT, Cron, tick_key
from hydra.execution import Submission
from hydra.tick_queue import TickRange, add_ticks, count_ticks, next_after, take_ticks, to_datetime, to_instant

MAX_RUNNING = 100  # unfinished executions of one schedule that are kept in mind

SCHEDULE_TAG, TICK_TAG = "schedule", "tick"


class ScheduleSpec(msgspec.Struct, frozen=True):
    """What a program's code says of a schedule, as the database keeps it: whoever fires it needs nobody's code."""

    expression: str
    timezone: str
    catch_up: str
    catch_up_maximum: int
    overlap: str
    jitter_us: int
    timeout_us: int | None  # the workflow's
    app: str = ""  # the module that `hydra start` was given; none for a worker in a program of its own
    limit_keys: tuple[str, ...] | None = None  # of each of its executions
    attributes: tuple[tuple[str, bytes], ...] = ()  # with which each begins

    @classmethod
    def of(
        cls,
        cron: Cron,
        timeout_us: int | None,
        app: str = "",
        limit_keys: tuple[str, ...] | None = None,
        attributes: dict[str, bytes] | None = None,
    ) -> ScheduleSpec:
        jitter_us = cron.jitter // timedelta(microseconds=1)
        policies = (cron.catch_up, cron.catch_up_maximum, cron.overlap)
        found = tuple(sorted((attributes or {}).items()))
        return cls(cron.expression, cron.timezone, *policies, jitter_us, timeout_us, app, limit_keys, found)

    def cron(self) -> Cron:
        return _cron_of(self)


@lru_cache(maxsize=1024)
def _cron_of(spec: ScheduleSpec) -> Cron:
    jitter = timedelta(microseconds=spec.jitter_us)
    return Cron(spec.expression, spec.timezone, spec.catch_up, spec.catch_up_maximum, spec.overlap, jitter)


class ScheduleProgress(msgspec.Struct, frozen=True):
    """How far a schedule has come, beside its mark."""

    queue: list[TickRange] = []  # ticks that wait for what runs; the oldest first
    running: list[str] = []  # executions that had not ended when somebody last looked
    last_tick_at: int | None = None  # the newest tick that became an execution
    last_execution_id: str | None = None
    skipped_count: int = 0  # ticks passed over by catch-up or overlap, as far as they were counted
    retired_at: int | None = None  # since when its app, which lives, has it in its code no more


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


def fire(state: ScheduleState, unfinished: Collection[str], now: int, namespace: str) -> ScheduleChange | None:
    """What happens to a schedule at `now`, given which executions have not ended; None: nothing."""
    if state.paused_at is not None:
        return None
    if state.progress.retired_at is not None:
        return _come_back(state, now)
    cron, before = state.spec.cron(), state.progress
    here = to_datetime(now)
    late = cron.late_ticks(to_datetime(state.mark_at), here, state.name)
    chosen = [to_instant(tick) for tick in cron.choose(late, here, state.name)]
    running = [id for id in before.running if id in unfinished]
    queue, cancels = before.queue, []
    match cron.overlap:
        case "queue" | "allow":
            queue = add_ticks(queue, chosen, cron)
        case "skip" if not queue and not running:
            queue = add_ticks(queue, chosen, cron)
        case "cancel" if chosen:
            queue, cancels = add_ticks([], chosen[-1:], cron), running
    fired: list[int] = []
    if cron.overlap == "allow":
        fired, queue = take_ticks(queue, CATCH_UP_LIMIT)
    elif not running:
        fired, queue = take_ticks(queue, 1)
    if not late and not fired:
        return None
    submissions = [tick_submission(state, tick_at, namespace) for tick_at in fired]
    if cron.overlap == "allow":
        running = []
    else:
        running = [*running, *(submission.id for submission in submissions)][-MAX_RUNNING:]
    mark_at = to_instant(late[-1]) if late else state.mark_at
    progress = ScheduleProgress(
        queue,
        running,
        max(fired[-1], before.last_tick_at or 0) if fired else before.last_tick_at,
        submissions[-1].id if submissions else before.last_execution_id,
        before.skipped_count + len(late) + count_ticks(before.queue) - len(fired) - count_ticks(queue),
    )
    return ScheduleChange(
        state.name, state.revision, mark_at, next_after(cron, mark_at), None, progress, submissions, cancels
    )


def retire(state: ScheduleState, app: str, names: Collection[str], now: int) -> ScheduleChange | None:
    """A living node of `app`, whose code has the schedules `names`, finds that one of its app is served by nobody: it
    was taken out of the code. None: it was not. What waits goes on waiting, should it come back."""
    is_known = state.is_served or state.name in names or state.progress.retired_at is not None
    if is_known or not app or state.spec.app != app:
        return None
    progress = msgspec.structs.replace(state.progress, retired_at=now)
    return ScheduleChange(state.name, state.revision, state.mark_at, state.next_at, state.paused_at, progress)


def pause(state: ScheduleState, now: int) -> ScheduleChange | None:
    """None: it is paused already. What runs goes on; what waits its turn, waits."""
    if state.paused_at is not None:
        return None
    return ScheduleChange(state.name, state.revision, state.mark_at, state.next_at, now, state.progress)


def resume(state: ScheduleState, now: int) -> ScheduleChange | None:
    """None: it is not paused. The ticks of the pause are passed over; a backfill runs them."""
    if state.paused_at is None:
        return None
    return _go_on_from(state, now)


def trigger(state: ScheduleState, id: str) -> ScheduleChange:
    """One more execution, at once, which is no tick; ticks treat it as they treat each other."""
    progress = state.progress
    if state.spec.overlap != "allow":
        progress = msgspec.structs.replace(progress, running=[*progress.running, id][-MAX_RUNNING:])
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


def tick_submission(state: ScheduleState, tick_at: int, namespace: str) -> Submission:
    """The execution of a tick. Its key is the tick in UTC, so there is never a second one (R24, R25). Its id follows
    from the tick, too: whoever comes second, a node or a backfill, names the execution that is there."""
    tick = to_datetime(tick_at)
    key = tick_key(tick)
    tags = {SCHEDULE_TAG: state.name, TICK_TAG: tick.isoformat()}
    return _submission(state, _tick_id(namespace, state.name, key, tick_at), key, tags)


def is_same_time(one: ScheduleSpec, other: ScheduleSpec) -> bool:
    """Whether both have the same ticks."""
    return (one.expression, one.timezone) == (other.expression, other.timezone)


def _come_back(state: ScheduleState, now: int) -> ScheduleChange:
    """It is in its app's code again: the ticks of the time between are passed over, as those of a pause are."""
    progress = msgspec.structs.replace(state.progress, retired_at=None)
    return _go_on_from(msgspec.structs.replace(state, progress=progress), now)


def _go_on_from(state: ScheduleState, now: int) -> ScheduleChange:
    mark_at = max(state.mark_at, now)
    next_at = next_after(state.spec.cron(), mark_at)
    return ScheduleChange(state.name, state.revision, mark_at, next_at, None, state.progress)


def _tick_id(namespace: str, name: str, key: str, tick_at: int) -> str:
    """A UUIDv7 of the tick's time (RFC 9562, section 5.7), with a digest in the place of chance."""
    digest = hashlib.sha256("\0".join((namespace, name, key)).encode()).digest()
    id = bytearray((tick_at // 1000).to_bytes(6, "big") + digest[:10])
    id[6] = id[6] & 0x0F | 0x70
    id[8] = id[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(id)))


def _submission(state: ScheduleState, id: str, key: str | None, tags: dict[str, str]) -> Submission:
    input, digest = encode_call((), {})
    spec = state.spec
    return Submission(
        id,
        state.name,
        input,
        digest,
        key,
        timeout_us=spec.timeout_us,
        tags=tags,
        limit_keys=spec.limit_keys,
        attributes=dict(spec.attributes) or None,
    )
