"""What a commit makes of an execution: the one place that decides it. Pure: reads no database and no clock.

    what a node owns + an item + now ──► the answer, the records it adds, the claim's line in the audit trail

SQLite and MySQL apply it to rows they have locked. PostgreSQL says the same in SQL, in one round trip (`commit_ends`,
`commit_finals`); tests/stores/test_store_transitions.py holds all three to it.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import msgspec

from hydra.execution import (
    CANCELLED_MEANWHILE,
    FINAL,
    TIMED_OUT,
    CommitAnswer,
    End,
    Ending,
    ExecutionCommit,
    Record,
    RecordKind,
    Status,
)

_FINALS = {status.value: status for status in FINAL}
_SUSPENSIONS = (Ending.SLEEPING, Ending.WAITING)
_RUNNING = Status.RUNNING


class Owned(msgspec.Struct, array_like=True, gc=False):
    """An execution as its node owns it; the fields after `is_child` are what the commit makes of it.

    None of a time, and of `attention`: nothing. A `run_at` of None is left as it is.
    """

    id: str
    epoch: int
    workflow: str
    record_count: int
    attempt: int
    claimed_at: int
    wake_seq: int
    attention: str | None
    death_count: int
    alone_death_count: int
    first_epoch: int
    is_child: int
    status: Status = Status.RUNNING
    run_at: int | None = None
    wake_at: int | None = None
    finished_at: int | None = None
    cause: str = ""
    cause_seq: int = 0
    is_touched: bool = False
    has_new_deaths: bool = False
    successor: str | None = None  # who has it from now on, under its new epoch

    def is_ended(self) -> bool:
        """Whether the claim that was read is over."""
        return self.epoch != self.first_epoch or self.status != Status.RUNNING

    def tells_parent(self) -> bool:
        return bool(self.is_child) and self.finished_at is not None

    def stops_children(self) -> bool:
        """It was cancelled, or ran out of time: the children it made go the same way."""
        return self.status == Status.CANCELLED or (self.finished_at is not None and self.cause == TIMED_OUT)


class ClaimLine(msgspec.Struct, frozen=True, gc=False):
    """The line of the audit trail that a claim leaves when it ends."""

    epoch: int
    attempt: int
    claimed_at: int
    ending: str
    cause: str
    payload: bytes | None


class Change(msgspec.Struct, frozen=True, gc=False):
    """What one accepted item writes beside its own records and the execution's row."""

    answer: CommitAnswer
    claim: ClaimLine | None = None
    supersede: Record | None = None  # after the item's records
    next_input: tuple[bytes | None] | None = None  # of the generation that begins; what was recorded is forgotten


_WRITTEN, _CANCELLING = Change(CommitAnswer.WRITTEN), Change(CommitAnswer.CANCELLING)


def apply(owned: Owned, item: ExecutionCommit, successors: AbstractSet[str], now: int) -> Change | None:
    """Makes of `owned` what the item says. None, and nothing has changed, where the item is refused: the claim is over,
    or its records are not the next ones (R13).

    `successors`: the nodes that an execution may go over to, since they are alive until this commits (R8, R27)."""
    # guard R10: a commit compares the epoch
    if owned.status is not _RUNNING or owned.epoch != item.epoch or owned.successor:
        return None
    seq = owned.record_count
    for record in item.records:
        seq += 1
        if record.seq != seq:  # guard R13: only the next record is accepted
            return None
    owned.is_touched = True
    owned.record_count = seq
    if item.death_count is not None or item.alone_death_count is not None:
        _count_deaths(owned, item)
    if item.end is None:
        return _WRITTEN if owned.attention != "cancel" else _CANCELLING
    return _apply_end(owned, item, item.end, successors, now)


def _apply_end(owned: Owned, item: ExecutionCommit, end: End, successors: AbstractSet[str], now: int) -> Change:
    answer = CommitAnswer.WRITTEN
    if end.is_overruled(owned.attention == "cancel"):
        answer, end = CommitAnswer.CANCELLING, End(Ending.RELEASED, cause=CANCELLED_MEANWHILE)
    successor = item.successor if successors and item.successor in successors else None
    ending = end.kind if successor is None else Ending.RELEASED
    is_continued = ending == Ending.CONTINUED
    payload = None if is_continued else end.payload  # the audit trail keeps no input of a generation
    line = ClaimLine(owned.epoch, owned.attempt, owned.claimed_at, ending, end.cause, payload)
    supersede = _end(owned, ending, end, item.began_cancelled, now)
    if successor is not None:
        owned.status, owned.epoch, owned.claimed_at, owned.successor = Status.RUNNING, owned.epoch + 1, now, successor
    return Change(answer, line, supersede, (end.payload,) if is_continued else None)


def supersede_record(seq: int, cause_seq: int, attempt: int, now: int) -> Record:
    """The record by which a new attempt forgets the failure that left the body."""
    return Record(seq, RecordKind.SUPERSEDE, "", "", cause_seq, attempt, b"", None, now, now)


def _count_deaths(owned: Owned, item: ExecutionCommit) -> None:
    if item.death_count is not None and item.death_count != owned.death_count:
        owned.death_count, owned.has_new_deaths = item.death_count, True
    if item.alone_death_count is not None and item.alone_death_count != owned.alone_death_count:
        owned.alone_death_count, owned.has_new_deaths = item.alone_death_count, True


def _end(owned: Owned, ending: str, end: End, began_cancelled: bool, now: int) -> Record | None:
    """The claim is over. What the new attempt of a retry forgets, if that is a record."""
    supersede = None
    final = _FINALS.get(ending)
    if final is not None:
        owned.status, owned.finished_at = final, now
        owned.cause, owned.cause_seq = end.cause, end.cause_seq
    elif ending == Ending.CRASHED:
        owned.epoch += 1
        owned.claimed_at = now
    elif ending == Ending.PARKED and (began_cancelled or owned.attention != "cancel"):
        # one that parks after a cancel was accepted is due again, as if it had been cancelled afterwards
        owned.status = Status.PARKED
    elif ending in _SUSPENSIONS and _may_suspend(owned, end):
        owned.status, owned.wake_at = Status(ending), end.wake_at or None
    else:  # a suspension that missed a wake or a cancel is due again at once, too (R14), as is a park that missed one
        owned.status, owned.run_at = Status.PENDING, now
        if ending == Ending.RETRY:
            supersede = _retry(owned, end, now)
        elif ending == Ending.CONTINUED:
            owned.record_count, owned.attempt = 0, 1
    if owned.attention == "timeout" and ending not in (Ending.CRASHED, Ending.RELEASED):
        owned.attention = None  # what is handed back is to end, whatever the clock says next
    return supersede


def _may_suspend(owned: Owned, end: End) -> bool:
    """It has seen every wake, and nobody has cancelled it (R14)."""
    # guard R14: a suspend compares wake_seq
    # guard R14: a suspend looks for a cancel
    return owned.wake_seq == end.wake_seq and owned.attention != "cancel"


def _retry(owned: Owned, end: End, now: int) -> Record | None:
    owned.attempt += 1
    if end.wake_at > now and owned.attention != "cancel":
        owned.run_at = owned.wake_at = end.wake_at
    if not end.cause_seq:
        return None
    owned.record_count += 1
    return supersede_record(owned.record_count, end.cause_seq, owned.attempt, now)
