"""What an execution's records say, by key (branch, name, ordinal): outcomes to hand out again, tries already used,
and what the code has not asked for yet. Never writes a record.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from hydra import codec
from hydra.execution import (
    CAUSES,
    LOOKUP_PREFIX,
    PARKED_ATTEMPT,
    PARKED_TRIES,
    RESERVED_PREFIX,
    SET_ASIDE_PREFIX,
    UNDO_BRANCH,
    Record,
    RecordKind,
    is_postponed,
    is_unjudged,
    next_try_at,
)
from hydra.records.placed import asked_as, is_stop, stopped_by
from hydra.retry import Verdict

FINAL_KINDS = frozenset(
    {
        RecordKind.STEP,
        RecordKind.FAILURE,
        RecordKind.SLEEP,
        RecordKind.VALUE,
        RecordKind.EVENT,
        RecordKind.EXPIRY,
        RecordKind.SPAWN,
    }
)

Key = tuple[str, str, int]

PATCHED_PREFIX = "hydra.patched:"  # of the keys of changes; code need not ask for one for ever


class Used(NamedTuple):
    """What a step has used of what its policy allows."""

    failed_count: int = 0  # tries that used up an attempt
    postponed_count: int = 0  # tries that raised RetryAfter
    began_at: int = 0  # its first try; 0: it has none

    def after(self, verdict: Verdict, started_at: int) -> Used:
        """With one more."""
        failed_count, postponed_count = self.failed_count + verdict.is_charged, self.postponed_count
        return Used(failed_count, postponed_count + (not verdict.is_charged), self.began_at or started_at)


class Past:
    """What is known of one key."""

    __slots__ = (
        "began_at",
        "digest",
        "due_at",
        "failed_count",
        "is_started",
        "last_failure",
        "outcome",
        "postponed_count",
        "spent_count",
        "timed_out",
        "try_count",
    )

    def __init__(self) -> None:
        self.outcome: Record | None = None
        self.digest = b""
        self.failed_count = 0  # tries that used up an attempt
        self.postponed_count = 0  # tries that raised RetryAfter
        self.began_at = 0
        self.try_count = 0  # all tries, those that crashed included
        self.due_at = 0  # when the next try may start, or the wait ends
        self.is_started = False  # it may have taken effect: to be looked up before it runs again
        self.last_failure: Record | None = None  # of a try that was the last its policy allows
        self.timed_out: Record | None = None  # the last try, killed for its time-out: the policy was not asked yet
        self.spent_count = 0  # attempts used up with the last failed try, those in other records included

    @property
    def used(self) -> Used:
        return Used(self.failed_count, self.postponed_count, self.began_at)

    def begin_again(self) -> None:
        """A person lets it have all its attempts once more."""
        self.failed_count = self.postponed_count = self.began_at = self.due_at = 0
        self.last_failure = self.timed_out = None


class History:
    """Built once from `Claimed.records`, then asked in whatever order the code asks."""

    def __init__(self, records: list[Record]) -> None:
        self._past: dict[Key, Past] = {}
        self._unasked: dict[Key, None] = {}  # keys with any record that the code has not asked for, and has to
        self._left: dict[Key, None] = {}  # keys the code has not come to, whatever is recorded of them
        self._behind: set[Key] = set()  # what the code came to in an earlier claim, and has not in this one
        self.set_aside_count = 0  # messages that no wait could read; nobody asks for them
        self.noted: set[Key] = set()  # waits without an end, recorded for senders: they decide nothing here
        self.causes: set[int] = set()  # attempts of the execution whose failures are recorded as left together
        self.to_supersede: list[int] = []  # what left the body with a failure that is superseded, and is not yet
        self.exhausted: list[int] = []  # what left the body when its last attempt failed: `supersede_exhausted`
        self.stopped: set[str] = set()  # executions of steps that the body has given up
        self.superseded_counts: Counter[Key] = Counter()  # of each placed step: failures that a new attempt forgot
        self.forgiven_count = 0  # attempts of the execution that its policy counts no more
        by_seq = self._by_seq = dict[int, Key]()
        together: dict[int, list[int]] = {}
        for record in records:
            if record.kind == RecordKind.SUPERSEDE:
                self._forget(by_seq[record.ordinal])
                self.to_supersede += together.get(record.ordinal, [])
                together = {seq: group for seq, group in together.items() if record.ordinal not in group}
                self.to_supersede = [seq for seq in self.to_supersede if seq != record.ordinal]
                if record.ordinal in self.exhausted:
                    self.exhausted = []
                continue
            if record.name == PARKED_TRIES:
                for seq in codec.decode(record.payload or b""):
                    if (parked := self._past.get(by_seq[seq])) is not None:
                        parked.begin_again()
                continue
            if record.name == PARKED_ATTEMPT:
                self.exhausted = codec.decode(record.payload or b"")
                together |= dict.fromkeys(self.exhausted, self.exhausted)
                self.forgiven_count = record.attempt - 1
                continue
            if record.name == CAUSES:
                seqs = codec.decode(record.payload or b"")
                together |= dict.fromkeys(seqs, seqs)
                self.causes.add(record.attempt)
                continue
            if record.name.startswith(SET_ASIDE_PREFIX):
                self.set_aside_count += 1
                continue
            if is_stop(record):
                self.stopped.update(stopped_by([record]))
                continue
            key = (record.branch, record.name, record.ordinal)
            if record.kind == RecordKind.WAIT and not record.due_at and record.name.startswith(RESERVED_PREFIX):
                self.noted.add(key)
                self._behind.add(key)
                continue
            by_seq[record.seq] = key
            past = self._past.get(key)
            if past is None:
                past = self._past[key] = Past()
                if record.name.startswith(PATCHED_PREFIX):
                    past.outcome = record
                    continue
                self._left[key] = None
                if must_be_asked_for(record):
                    self._unasked[key] = None
                    if record.branch != UNDO_BRANCH:
                        self._behind.add(key)
            past.began_at = past.began_at or record.started_at
            if record.kind in FINAL_KINDS:
                past.outcome = record
                past.digest = record.digest
                past.due_at = record.due_at or past.due_at
            elif record.kind == RecordKind.WAIT:
                past.due_at = record.due_at
            elif record.kind == RecordKind.START:
                past.is_started = True
                past.digest = record.digest
            elif record.kind == RecordKind.RESOLUTION:
                self._resolve(past, record)
            else:
                past.digest = record.digest or past.digest
                past.timed_out = None
                if record.kind == RecordKind.TRY:  # guard R23: a crash uses up no attempt of its step
                    if is_postponed(record):
                        past.postponed_count += 1
                    else:
                        past.spent_count = record.attempt - (past.try_count - past.failed_count)
                        past.failed_count += 1
                    past.due_at = next_try_at(record)
                    past.timed_out = record if is_unjudged(record) else None
                    past.last_failure = None if record.due_at else record
                past.try_count += 1
        for seq in self.to_supersede:
            self._forget(by_seq[seq])

    def _resolve(self, past: Past, record: Record) -> None:
        """A person's word is an outcome, or else the step begins again."""
        if record.payload is not None:
            past.outcome = record
        else:
            past.is_started = False
            past.begin_again()

    def supersede_exhausted(self) -> None:
        """It was parked when its attempts ran out, and a person resumed it: what left the body is superseded."""
        self.to_supersede += self.exhausted
        for seq in self.exhausted:
            self._forget(self._by_seq[seq])
        self.exhausted = []

    def _forget(self, key: Key) -> None:
        """A new attempt may rightly take another path, so nothing recorded before it has to be asked for."""
        past = self._past.pop(key, None)
        branch, name, ordinal = key
        if (branch, asked_as(name, 1), ordinal) in self._past:
            self.superseded_counts[key] += 1
        if past is not None and past.is_started:
            self._past[key] = Past()
            self._past[key].is_started = True
        self._unasked.clear()

    def ask(self, key: Key) -> Past | None:
        self._unasked.pop(key, None)
        self._left.pop(key, None)
        self._behind.discard(key)
        return self._past.get(key)

    @property
    def is_behind(self) -> bool:
        """Whether the code has still to come to something that an earlier claim came to. Any thread may ask."""
        return bool(self._behind)

    def of(self, key: Key) -> Past | None:
        """Without asking for it."""
        return self._past.get(key)

    def value_of(self, key: Key) -> bytes | None:
        """The payload of a recorded value; changes nothing, so any thread may ask."""
        past = self._past.get(key)
        return None if past is None or past.outcome is None else past.outcome.payload

    def has_left(self, branch: str) -> bool:
        """Whether anything is recorded of this branch, or of one made in it, that the code has not come to.

        What a new attempt need not ask for again counts, too. Any thread may ask.
        """
        within = branch + "/"
        return any(
            key[0] == branch or (key[0].startswith(within) if branch else key[0] != UNDO_BRANCH)
            for key in list(self._left)
        )

    def unasked(self, branch: str | None = None) -> Key | None:
        """A key with records (of one branch, or of any of the body's) which the code has not asked for."""
        if branch is None:
            return next((key for key in self._unasked if key[0] != UNDO_BRANCH), None)
        return next((key for key in self._unasked if key[0] == branch), None)


def must_be_asked_for(record: Record) -> bool:
    """Code that has not come to this record at its end, or when it waits, is other code than made it.

    Not: a lookup's tries, which belong to their step; an item's of a map, which the map's chunks tell of; a crash
    without a digest, which an older hydra recorded, perhaps with its names cut short.
    """
    if record.name.startswith(LOOKUP_PREFIX) or record.branch.rpartition("/")[2].startswith("map."):
        return record.kind in FINAL_KINDS
    return record.kind != RecordKind.CRASH or bool(record.digest)
