"""What an ended execution did that still stands, so that doing it again from its input may do it twice. Pure.

A new execution has other idempotency keys: whoever was charged by the first one is charged again by the second.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import UNDO_BRANCH, Record, RecordKind
from hydra.records.ends import was_undone
from hydra.records.map_outcomes import CHUNK_PREFIX
from hydra.records.placed import asked_step

_IN_DOUBT = (RecordKind.START, RecordKind.CRASH)


def standing_effect(records: Sequence[Record], attempt: int) -> str | None:
    """In words, of an execution that ended in that attempt. None: it did nothing that is recorded, or undid it."""
    if was_undone(records, attempt + 1):
        undone = [record for record in records if record.branch.partition("/")[0] == UNDO_BRANCH]
        left = next((record for record in undone if record.kind == RecordKind.FAILURE), None)
        return None if left is None else f"its undo step `{left.name}` failed"
    done = {_place(record) for record in records if record.kind in (RecordKind.STEP, RecordKind.FAILURE)}
    for record in records:
        if record.kind == RecordKind.STEP:
            return f"its step `{record.name}` took effect and was not undone"
        if (step := asked_step(record)) is not None:
            if (record.branch, step, record.ordinal) not in done:
                return f"its step `{step}` may have taken effect"
        elif record.kind == RecordKind.SPAWN:
            return "it spawned a child, which goes its own way"
        if record.name.startswith(CHUNK_PREFIX):
            return f"its map of step `{record.name.removeprefix(CHUNK_PREFIX)}` took effect and was not undone"
        if record.kind in _IN_DOUBT and _place(record) not in done:
            return f"its step `{record.name}` may have taken effect"
    return None


def _place(record: Record) -> tuple[str, str, int]:
    return record.branch, record.name, record.ordinal
