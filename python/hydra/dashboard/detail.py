"""One execution: what it is, why it does not go on, its time line, steps, payloads, tracebacks, children, orders."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.responses import Response

from hydra import codec
from hydra.attributes import as_text
from hydra.client.awaited import set_aside_of
from hydra.client.damage import check_readable
from hydra.client.shown import error_of
from hydra.client.timeline import timeline
from hydra.client.views import Execution, StepView, attempt_view, bulk_views, step_views, steps_in_doubt, to_datetime
from hydra.dashboard.access import Role
from hydra.dashboard.family import above, family_of
from hydra.dashboard.phases import Phase, phases, totals
from hydra.dashboard.rendering import as_json, payload_text, shorten
from hydra.dashboard.site import Visit
from hydra.errors import HydraError
from hydra.execution import FINAL, Record, RecordKind, Status
from hydra.records.forks import step_in

MAX_ENTRIES = 400  # of the time line: the first and the last ones
MAX_STEPS = 200
MAX_TRACEBACKS = 20
MAX_VALUE_LENGTH = 500
WIDTH = 1000.0  # of the drawing
ROW, TOP = 16, 34
MAX_ROWS = 30  # of steps in the drawing
MAX_BARS = 500
TRIES: dict[str, str] = {
    RecordKind.STEP: "completed",
    RecordKind.FAILURE: "failed",
    RecordKind.TRY: "retrying",
    RecordKind.CRASH: "crashed",
}


class Bar(msgspec.Struct, frozen=True):
    """A stretch of time in the drawing; `title` says what and how long."""

    kind: str
    x: float
    width: float
    y: float
    height: float
    title: str


class Trace(msgspec.Struct, frozen=True):
    at: int
    what: str
    text: str


def show_execution(visit: Visit) -> Response:
    engine, id = visit.engine, visit.request.path_params["id"]
    handle = engine.get(id)
    execution = handle.execution()
    records = handle.records()
    input = engine.read(lambda store: store.input(id))
    claims = engine.read(lambda store: store.claims(id))
    check_readable(id, input, records, claims)
    attempts = [attempt_view(claim) for claim in claims]
    progress = engine.read(lambda store: store.progress(id))
    steps = step_views(records, progress)
    outcome = engine.read(lambda store: store.outcomes([id])[0])
    failures = engine.read(lambda store: store.failures([id]))
    error = error_of(failures.get(id))
    now = datetime.now(UTC)
    entries = timeline(execution, records, attempts, steps)
    shown_entries, left_out_count = _ends(entries, MAX_ENTRIES)
    stretches = phases(execution, attempts, records, now)
    result = None
    if execution.status is Status.COMPLETED and outcome is not None:
        result = payload_text(outcome[1])
    return visit.show(
        "execution.html",
        execution=execution,
        why=engine.why(id),
        awaited=[] if execution.status in FINAL else handle.awaited(),
        set_aside=[(each, as_json(each.value, MAX_VALUE_LENGTH)) for each in set_aside_of(records)],
        acts=handle.acts(),
        attributes=[(name, as_text(value)) for name, value in sorted(execution.attributes.items())],
        input=payload_text(input),
        result=result,
        error=error,
        traceback=None if error is None else shorten(error.traceback.rstrip("\n")),
        entries=shown_entries,
        left_out_count=left_out_count,
        steps=[(each, _value(each)) for each in steps[:MAX_STEPS]],
        more_steps=max(0, len(steps) - MAX_STEPS),
        maps=bulk_views(records),
        attempts=attempts[-MAX_STEPS:],
        traces=_traces(records),
        family=family_of(engine, records),
        above=above(engine, id),
        bars=bars(execution, stretches, steps, records, now),
        height=TOP + ROW * min(len(steps), MAX_ROWS),
        totals=totals(stretches),
        doubts=steps_in_doubt(records) if execution.status is Status.PARKED else [],
        forkable=sorted({name for record in records if (name := step_in(record)) is not None})[:100],
        orders=orders_of(visit, execution),
        once=secrets.token_hex(8),
    )


def orders_of(visit: Visit, execution: Execution) -> list[str]:
    """What this operator may order of it now."""
    status = execution.status
    if not visit.operator.may(Role.OPERATE):
        return []
    if status is Status.FAILED:
        return ["retry", "rerun", "fork"]
    if status is Status.CANCELLED:
        return ["rerun"]
    if status is Status.COMPLETED:
        return ["rerun", "fork"] if visit.operator.may(Role.ADMIN) else ["fork"]
    if status is Status.PARKED:
        return ["resume", "resolve", "signal", "cancel"]
    return ["signal", "cancel"]


def bars(
    execution: Execution,
    stretches: Sequence[Phase],
    steps: Sequence[StepView],
    records: Sequence[Record],
    now: datetime,
) -> list[Bar]:
    """The phases in one row, and below it a row for each step's tries."""
    began_at = execution.submitted_at
    ended_at = execution.finished_at or now
    whole = max((ended_at - began_at).total_seconds(), 1e-6)

    def bar(kind: str, from_at: datetime, to_at: datetime, y: float, height: float, title: str) -> Bar:
        x = min(max((from_at - began_at).total_seconds() / whole, 0.0), 1.0) * WIDTH
        end = min(max((to_at - began_at).total_seconds() / whole, 0.0), 1.0) * WIDTH
        width = max(end - x, 2.0)
        return Bar(kind, round(min(x, WIDTH - width), 2), round(width, 2), y, height, title)

    found = []
    for each in stretches:
        title = f"{each.kind} {each.seconds:.3f} s" + (f", {each.detail}" if each.detail else "")
        found.append(bar(each.kind, each.began_at, each.ended_at, 4, 22, title))
    rows = {(step.branch, step.name, step.ordinal): row for row, step in enumerate(steps[:MAX_ROWS])}
    for record in records:
        row = rows.get((record.branch, record.name, record.ordinal))
        if row is None or record.kind not in TRIES or len(found) >= MAX_BARS:
            continue
        from_at, to_at = to_datetime(record.started_at), to_datetime(record.finished_at)
        title = (
            f"{record.name}, attempt {record.attempt} {TRIES[record.kind]}, {(to_at - from_at).total_seconds():.3f} s"
        )
        found.append(bar(f"step-{TRIES[record.kind]}", from_at, to_at, TOP + ROW * row, ROW - 4, title))
    for row, step in enumerate(steps[:MAX_ROWS]):
        if step.finished_at is None:
            title = f"{step.name} {step.status}"
            found.append(bar(f"step-{step.status}", step.started_at, ended_at, TOP + ROW * row, ROW - 4, title))
    return found


def _value(step: StepView) -> str:
    value = step.progress if step.status == "running" else step.result
    if value is None:
        return ""
    try:
        return as_json(value, MAX_VALUE_LENGTH)
    except (HydraError, ValueError, TypeError, RecursionError) as error:
        return f"it cannot be shown: {error}"


def _traces(records: Sequence[Record]) -> list[Trace]:
    """Of the last tries that failed."""
    found: list[Trace] = []
    for record in reversed(records):
        if len(found) == MAX_TRACEBACKS:
            break
        if record.kind not in (RecordKind.TRY, RecordKind.FAILURE) or record.payload is None:
            continue
        try:
            text = codec.read_failure(record.payload).traceback_text
        except (HydraError, ValueError, TypeError) as error:
            text = f"it cannot be read: {error}"
        if text:
            found.append(Trace(record.seq, f"{record.name}, attempt {record.attempt}", shorten(text.rstrip("\n"))))
    return found[::-1]


def _ends(entries: Sequence[Any], most: int) -> tuple[list[Any], int]:
    """The first and the last of them, and how many lie between."""
    if len(entries) <= most:
        return list(entries), 0
    half = most // 2
    return [*entries[:half], *entries[-half:]], len(entries) - 2 * half
