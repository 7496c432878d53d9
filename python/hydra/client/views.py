"""What a user sees of an execution: instants as datetimes, payloads as values. Pure: reads no store."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any

import msgspec

from hydra import codec, tick_queue
from hydra.client.damage import mended
from hydra.errors import HydraError
from hydra.execution import (
    LOOKUP_PREFIX,
    PARKED_TRIES,
    Claim,
    Progress,
    Record,
    RecordKind,
    Snapshot,
    Status,
    next_try_at,
)
from hydra.limit_keys import shown_key
from hydra.records.ends import failure_line
from hydra.records.map_outcomes import CHUNK_PREFIX, MAP, Chunk, Tally
from hydra.records.placed import asked_step
from hydra.stores.rows import DECODING, UNREADABLE

BULK_RATE_CHUNKS = 20  # the last ones, by which a map's end is guessed
_STEP_STATUS = {
    RecordKind.STEP: "completed",
    RecordKind.FAILURE: "failed",
    RecordKind.TRY: "retrying",
    RecordKind.CRASH: "crashed",
    RecordKind.START: "started",
    RecordKind.RESOLUTION: "resolved",
    RecordKind.SPAWN: "waiting",  # for the execution as which it runs
}
_TRIES = (RecordKind.STEP, RecordKind.FAILURE, RecordKind.TRY, RecordKind.CRASH)
_RESULTS = (RecordKind.STEP, RecordKind.RESOLUTION)


class Execution(msgspec.Struct, frozen=True):
    """One durable run of a workflow. `reason` says why it failed or is parked; `node` holds it while it runs."""

    id: str
    workflow: str
    key: str | None
    status: Status
    priority: int
    attempt: int
    node: str | None
    cancel_requested: bool
    reason: str
    tags: dict[str, str]
    submitted_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    wake_at: datetime | None
    timeout_at: datetime | None
    record_count: int
    death_count: int
    limits: list[str] = []  # the keys of its limits, such as `bill.tenant=acme`
    waits_for: str | None = None  # of these, the one at which it waits now
    attributes: dict[str, Any] = {}  # what it is found by, by name


class StepView(msgspec.Struct, frozen=True):
    """A step of an execution: its outcome, or how its last try ended. `error` is one line; `due_at` is the next try.
    A `result` that cannot be read, such as one encrypted with a key that is not here, is an object that says so."""

    name: str
    branch: str
    ordinal: int
    # completed, failed, retrying, crashed, exhausted (parked: no attempt is left), started, resolved; waiting for the
    # execution as which it runs; running where it says how far it is
    status: str
    attempts: int
    started_at: datetime
    finished_at: datetime | None  # of its last try; None while it runs
    due_at: datetime | None
    result: Any
    error: str | None
    progress: Any = None  # what the step gave to `hydra.heartbeat` last
    progress_at: datetime | None = None


class BulkView(msgspec.Struct, frozen=True):
    """How far a `hydra.map` has come, by its records; `ends_at` is a guess from its last chunks."""

    step: str
    branch: str
    item_count: int
    done_count: int
    failed_count: int
    retrying_count: int
    items_per_second: float | None
    ends_at: datetime | None


class Attempt(msgspec.Struct, frozen=True):
    """One line of the audit trail: who held the execution, from when to when, and how that ended."""

    epoch: int
    attempt: int
    node: str
    worker: int | None
    claimed_at: datetime
    ended_at: datetime | None
    ending: str | None
    detail: str


def to_datetime(instant: int) -> datetime:
    """As a person reads it; see `hydra.tick_queue.to_datetime`."""
    return tick_queue.to_datetime(instant)


def to_optional_datetime(instant: int | None) -> datetime | None:
    return None if instant is None else to_datetime(instant)


def execution_view(snapshot: Snapshot) -> Execution:
    """What of a damaged row cannot be read is left out, and its reason says so."""
    snapshot = mended(snapshot)
    return Execution(
        id=snapshot.id,
        workflow=snapshot.workflow,
        key=snapshot.key,
        status=snapshot.status,
        priority=snapshot.priority,
        attempt=snapshot.attempt,
        node=snapshot.owner,
        cancel_requested=snapshot.cancel_requested,
        reason=snapshot.reason,
        tags=snapshot.tags,
        submitted_at=to_datetime(snapshot.submitted_at),
        run_at=to_datetime(snapshot.run_at),
        started_at=to_optional_datetime(snapshot.started_at),
        finished_at=to_optional_datetime(snapshot.finished_at),
        wake_at=to_optional_datetime(snapshot.wake_at),
        timeout_at=to_optional_datetime(snapshot.timeout_at),
        record_count=snapshot.record_count,
        death_count=snapshot.death_count,
        limits=[shown_key(key) for key in snapshot.limit_keys],
        waits_for=None if snapshot.gate is None else shown_key(snapshot.gate),
        attributes=snapshot.attributes,
    )


def step_views(records: Sequence[Record], progress: Sequence[Progress] = ()) -> list[StepView]:
    """The steps in the order in which they first reported; not those of maps, which `bulk_views` gives."""
    tries: dict[tuple[str, str, int], list[Record]] = {}
    for record in records:
        is_of_another = _is_of_map(record.branch) or record.name.startswith(LOOKUP_PREFIX)
        name = asked_step(record) if record.kind == RecordKind.SPAWN else record.name
        if record.kind in _STEP_STATUS and not is_of_another and name is not None:
            tries.setdefault((record.branch, name, record.ordinal), []).append(record)
    parked = {seq for record in records if record.name == PARKED_TRIES for seq in _seqs(record)}
    views = {key: _step_view(key, of_one_step, parked) for key, of_one_step in tries.items()}
    for said in progress:
        if not _is_of_map(said.branch):
            key = (said.branch, said.name, said.ordinal)
            views[key] = _with_progress(views.get(key), said)
    return list(views.values())


def _seqs(record: Record) -> list[int]:
    """None where the record cannot be read: then the steps are shown as failed, which they are, too."""
    found = codec.decode_plain(record.payload or b"")
    return found if isinstance(found, list) else []


def _is_of_map(branch: str) -> bool:
    """Items of a map are told of together, by `bulk_views`."""
    return branch.rpartition("/")[2].startswith("map.")


def _with_progress(known: StepView | None, said: Progress) -> StepView:
    """With what it said; a step that goes on after its last record, or has none yet, is running."""
    reported_at = to_datetime(said.reported_at)
    if known is None:
        started_at = to_datetime(said.started_at)
        known = StepView(
            said.name, said.branch, said.ordinal, "running", said.attempt, started_at, None, None, None, None
        )
    elif said.attempt > known.attempts:
        known = msgspec.structs.replace(known, status="running", attempts=said.attempt, finished_at=None, due_at=None)
    return msgspec.structs.replace(known, progress=codec.decode_plain(said.payload), progress_at=reported_at)


def _step_view(key: tuple[str, str, int], records: list[Record], parked: Set[int]) -> StepView:
    last = records[-1]
    branch, name, ordinal = key
    due_at = next_try_at(last)
    return StepView(
        name=name,
        branch=branch,
        ordinal=ordinal,
        status="exhausted" if last.seq in parked else _STEP_STATUS[RecordKind(last.kind)],
        attempts=max(1, sum(record.kind in _TRIES for record in records)),
        started_at=to_datetime(records[0].started_at),
        finished_at=None if last.kind == RecordKind.SPAWN else to_datetime(last.finished_at),
        due_at=to_datetime(due_at) if due_at else None,
        result=codec.decode_plain(last.payload) if last.kind in _RESULTS else None,
        error=error_line(last),
    )


def bulk_views(records: Sequence[Record]) -> list[BulkView]:
    """The maps of an execution, in the order in which they began."""
    maps: dict[str, tuple[Record, list[Record]]] = {}
    for record in records:
        if record.name == MAP:
            maps[record.branch] = record, []
        elif record.name.startswith(CHUNK_PREFIX) and record.branch in maps:
            maps[record.branch][1].append(record)
    return [_readable_bulk_view(begun, chunks) for begun, chunks in maps.values()]


def _readable_bulk_view(begun: Record, chunks: list[Record]) -> BulkView:
    """One whose records are damaged is shown as such, and hides nothing else (G7)."""
    try:
        return _bulk_view(begun, chunks)
    except (HydraError, *DECODING):
        return BulkView(UNREADABLE, begun.branch, 0, 0, 0, 0, None, None)


def _bulk_view(begun: Record, chunks: list[Record]) -> BulkView:
    said = codec.decode_plain(begun.payload)
    tally = Tally(said["count"])
    done_counts: list[int] = []
    for chunk in chunks:
        payload = chunk.payload or b""
        tally.add(payload, Chunk(payload))
        done_counts.append(tally.done_count)
    rate = ends_at = None
    if chunks:
        first = max(0, len(chunks) - BULK_RATE_CHUNKS)
        took_us = chunks[-1].finished_at - chunks[first].started_at
        done = done_counts[-1] - (done_counts[first - 1] if first else 0)
        if took_us > 0 and done > 0:
            rate = done / took_us * 1e6
            ends_at = to_datetime(chunks[-1].finished_at + round((tally.count - tally.done_count) / rate * 1e6))
    return BulkView(
        step=said["step"],
        branch=begun.branch,
        item_count=tally.count,
        done_count=tally.done_count,
        failed_count=tally.failed_count,
        retrying_count=len(tally.later),
        items_per_second=rate,
        ends_at=ends_at,
    )


def steps_in_doubt(records: Sequence[Record]) -> list[Record]:
    """The last record of each step that was started and has no outcome but a person's word, which may be wrong."""
    found: dict[tuple[str, str, int], Record] = {}
    started: set[tuple[str, str, int]] = set()
    for record in records:
        key = (record.branch, record.name, record.ordinal)
        if record.kind == RecordKind.START:
            started.add(key)
        if key not in started:
            continue
        if record.kind in (RecordKind.STEP, RecordKind.FAILURE) or (
            record.kind == RecordKind.RESOLUTION and record.payload is None
        ):
            started.discard(key)
            found.pop(key, None)
        else:
            found[key] = record
    return list(found.values())


def error_line(record: Record) -> str | None:
    """What went wrong in a try, in one line; None where the record is of something else."""
    if record.payload is None or record.kind not in (RecordKind.FAILURE, RecordKind.TRY, RecordKind.CRASH):
        return None
    if record.kind == RecordKind.CRASH:
        return str(codec.decode_plain(record.payload))
    if record.kind in (RecordKind.FAILURE, RecordKind.TRY):
        try:
            return failure_line(codec.read_failure(record.payload))
        except (HydraError, *DECODING) as error:
            return f"it cannot be read: {error}"
    return None


def attempt_view(claim: Claim) -> Attempt:
    return Attempt(
        epoch=claim.epoch,
        attempt=claim.attempt,
        node=claim.node,
        worker=claim.worker,
        claimed_at=to_datetime(claim.claimed_at),
        ended_at=to_optional_datetime(claim.ended_at),
        ending=claim.ending,
        detail=claim.detail,
    )
