"""What an ended execution did that still stands, so that doing it again from its input may do it twice. Pure.

A new execution has other idempotency keys: whoever was charged by the first one is charged again by the second. Which
undo step is for which effect is not recorded, so they are counted: as many must have been undone as took effect. A step
that raised counts as having done nothing, but where nobody can know: a worker died in it, its time ran out, it has a
lookup, or it ran as an execution of its own, whose records are elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from hydra import codec
from hydra.errors import StepTimeout
from hydra.execution import RESERVED_PREFIX, UNDO_BRANCH, Record, RecordKind
from hydra.interruptions import let_out
from hydra.records.ends import was_undone
from hydra.records.map_outcomes import CHUNK_PREFIX
from hydra.records.placed import asked_step

_BEGAN = (RecordKind.START, RecordKind.CRASH)  # an effect may have happened, whatever was raised afterwards
_RAISED = (RecordKind.TRY, RecordKind.FAILURE)

Place = tuple[str, str, int]


def standing_effect(records: Sequence[Record], attempt: int) -> str | None:
    """In words, of an execution that ended in that attempt. None: it did nothing that is recorded, or undid it all."""
    undo = [record for record in records if record.branch.partition("/")[0] == UNDO_BRANCH]
    body = [record for record in records if record.branch.partition("/")[0] != UNDO_BRANCH]
    left = {_place(record) for record in undo if record.kind == RecordKind.FAILURE}
    undone = {_place(record) for record in undo if record.kind == RecordKind.STEP and _is_users(record)}
    if not was_undone(records, attempt + 1):
        left, undone = set(), set()
    if failed := left - undone:
        return f"its undo step `{min(failed)[1]}` failed"
    done = {_place(record): record for record in body if record.kind == RecordKind.STEP}
    if (doubtful := _in_doubt(body, done.keys())) is not None:
        return f"its step `{doubtful}` may have taken effect"
    effects = [f"its step `{record.name}` took effect" for record in done.values() if _is_users(record)]
    for record in body:
        if record.kind == RecordKind.SPAWN and asked_step(record) is None:
            effects.append("it spawned a child, which goes its own way")
        if record.name.startswith(CHUNK_PREFIX):
            effects.append(f"its map of step `{record.name.removeprefix(CHUNK_PREFIX)}` took effect")
    if len(effects) <= len(undone):
        return None
    if not undone:
        return effects[0] if effects[0].startswith("it ") else f"{effects[0]} and was not undone"
    return f"it took effect {len(effects)} times, and {len(undone)} undo steps ran"


def doubt_after(records: Sequence[Record], count: int) -> str | None:
    """A step of which nobody knows whether it did something, and which whoever begins with the first `count` records
    would run again; None where there is none."""
    kept = records[:count]
    superseded = {record.ordinal for record in kept if record.kind == RecordKind.SUPERSEDE}
    settled = {_place(each) for each in kept if each.seq not in superseded and _is_outcome(each)}
    done = {_place(record) for record in records if record.kind == RecordKind.STEP}
    body = [record for record in records if record.branch.partition("/")[0] != UNDO_BRANCH]
    return _in_doubt(body, done | settled)


def _is_outcome(record: Record) -> bool:
    if record.kind == RecordKind.RESOLUTION:
        return record.payload is not None
    return record.kind in (RecordKind.STEP, RecordKind.FAILURE)


def _in_doubt(body: Sequence[Record], done: Set[Place]) -> str | None:
    """A step that did not succeed, and of which nobody knows whether it did something."""
    for record in body:
        if (asked := asked_step(record)) is not None:
            if (record.branch, asked, record.ordinal) not in done:
                return asked
        elif _place(record) not in done and (record.kind in _BEGAN or _ran_out_of_time(record)):
            return record.name
    return None


def _ran_out_of_time(record: Record) -> bool:
    if record.kind not in _RAISED:
        return False
    try:
        return codec.decode_failure(record.payload or b"").exception_type.rpartition(":")[2] == StepTimeout.__name__
    except Exception as error:  # damaged, or encrypted with a key that is not here: nobody knows
        let_out(error)
        return True


def _is_users(record: Record) -> bool:
    return not record.name.startswith(RESERVED_PREFIX)


def _place(record: Record) -> Place:
    return record.branch, record.name, record.ordinal
