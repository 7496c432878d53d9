"""Ticks of a schedule that wait for an execution to end, however many: as ranges, not one by one.

A schedule whose execution is parked for a month has tens of thousands waiting. Those that follow each other on one cron
expression are one range, so the row stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from hydra.cron import Cron

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US, _LAST_US = (
    (end.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) for end in (datetime.min, datetime.max)
)


class TickRange(msgspec.Struct, frozen=True):
    """`count` ticks of one cron expression, each the next after the one before; instants in microseconds."""

    first_at: int
    last_at: int
    count: int
    expression: str
    timezone: str

    def cron(self) -> Cron:
        return Cron(self.expression, self.timezone)


def count_ticks(queue: Sequence[TickRange]) -> int:
    return sum(each.count for each in queue)


def add_ticks(queue: Sequence[TickRange], ticks: Sequence[int], cron: Cron) -> list[TickRange]:
    """These ticks of `cron` wait behind the others."""
    ranges = list(queue)
    for tick_at in ticks:
        last = ranges[-1] if ranges else None
        if last is not None and _is_next(last, tick_at, cron):
            ranges[-1] = msgspec.structs.replace(last, last_at=tick_at, count=last.count + 1)
        else:
            ranges.append(TickRange(tick_at, tick_at, 1, cron.expression, cron.timezone))
    return ranges


def take_ticks(queue: Sequence[TickRange], limit: int) -> tuple[list[int], list[TickRange]]:
    """The first ticks of the queue, at most `limit`, and what is left of it."""
    taken: list[int] = []
    ranges = list(queue)
    while ranges and len(taken) < limit:
        head = ranges.pop(0)
        taken.append(head.first_at)
        if (rest := _without_first(head)) is not None:
            ranges.insert(0, rest)
    return taken, ranges


def next_after(cron: Cron, instant: int) -> int | None:
    """The first tick later than `instant`; None when there is none any more."""
    tick = cron.next_tick(to_datetime(instant))
    return None if tick is None else to_instant(tick)


def to_datetime(instant: int) -> datetime:
    """Exactly; a float of microseconds would lose some. What lies beyond the years 1 to 9999 is shown as their first or
    last instant."""
    return EPOCH + timedelta(microseconds=max(_FIRST_US, min(instant, _LAST_US)))


def to_instant(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _is_next(last: TickRange, tick_at: int, cron: Cron) -> bool:
    is_same = (last.expression, last.timezone) == (cron.expression, cron.timezone)
    return is_same and next_after(cron, last.last_at) == tick_at


def _without_first(head: TickRange) -> TickRange | None:
    """None when that was all, also where the rules of the time zone have changed since and leave fewer."""
    if head.count == 1:
        return None
    next_at = next_after(head.cron(), head.first_at)
    if next_at is None or next_at > head.last_at:
        return None
    return msgspec.structs.replace(head, first_at=next_at, count=head.count - 1)
