"""The order in which submissions meet the keys of others: those that may take a used key over come last.

    submissions ─► others: as ever ─► those that may take a used key over: free it (`hydra_former_key`) ─► as ever
                                   └► debounced, one by one: what has the key and has not begun gets its arguments;
                                      from what has begun or ended the key is freed ─► as ever

All of it in one transaction. Whoever frees a key holds its row and that of the execution that had it until the end, so
that of many submitters one takes it. What had it is remembered and never retried: two of one key would run. Writes
nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hydra.errors import StoreUnavailable
from hydra.execution import KeyReuse, Submission, Submitted
from hydra.stores.repeats import is_same_key, other_key
from hydra.stores.rescheduling import Reschedule, Rescheduled, debounce_order

WHATEVER_AGE = 2**63 - 1  # as `FreedKey.taken_by`: however young who has it is
MAX_RACES = 10  # times others may take a key between our look and our insert


class FreedKey(NamedTuple):
    """A key to be freed for the submission `id`: where who has it has ended, or where it was taken at `taken_by` or
    before, whichever is given."""

    workflow: str
    key: str
    id: str
    taken_by: int | None


class OwnMade(NamedTuple):
    """The execution that has the id of the submission that asks, whoever has its key by now (R17). Where it may have
    been given other arguments since it was made, its digest says nothing of those that it was made with."""

    workflow: str
    key: str | None
    digest: bytes
    may_be_changed: bool


class KeyHolder(NamedTuple):
    """Who has a key, which is locked; `submitted_at` is None where it was purged."""

    id: str
    submitted_at: int | None
    made: OwnMade | None


class Keys(Protocol):
    """What a store does in the open transaction."""

    def submit(self, submissions: Sequence[Submission]) -> list[Submitted]: ...
    def free(self, keys: Sequence[FreedKey]) -> object: ...
    def lock_holder(self, submission: Submission) -> KeyHolder | None: ...
    def replace(self, order: Reschedule) -> Rescheduled | None: ...


def submit_in_turn(submissions: Sequence[Submission], keys: Keys, now: int) -> list[Submitted]:
    """`keys.submit` alone where no submission asks for more."""
    last = [place for place, each in enumerate(submissions) if is_reusing(each)]
    if not last:
        return keys.submit(submissions)
    first = [place for place, each in enumerate(submissions) if not is_reusing(each)]
    answers: dict[int, Submitted] = {}
    if first:
        answers.update(zip(first, keys.submit([submissions[place] for place in first]), strict=True))
    if taking := [place for place in last if submissions[place].debounce is None]:
        wanted = [submissions[place] for place in taking]
        freed = {(s.workflow, s.key): freed_key(s, now) for s in reversed(wanted)}
        keys.free(list(freed.values()))
        answers.update(zip(taking, keys.submit(wanted), strict=True))
    for place in last:
        if place not in answers:
            answers[place] = _debounce(submissions[place], keys, now)
    return [answers[place] for place in range(len(submissions))]


def is_reusing(submission: Submission) -> bool:
    if submission.key is None:
        return False
    is_timed = submission.reuse_after_us is not None or submission.debounce is not None
    return is_timed or submission.key_reuse is KeyReuse.AFTER_END


def freed_key(s: Submission, now: int) -> FreedKey:
    return FreedKey(s.workflow, s.key or "", s.id, None if s.reuse_after_us is None else now - s.reuse_after_us)


def _debounce(submission: Submission, keys: Keys, now: int) -> Submitted:
    freed = FreedKey(submission.workflow, submission.key or "", submission.id, WHATEVER_AGE)
    for _ in range(MAX_RACES):
        holder = keys.lock_holder(submission)
        if holder is not None and holder.made is not None:
            return _made_before(submission, holder.made)
        if holder is not None:
            if holder.id == submission.id:
                return Submitted(submission.id, False)
            if holder.submitted_at is not None:
                order = debounce_order(submission, holder.id, holder.submitted_at, now)
                answer = None if order is None else keys.replace(order)
                if answer is not None and answer.is_changed:
                    return Submitted(holder.id, False)
            keys.free([freed])  # what has begun, or has ended: what it was begun with is not what is asked for
        (submitted,) = keys.submit([submission])
        if submitted.created or submitted.id == submission.id:
            return submitted
    raise StoreUnavailable("other programs kept submitting the same key; try again")


def _made_before(s: Submission, made: OwnMade) -> Submitted:
    """Its arguments may be those of a later one of its burst by now."""
    if made.workflow != s.workflow:
        return Submitted(s.id, False, conflict=True)
    if not is_same_key(s, made.key):
        return other_key(s, made.key)
    is_other = not made.may_be_changed and made.digest not in (s.digest, s.former_digest)
    return Submitted(s.id, False, is_other, made.digest if is_other else b"")
