"""What a person orders of schedules: pause, resume, trigger now, backfill. Each is a change of the row as it was read.

A row that somebody else changed meanwhile is read again: nothing is decided on an older one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from hydra import schedules
from hydra._core import uuid7
from hydra.client.acting import author
from hydra.client.session import EngineSession
from hydra.client.views import to_optional_datetime
from hydra.config import to_instant
from hydra.errors import ConfigError, NotFound, StoreUnavailable
from hydra.schedules import ScheduleChange, ScheduleState
from hydra.stores.acts import Act, ActKind
from hydra.tick_queue import count_ticks, to_datetime
from hydra.written import written

ORDER_TRIES = 20
MAX_BACKFILL = 10_000  # ticks of one backfill
BACKFILL_CHUNK_SIZE = 500  # submitted in one transaction


class Schedule(msgspec.Struct, frozen=True):
    """A schedule as a user sees it. `name` is its workflow's; `next_at` and `last_at` are ticks, without their jitter.

    state: "active"; "paused"; "unserved": no living node has it in its code, so none fires it; "ended": no tick comes.
    """

    name: str
    state: str
    expression: str
    timezone: str
    catch_up: str
    overlap: str
    jitter: timedelta
    next_at: datetime | None
    last_at: datetime | None
    last_execution_id: str | None
    queued_count: int  # ticks that wait for an execution to end
    skipped_count: int  # ticks that catch-up or overlap passed over, as far as they were counted
    paused_at: datetime | None


def schedule_view(state: ScheduleState) -> Schedule:
    spec, progress = state.spec, state.progress
    return Schedule(
        name=state.name,
        state=_state_word(state),
        expression=spec.expression,
        timezone=spec.timezone,
        catch_up=spec.catch_up,
        overlap=spec.overlap,
        jitter=timedelta(microseconds=spec.jitter_us),
        next_at=to_optional_datetime(None if state.paused_at is not None else state.next_at),
        last_at=to_optional_datetime(progress.last_tick_at),
        last_execution_id=progress.last_execution_id,
        queued_count=count_ticks(progress.queue),
        skipped_count=progress.skipped_count,
        paused_at=to_optional_datetime(state.paused_at),
    )


def pause(session: EngineSession, name: str) -> None:
    _change(session, name, schedules.pause, "paused")


def resume(session: EngineSession, name: str) -> None:
    _change(session, name, schedules.resume, "resumed")


def trigger(session: EngineSession, name: str) -> str:
    """The id of the new execution; the same in each try (R17)."""
    id = uuid7()
    try:
        _change(session, name, lambda state, now: schedules.trigger(state, id), f"triggered, as `{id}`")
    except StoreUnavailable as error:
        error.execution_id = id
        raise
    return id


def backfill(
    session: EngineSession, name: str, start: datetime, end: datetime, progress: Callable[[int, int], object] | None
) -> list[str]:
    """Ids of the executions that are new, one for each tick that had none. `progress` gets ticks done, ticks in all."""
    state = _find(session, name)
    ticks = _ticks_to_fill(state, start, end)
    if ticks:
        detail = f"schedule `{name}`: backfilled, {len(ticks)} ticks from {start.isoformat()} to {end.isoformat()}"
        line = author().act_on_namespace(ActKind.SCHEDULE, session.now(), detail)
        session.run_again(lambda: session.store.add_acts([line]))  # before its effect: that takes many transactions
    created: list[str] = []
    for first in range(0, len(ticks), BACKFILL_CHUNK_SIZE):
        chunk = ticks[first : first + BACKFILL_CHUNK_SIZE]
        submissions = [schedules.tick_submission(state, at, session.store.namespace) for at in chunk]
        created += [answer.id for answer in session.submit_many(submissions) if answer.created]
        if progress is not None:
            progress(min(first + BACKFILL_CHUNK_SIZE, len(ticks)), len(ticks))
    return created


def _ticks_to_fill(state: ScheduleState, start: datetime, end: datetime) -> Sequence[int]:
    """Of the range, those the schedule has come past: what lies before it, it fires by itself."""
    first, last = (_zoned(moment, state.spec.timezone) for moment in (start, end))
    if first > last:
        raise ConfigError(f"the backfill ends at {end.isoformat()}, before it starts at {start.isoformat()}")
    until = min(last, to_datetime(state.mark_at))
    found = state.spec.cron().ticks(first - timedelta(microseconds=1), until, MAX_BACKFILL + 1)
    if len(found) > MAX_BACKFILL:
        message = f"schedule `{state.name}` has more than {MAX_BACKFILL} ticks in that time"
        raise ConfigError(f"{message}; backfill it in parts")
    return [to_instant(tick) for tick in found]


def _zoned(moment: datetime, timezone: str) -> datetime:
    """A time without a zone is one on the schedule's own clock."""
    if not isinstance(moment, datetime):
        raise ConfigError(f"`{written(moment)}` is not a time; give a datetime")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(timezone))


def _change(
    session: EngineSession, name: str, decide: Callable[[ScheduleState, int], ScheduleChange | None], said: str
) -> None:
    by = author()
    for _ in range(ORDER_TRIES):
        now = session.now()
        change = decide(_find(session, name), now)
        line = by.act_on_namespace(ActKind.SCHEDULE, now, f"schedule `{name}`: {said}")
        if change is None or _write(session, change, line):
            return
    raise StoreUnavailable(f"schedule `{name}` was changed by others {ORDER_TRIES} times in a row; try again")


def _write(session: EngineSession, change: ScheduleChange, line: Act) -> bool:
    def work() -> bool:
        (is_written,) = session.store.change_schedules([change], session.now())
        if is_written:
            session.store.add_acts([line])
        return is_written

    return session.run(lambda: session.store.together(work))


def _find(session: EngineSession, name: str) -> ScheduleState:
    known = {state.name: state for state in session.store.schedules()}
    if name in known:
        return known[name]
    others = f"known are {', '.join(f'`{other}`' for other in known)}" if known else "none was registered yet"
    raise NotFound(f"no schedule `{name}` in namespace `{session.store.namespace}`: {others}")


def _state_word(state: ScheduleState) -> str:
    if state.paused_at is not None:
        return "paused"
    if not state.is_served:
        return "unserved"
    return "active" if state.next_at is not None or state.progress.queue else "ended"
