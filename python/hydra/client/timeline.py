"""What happened to an execution, in order: submitted, claimed, each try of each step, waits, crashes, the end. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hydra.body.versions import VERSION
from hydra.client.act_orders import ActView
from hydra.client.awaited import awaited_of, set_aside_of
from hydra.client.views import Attempt, BulkView, Execution, StepView, bulk_views, error_line, to_datetime
from hydra.codec import decode_plain
from hydra.execution import (
    PARKED_ATTEMPT,
    PARKED_TRIES,
    SET_ASIDE_PREFIX,
    Ending,
    Record,
    RecordKind,
    is_postponed,
    is_unjudged,
)
from hydra.records.map_outcomes import CHUNK_PREFIX
from hydra.values.printed import printed

MAX_VALUE_LENGTH = 200
UNKNOWN = "which steps were under way is not known here"  # another host's pages cannot be read


class Entry(msgspec.Struct, frozen=True):
    at: datetime
    what: str
    took: timedelta | None = None
    detail: str = ""


def timeline(
    execution: Execution,
    records: Sequence[Record],
    attempts: Sequence[Attempt],
    steps: Sequence[StepView] = (),
    acts: Sequence[ActView] = (),
) -> list[Entry]:
    entries = [Entry(execution.submitted_at, "submitted", detail=f"key `{execution.key}`" if execution.key else "")]
    for attempt in attempts:
        entries += claim_entries(attempt, records)
    entries += [_record_entry(record) for record in records if not record.name.startswith(CHUNK_PREFIX)]
    entries += [_bulk_entry(bulk, records) for bulk in bulk_views(records)]
    entries += [_progress_entry(step) for step in steps if step.progress_at is not None and step.status == "running"]
    entries += [_act_entry(act) for act in acts]
    if execution.finished_at is not None:
        took = execution.finished_at - execution.submitted_at
        entries.append(Entry(execution.finished_at, str(execution.status), took, execution.reason))
    return sorted(entries, key=lambda entry: entry.at)


def _act_entry(act: ActView) -> Entry:
    said = (f"by {act.done_by}", act.reason and f"because {act.reason}", act.detail)
    return Entry(act.done_at, act.kind, detail="; ".join(filter(None, said)))


def _bulk_entry(bulk: BulkView, records: Sequence[Record]) -> Entry:
    """All chunks of a map in one line, where the last of them stands."""
    of_map = [record for record in records if record.branch == bulk.branch and record.kind == RecordKind.VALUE]
    began_at, at = to_datetime(of_map[0].started_at), to_datetime(of_map[-1].finished_at)
    return Entry(at, f"map of step {bulk.step} in branch {bulk.branch}", at - began_at, progress_line(bulk))


def progress_line(bulk: BulkView) -> str:
    """`412,000 of 1,000,000 items (41 %), 3 failed, 1,900/s, ends at …`"""
    percent = 100 * bulk.done_count // bulk.item_count if bulk.item_count else 100
    said = [f"{bulk.done_count:,} of {bulk.item_count:,} items ({percent} %)"]
    if bulk.failed_count:
        said.append(f"{bulk.failed_count:,} failed")
    if bulk.retrying_count:
        said.append(f"{bulk.retrying_count:,} to be tried again")
    if bulk.done_count < bulk.item_count and bulk.items_per_second is not None and bulk.ends_at is not None:
        said.append(f"{bulk.items_per_second:,.0f}/s, ends at about {bulk.ends_at:%Y-%m-%d %H:%M:%S}")
    return ", ".join(said)


def claim_entries(attempt: Attempt, records: Sequence[Record]) -> list[Entry]:
    worker = "" if attempt.worker is None else f", worker {attempt.worker}"
    detail = f"node {attempt.node}{worker}"
    entries = [Entry(attempt.claimed_at, f"claim {attempt.epoch} (attempt {attempt.attempt})", detail=detail)]
    if attempt.ended_at is not None:
        took = attempt.ended_at - attempt.claimed_at
        detail = attempt.detail
        if attempt.ending == Ending.LOST:
            detail = "its node died" if _has_crashed(attempt, records) else f"its node died; {UNKNOWN}"
        entries.append(Entry(attempt.ended_at, f"claim {attempt.epoch} ended: {attempt.ending}", took, detail))
    return entries


def _has_crashed(attempt: Attempt, records: Sequence[Record]) -> bool:
    return any(
        record.kind == RecordKind.CRASH
        and attempt.claimed_at <= to_datetime(record.finished_at)
        and (attempt.ended_at is None or to_datetime(record.finished_at) <= attempt.ended_at)
        for record in records
    )


def _progress_entry(step: StepView) -> Entry:
    assert step.progress_at is not None
    place = f" in branch {step.branch}" if step.branch else ""
    ordinal = f" #{step.ordinal + 1}" if step.ordinal else ""
    took = step.progress_at - step.started_at if step.attempts == 1 else None
    return Entry(
        step.progress_at, f"step {step.name}{ordinal}{place} goes on", took, f"progress: {_value_text(step.progress)}"
    )


def _value_text(value: Any) -> str:
    try:
        return str(value)
    except (ValueError, RecursionError):  # more digits than Python writes; nested deeper than it goes
        return printed(value)


def _record_entry(record: Record) -> Entry:
    at = to_datetime(record.finished_at)
    took = timedelta(microseconds=record.finished_at - record.started_at)
    place = f" in branch {record.branch}" if record.branch else ""
    ordinal = f" #{record.ordinal + 1}" if record.ordinal else ""
    step = f"step {record.name}{ordinal}{place}"
    error = error_line(record) or ""
    match record.kind:
        case RecordKind.STEP:
            return Entry(at, step, took, f"attempt {record.attempt}" if record.attempt > 1 else "")
        case RecordKind.FAILURE:
            return Entry(at, f"{step} failed", took, f"attempt {record.attempt}, the last: {error}")
        case RecordKind.TRY if is_unjudged(record):
            return Entry(at, f"{step} timed out and was killed", took, f"attempt {record.attempt}: {error}")
        case RecordKind.TRY if is_postponed(record):
            return Entry(at, f"{step} will be tried again, as it asked for", took, f"try {record.attempt}: {error}")
        case RecordKind.TRY if not record.due_at:
            return Entry(at, f"{step} has no attempt left", took, f"attempt {record.attempt}: {error}")
        case RecordKind.TRY:
            return Entry(at, f"{step} will be tried again", took, f"attempt {record.attempt}: {error}")
        case RecordKind.CRASH:
            return Entry(at, f"{step} crashed", took, f"attempt {record.attempt}: {error}")
        case RecordKind.START:
            return Entry(at, f"{step} starts", detail="in doubt until its outcome is recorded")
        case RecordKind.RESOLUTION:
            return Entry(at, f"{step} resolved by a person", detail="it runs again" if record.payload is None else "")
        case RecordKind.SLEEP:
            until = to_datetime(record.due_at)
            return Entry(at, f"sleep{ordinal}{place}", until - to_datetime(record.started_at), f"until {until}")
        case RecordKind.SUPERSEDE:
            return Entry(at, "new attempt", detail=f"record {record.ordinal} is superseded")
        case RecordKind.VALUE if record.name == VERSION and record.payload is not None:
            return Entry(at, f"version {decode_plain(record.payload)}", detail="recorded")
        case RecordKind.VALUE if record.name in (PARKED_TRIES, PARKED_ATTEMPT):
            return Entry(at, "out of attempts", detail="parked; who resumes it gives it new ones")
        case RecordKind.WAIT:
            (wait,) = awaited_of([record])
            said = [f"as {wait.type}"] if wait.type else []
            said += [f"until {wait.until}"] if wait.until else []
            return Entry(at, f"waits for {wait.name}{ordinal}{place}", detail=", ".join(said))
        case RecordKind.EVENT if record.name.startswith(SET_ASIDE_PREFIX):
            (message,) = set_aside_of([record])
            value = f"{message.value!r}"
            shown = value if len(value) <= MAX_VALUE_LENGTH else f"{value[:MAX_VALUE_LENGTH]}…"
            return Entry(at, f"{message.name} set aside{place}", detail=f"{shown}: {message.reason}")
        case _:
            return Entry(at, f"{record.name}{ordinal}{place}", detail="recorded")
