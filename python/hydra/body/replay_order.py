"""In which order a replay hands out what is recorded: that of the log, one outcome at a time, each when all is at rest.

    all at rest ──► the next outcome of the log ──► asked for: to whoever waits ──► all at rest ──► …
                                               └──► not asked for: a timer without a record, or code and records differ
    the log's end ──► live: what nothing is recorded of begins

For async bodies, in which many things wait at once. A sync body asks for one thing after the other, so its own order
is that of the log. Never writes a record.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from hydra.body.endings import told
from hydra.body.loop import BodyLoop, Timer
from hydra.body.protocol import RunningExecution
from hydra.body.replay import FINAL_KINDS, PATCHED_PREFIX, Key, Past
from hydra.body.strand import Strand, running
from hydra.execution import (
    PARKED_ATTEMPT,
    PARKED_TRIES,
    RESERVED_PREFIX,
    SET_ASIDE_PREFIX,
    UNDO_BRANCH,
    Record,
    RecordKind,
)
from hydra.records.placed import STOP_PREFIX

EXPIRY, RESOLUTION, SUPERSEDE = RecordKind.EXPIRY, RecordKind.RESOLUTION, RecordKind.SUPERSEDE
VERSION = f"{RESERVED_PREFIX}version"  # asked for before the body begins
TIMER, SLEEP = f"{RESERVED_PREFIX}timer", f"{RESERVED_PREFIX}sleep"  # names of the keys of an async body's timers


class OwnerOfOrder(Protocol):
    """The async body whose outcomes are put in order."""

    loop: BodyLoop

    @property
    def execution(self) -> RunningExecution: ...
    def fire(self, key: Key, at: int) -> None: ...
    def is_alone(self, timer: Timer) -> bool: ...
    def went_live(self) -> None: ...


class Order:
    """Of one claim. Strands whose turn has not come are blocked here; `is_live` when nothing is left to hand out."""

    def __init__(self, body: OwnerOfOrder, records: list[Record]) -> None:
        self.blocked_count = 0
        self.is_live = not records
        self.body = body
        self.execution = body.execution
        self._left = deque(outcomes_in(records))
        self._seq = 0  # of what was handed out last
        # What is recorded before this was so in an earlier attempt, and a new one may rightly take another path.
        self._optional_seq = max((record.seq for record in records if record.kind == SUPERSEDE), default=0)
        self._blocked: dict[Key, list[Strand]] = {}  # recorded later than what was handed out so far
        self._unanswered: dict[Strand, None] = {}  # not recorded
        self._asked: set[Key] = set()
        self._expired = {key_of(record) for record in self._left if record.kind == EXPIRY}

    @property
    def has_left(self) -> bool:
        """Whether there are outcomes to hand out. Any thread may ask."""
        return bool(self._left)

    def supersede(self, seqs: list[int]) -> None:
        """Before anything was handed out: a new attempt begins, and forgets these failures."""
        if seqs and self._left:
            self._optional_seq = self._left[-1].seq
            self._left = deque(record for record in self._left if record.seq not in seqs)

    def ask(self, key: Key) -> None:
        """For what is answered at once, wherever it stands in the log."""
        if not self.is_live:
            self._asked.add(key)

    def wait_turn(self, key: Key, past: Past | None) -> None:
        """Set the running strand aside until this outcome is the next; without one, until the replay is over."""
        self._asked.add(key)
        strand, outcome = running(), None if past is None else past.outcome
        if outcome is None:
            self._unanswered[strand] = None
        elif outcome.seq > self._seq:
            self._blocked.setdefault(key, []).append(strand)
        else:
            return
        self._block(strand, key)

    def _block(self, strand: Strand, key: Key) -> None:
        self.blocked_count += 1
        strand.is_blocked = True
        try:
            while strand.is_blocked:
                self.execution.strands.wait(settle=True)
        finally:
            self.blocked_count -= 1
            if strand.is_blocked:  # it stops, or was given up
                strand.is_blocked = False
                self._unanswered.pop(strand, None)
                if strand in (strands := self._blocked.get(key, [])):
                    strands.remove(strand)

    def advance(self) -> None:
        """Everything is at rest: hand out what comes next."""
        execution = self.execution
        while not self.is_live and execution.stopping is None and execution.strands.is_settled:
            if not self._left:
                if not self._has_gone_further():
                    self._go_live()
                    return
                continue
            record = self._left[0]
            key = key_of(record)
            if strands := self._blocked.pop(key, None):
                self._pass(record)
                self._release(strands)
            elif not self._is_passed(record, key):
                self._differ(key)

    def _has_gone_further(self) -> bool:
        """Whether records of another kind (tries, crashes) show that the body had come further than this."""
        left = None if self.execution.history is None else self.execution.history.unasked()
        if left is None:
            return False
        body = self.body
        timer = body.loop.first_timer()
        if timer is not None and (body.is_alone(timer) or timer.is_over(self.execution.host.now())):
            body.fire(timer.key, 0)
        else:
            self._differ(left)
        return True

    def _is_passed(self, record: Record, key: Key) -> bool:
        """Whether it explains itself that no strand waits for it."""
        body, loop = self.body, self.body.loop
        if record.kind == EXPIRY and key[1] in (TIMER, SLEEP):
            if loop.is_pending(key):
                self._pass(record)
                body.fire(key, record.finished_at)
                return True
        elif key in self._asked:
            self._pass(record)  # it was answered at once, or given up since
            return True
        timer = loop.first_timer(self._expired)
        is_optional = record.seq <= self._optional_seq
        if timer is not None:
            is_past = timer.due_at <= record.finished_at
            if (is_past and not is_optional) or ((is_past or not is_optional) and body.is_alone(timer)):
                body.fire(timer.key, 0)
                return True
        if is_optional:
            self._pass(record)
        return is_optional

    def _pass(self, record: Record) -> None:
        self._left.popleft()
        self._seq = record.seq

    def _release(self, strands: list[Strand]) -> None:
        for strand in strands:
            strand.is_blocked = False
            self.execution.host.resume(strand)

    def _go_live(self) -> None:
        self.is_live = True
        strands, self._unanswered = list(self._unanswered), {}
        self._release(strands)
        self.body.went_live()

    def _differ(self, key: Key) -> None:
        waiting = [strand for strands in self._blocked.values() for strand in strands] + list(self._unanswered)
        place = next((strand.place for strand in waiting if strand.place), "")
        code = next(map(told, self._blocked), "something else")
        sentence = f"the code waits for {code}, and never asked for {told(key)}, which is recorded"
        self.execution.recorded.differ(sentence, code, told(key), place)


def key_of(record: Record) -> Key:
    return record.branch, record.name, record.ordinal


def outcomes_in(records: list[Record]) -> list[Record]:
    """What the body was given, in recorded order; without failures that were superseded."""
    superseded = {record.ordinal for record in records if record.kind == SUPERSEDE}
    return [
        record
        for record in records
        if (record.kind in FINAL_KINDS or (record.kind == RESOLUTION and record.payload is not None))
        and record.seq not in superseded
        and record.branch != UNDO_BRANCH
        and record.name not in (VERSION, PARKED_TRIES, PARKED_ATTEMPT)
        and not record.name.startswith((PATCHED_PREFIX, SET_ASIDE_PREFIX, STOP_PREFIX))
    ]
