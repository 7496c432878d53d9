"""Which records a fork takes along, and what cannot be forked. Pure.

A fork is a new execution that has recorded what another had before a step. Its records are copies: what they stand
for happened once, for the first execution. From that step on everything happens again, under keys of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.attributes import ATTRIBUTES, KeyChanges, decode_changes
from hydra.errors import HydraError
from hydra.execution import UNDO_BRANCH, Record, RecordKind, Snapshot, Submission
from hydra.records.placed import asked_step

FROM_TAG, BEFORE_TAG = "hydra.forked_from", "hydra.forked_before"
TRIES = frozenset({RecordKind.START, RecordKind.STEP, RecordKind.FAILURE, RecordKind.TRY, RecordKind.CRASH})


class Fork(msgspec.Struct, frozen=True):
    """A new execution with copies of the first `record_count` records of another of the same workflow."""

    submission: Submission
    source_id: str
    record_count: int
    detail: str  # for the first line of its audit trail
    takes_attributes: bool = False  # those with which the source began
    changes: dict[str, bytes | None] = {}  # of attributes, by the records that it takes along


def count_before(id: str, records: Sequence[Record], step: str, number: int) -> int:
    """How many records lie before the first try of the `number`-th call of that step."""
    if any(record.branch == UNDO_BRANCH for record in records):
        raise HydraError(f"execution `{id}` cannot be forked: what it did was undone; submit it again")
    for count, record in enumerate(records):
        if step_in(record) == step and record.ordinal == number - 1:
            return count
    called = sorted({name for record in records if (name := step_in(record)) is not None})
    known = ", ".join(f"`{name}`" for name in called) if called else "none"
    which = f"step `{step}`" if number == 1 else f"call {number} of step `{step}`"
    raise HydraError(f"execution `{id}` has no record of {which}; recorded are {known}")


def step_in(record: Record) -> str | None:
    """Whose try it is of, or asks an execution for."""
    return record.name if record.kind in TRIES else asked_step(record)


def prepare_fork(
    source: Snapshot, submission: Submission, records: Sequence[Record], step: str, takes_attributes: bool
) -> Fork:
    """What the database is to hold: priority, tags and time-out are kept, and tags name where it comes from. `records`
    are those that it takes along."""
    tags = {**source.tags, FROM_TAG: source.id, BEFORE_TAG: step}
    kept = msgspec.structs.replace(submission, priority=source.priority, timeout_us=source.timeout_us, tags=tags)
    changes: KeyChanges = {}
    for record in records:
        if record.name == ATTRIBUTES:
            changes |= decode_changes(record.payload or b"")
    detail = f"forked from `{source.id}` before step `{step}`"
    return Fork(kept, source.id, len(records), detail, takes_attributes, changes)
