"""A step in doubt that a fork or a rerun would run again, under another idempotency key: who may, and when.

    an execution, the records kept of it ──► what it began after them ──► what those began, and so on
                                        each: a step of which nobody knows whether it took effect

Children that the kept records do not stand for are begun anew, whatever key they had: that key may be another one then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hydra.client.approvals import rule_of
from hydra.client.views import steps_in_doubt
from hydra.execution import Record, RecordKind, Snapshot, Status
from hydra.records import child_records
from hydra.records.placed import asked_step
from hydra.records.reruns import doubt_after
from hydra.stores.approvals import ApprovalKind
from hydra.stores.store import Store

MAX_BELOW = 10_000  # executions that are looked at below one
READ_AT_ONCE = 100


class Doubt(NamedTuple):
    """`owner`: whose step it is."""

    owner: Snapshot
    step: str
    is_parked: bool  # its execution waits for somebody to settle it


class TooMany(Exception):
    """Nobody has looked at all that lies below."""


def why_no_fork(store: Store, snapshot: Snapshot, records: Sequence[Record], count: int, force: bool) -> str | None:
    """Why it is not forked with its first `count` records; None where nothing is in doubt, or force may do it."""
    return _why_not(store, snapshot, records, count, f"to fork execution `{snapshot.id}` there", force)


def why_no_rerun(store: Store, snapshot: Snapshot, records: Sequence[Record], force: bool) -> str | None:
    """Likewise, of one that would be run again from its input."""
    return _why_not(store, snapshot, records, 0, f"to run execution `{snapshot.id}` again", force)


def _why_not(
    store: Store, snapshot: Snapshot, records: Sequence[Record], count: int, what: str, force: bool
) -> str | None:
    takes_two = force and ApprovalKind.RESOLVE in rule_of(store.approvals()).acts
    try:
        for each in _doubts(store, snapshot, records, count):
            if each.is_parked or not force or takes_two:
                return _sentence(snapshot, each, what, force)
    except TooMany:
        if takes_two or not force:
            return (
                f"{what} may do what is in doubt twice: it began more than {MAX_BELOW:,} executions, too many to look "
                f"at; {'submit the call anew' if force else '`force` does it all again'}"
            )
    return None


def _sentence(snapshot: Snapshot, doubt: Doubt, what: str, force: bool) -> str:
    is_own = doubt.owner.id == snapshot.id
    child = f"execution `{doubt.owner.id}`, which it began"
    step = f"its step `{doubt.step}`" if is_own else f"step `{doubt.step}` of {child},"
    twice = f"{what} may do it twice: {step} may have taken effect"
    if doubt.is_parked:
        return f"{twice}; look at the other side, and resolve that step first"
    if not force:  # force does not get round the second person that settles a step in doubt
        return f"{twice}; `force` does it all again"
    return (
        f"{twice}, and what is in doubt takes a second person here (`resolve`), so no force does it again; where "
        "nothing happened on the other side, submit the call anew"
    )


def _doubts(store: Store, snapshot: Snapshot, records: Sequence[Record], count: int) -> Iterator[Doubt]:
    """Its own first, then those below, level by level."""
    if (step := doubt_after(records, count)) is not None:
        yield _doubt(snapshot, records, step)
    seen, level = {snapshot.id}, _begun(records, count)
    while wanted := list(dict.fromkeys(id for id in level if id not in seen)):
        if len(seen) + len(wanted) > MAX_BELOW + 1:
            raise TooMany
        seen.update(wanted)
        level = []
        for start in range(0, len(wanted), READ_AT_ONCE):
            ids = wanted[start : start + READ_AT_ONCE]
            histories = store.histories(ids)
            for each in store.get(ids):
                if each is None:
                    continue  # purged
                history = histories.get(each.id, (b"", []))[1]
                if (step := doubt_after(history, 0)) is not None:
                    yield _doubt(each, history, step)
                level += _begun(history, 0)


def _doubt(owner: Snapshot, records: Sequence[Record], step: str) -> Doubt:
    """Of several that of which a person is to say."""
    asked = steps_in_doubt(records) if owner.status is Status.PARKED else []
    left = [each.name for each in asked if each.kind != RecordKind.RESOLUTION]
    return Doubt(owner, left[0] if left else step, bool(left))


def _begun(records: Sequence[Record], count: int) -> list[str]:
    """The executions that its records after these stand for, but those of its own steps."""
    asked = [each for each in records[count:] if each.kind == RecordKind.SPAWN and asked_step(each) is None]
    found = [child_records.child_of(records, child_records.decode_id(each.payload or b"")) for each in asked]
    return [id for id in found if id is not None]
