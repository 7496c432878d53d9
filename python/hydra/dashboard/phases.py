"""What an execution did with its time: queued, ran, backed off, slept, waited. Pure.

    submitted ─queue─ claim 1 ─run─ ended: sleeping ─sleep─ due ─queue─ claim 2 ─run─ ended: completed

What is short is slept or waited for within a claim: there it rests while a record says so and no step runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from hydra.client.views import Attempt, Execution, to_datetime
from hydra.execution import BREAKER, FINAL, Ending, Record, RecordKind, Status, next_try_at

QUEUE, RUN, BACK_OFF, SLEEP, WAIT, PARKED, DELAY = "queue", "run", "back-off", "sleep", "wait", "parked", "delay"
FOREVER = datetime.max.replace(tzinfo=UTC)
MAX_RECORDS = 5_000  # that are looked at for rests
_TRIES = (RecordKind.STEP, RecordKind.TRY, RecordKind.FAILURE, RecordKind.CRASH)
_AFTER = {
    Ending.RETRY: BACK_OFF,
    Ending.SLEEPING: SLEEP,
    Ending.WAITING: WAIT,
    Ending.PARKED: PARKED,
}


class Phase(msgspec.Struct, frozen=True):
    kind: str
    began_at: datetime
    ended_at: datetime
    detail: str = ""

    @property
    def seconds(self) -> float:
        return (self.ended_at - self.began_at).total_seconds()


def phases(execution: Execution, attempts: Sequence[Attempt], records: Sequence[Record], now: datetime) -> list[Phase]:
    """From its submission until its end, or until now, without gaps."""
    end = execution.finished_at or max(now, execution.submitted_at)
    found: list[Phase] = []
    at = execution.submitted_at
    kind, due_at, detail = QUEUE, None, ""
    rests = rests_of(records)
    if not attempts and execution.run_at > execution.submitted_at:
        kind, due_at = DELAY, execution.run_at
    for attempt in attempts:
        found += _between(kind, at, attempt.claimed_at, due_at, detail)
        stopped_at = attempt.ended_at or end
        worker = "" if attempt.worker is None else f", worker {attempt.worker}"
        how = f", {attempt.ending}" if attempt.ending else ""
        where = f"claim {attempt.epoch} of node {attempt.node}{worker}{how}"
        found += [Phase(of, *span, where) for of, span in within(attempt.claimed_at, stopped_at, rests)]
        at, detail = stopped_at, attempt.detail
        kind, due_at = _after(attempt, records)
    if execution.status not in FINAL or at < end:
        if execution.status is Status.PENDING and execution.wake_at is not None and kind != DELAY:
            due_at = execution.wake_at
        if attempts and attempts[-1].ended_at is None:
            return [each for each in found if each.seconds > 0]
        found += _between(kind, at, end, due_at, detail)
    return [each for each in found if each.seconds > 0]


class Span(NamedTuple):
    began_at: datetime
    ended_at: datetime


def rests_of(records: Sequence[Record]) -> list[tuple[str, Span]]:
    """When it rested, by its records, and when steps ran."""
    over: dict[tuple[str, str, int], datetime] = {
        (each.branch, each.name, each.ordinal): to_datetime(each.finished_at)
        for each in records
        if each.kind in (RecordKind.EVENT, RecordKind.EXPIRY)
    }
    found: list[tuple[str, Span]] = []
    for each in records[:MAX_RECORDS]:
        began_at, ended_at = to_datetime(each.started_at), to_datetime(each.finished_at)
        if each.kind in _TRIES:
            found.append((RUN, Span(began_at, ended_at)))
        if each.kind == RecordKind.TRY and (due_at := next_try_at(each)):
            found.append((BACK_OFF, Span(ended_at, to_datetime(due_at))))
        elif each.kind == RecordKind.SLEEP:
            found.append((SLEEP, Span(began_at, to_datetime(each.due_at))))
        elif each.kind == RecordKind.WAIT:
            found.append((WAIT, Span(began_at, over.get((each.branch, each.name, each.ordinal), FOREVER))))
    return found


def within(began_at: datetime, ended_at: datetime, rests: Sequence[tuple[str, Span]]) -> list[tuple[str, Span]]:
    """What it did during a claim, in order: it runs, but where it only rests."""
    turns: list[tuple[datetime, int, str]] = []
    for kind, span in rests:
        first, last = max(span.began_at, began_at), min(span.ended_at, ended_at)
        if first < last:
            turns += [(first, 1, kind), (last, -1, kind)]
    counts = dict.fromkeys((RUN, BACK_OFF, SLEEP, WAIT), 0)
    found: list[tuple[str, Span]] = []
    at = began_at
    for turn, change, of in [*sorted(turns), (ended_at, 0, RUN)]:
        if turn > at:
            kind = next((each for each, count in counts.items() if count), RUN)
            if found and found[-1][0] == kind:
                found[-1] = (kind, Span(found[-1][1].began_at, turn))
            else:
                found.append((kind, Span(at, turn)))
            at = turn
        counts[of] += change
    return found


def totals(found: Sequence[Phase]) -> dict[str, float]:
    """Seconds by kind, in the order in which they first came."""
    sums: dict[str, float] = {}
    for each in found:
        sums[each.kind] = sums.get(each.kind, 0.0) + each.seconds
    return sums


def _after(attempt: Attempt, records: Sequence[Record]) -> tuple[str, datetime | None]:
    """What a claim's end began, and when that was due to be over, where a record says so."""
    kind = _AFTER.get(Ending(attempt.ending), QUEUE) if attempt.ending in tuple(Ending) else QUEUE
    if kind != SLEEP or attempt.ended_at is None:
        return kind, None
    if attempt.detail.startswith(BREAKER):
        return BACK_OFF, None
    dues = [
        (to_datetime(at), record.kind)
        for record in records
        if (at := next_try_at(record)) and to_datetime(record.finished_at) <= attempt.ended_at < to_datetime(at)
    ]
    if not dues:
        return kind, None
    woken_at, of = min(dues)  # what woke it came first
    return (BACK_OFF if of == RecordKind.TRY else SLEEP), woken_at


def _between(kind: str, began_at: datetime, ended_at: datetime, due_at: datetime | None, detail: str) -> list[Phase]:
    """It was due at some time, and queued from then on."""
    if due_at is None or due_at >= ended_at or kind == QUEUE:
        return [Phase(kind, began_at, ended_at, detail)]
    turn = max(began_at, due_at)
    return [Phase(kind, began_at, turn, detail), Phase(QUEUE, turn, ended_at)]
