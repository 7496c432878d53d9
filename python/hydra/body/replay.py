"""What an execution's records say, by key (branch, name, ordinal): outcomes to hand out again, tries already used,
and what the code has not asked for yet. Never writes a record.
"""

from __future__ import annotations

from hydra.execution import UNDO_BRANCH, Record, RecordKind

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


class Past:
    """What is known of one key."""

    __slots__ = ("digest", "due_at", "failed_count", "is_started", "last_failure", "outcome", "try_count")

    def __init__(self) -> None:
        self.outcome: Record | None = None
        self.digest = b""
        self.failed_count = 0  # tries that used up an attempt
        self.try_count = 0  # all tries, those that crashed included
        self.due_at = 0  # when the next try may start, or the wait ends
        self.is_started = False  # it may have taken effect: to be looked up before it runs again
        self.last_failure: bytes | None = None  # of a try that was the last its policy allows


class History:
    """Built once from `Claimed.records`, then asked in whatever order the code asks."""

    def __init__(self, records: list[Record]) -> None:
        self._past: dict[Key, Past] = {}
        self._unasked: dict[Key, None] = {}
        self._left: dict[Key, None] = {}  # keys the code has not come to, whatever is recorded of them
        by_seq: dict[int, Key] = {}
        for record in records:
            if record.kind == RecordKind.SUPERSEDE:
                self._forget(by_seq[record.ordinal])
                continue
            key = (record.branch, record.name, record.ordinal)
            by_seq[record.seq] = key
            past = self._past.get(key)
            if past is None:
                past = self._past[key] = Past()
                if record.name.startswith(PATCHED_PREFIX):
                    past.outcome = record
                    continue
                self._left[key] = None
            if record.kind in FINAL_KINDS:
                past.outcome = record
                past.digest = record.digest
                self._unasked[key] = None
            elif record.kind == RecordKind.WAIT:
                past.due_at = record.due_at
            elif record.kind == RecordKind.START:
                past.is_started = True
                past.digest = record.digest
                self._unasked[key] = None  # code that forgets it would forget an effect
            elif record.kind == RecordKind.RESOLUTION:
                self._resolve(key, past, record)
            else:
                past.try_count += 1
                if record.kind == RecordKind.TRY:
                    past.failed_count += 1
                    past.digest = record.digest
                    past.due_at = record.due_at
                    past.last_failure = None if record.due_at else record.payload

    def _resolve(self, key: Key, past: Past, record: Record) -> None:
        """A person's word is an outcome, or else the step begins anew."""
        if record.payload is not None:
            past.outcome = record
            self._unasked[key] = None
        else:
            past.is_started, past.failed_count, past.due_at, past.last_failure = False, 0, 0, None

    def _forget(self, key: Key) -> None:
        """A new attempt may rightly take another path, so nothing recorded before it has to be asked for."""
        past = self._past.pop(key, None)
        if past is not None and past.is_started:
            self._past[key] = Past()
            self._past[key].is_started = True
        self._unasked.clear()

    def ask(self, key: Key) -> Past | None:
        self._unasked.pop(key, None)
        self._left.pop(key, None)
        return self._past.get(key)

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
        """An outcome or a start (of one branch, or of any) which the code has not asked for."""
        return next((key for key in self._unasked if branch is None or key[0] == branch), None)
