"""What an execution is: its states, the legal moves between them, and the values other modules pass about it.

    pending ──► running ──► completed | failed | cancelled
       ▲  ▲        │ ├────► sleeping (timer) ─┐
       │  │        │ ├────► waiting (event)  ─┤
       │  │        │ └────► parked (a person) │
       │  └────────┘◄─────────────────────────┘        failed ─(a person's retry)─► pending

This module owns the moves; every store's SQL repeats them in its WHERE and a test proves they agree.
All instants are integer microseconds since 1970 UTC on the database's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import msgspec

UNDO_BRANCH = "undo"  # of the records of undo steps
CANCELLED_MEANWHILE = "it was cancelled before it ended"  # the cause of a release
CAUSES = "hydra.causes"  # of the record that says which failures left the body together, or were a child's
BREAKER = "breaker"  # begins the cause of a sleep: its step waits for one that is open
OFFLOADED = "offload"  # begins the cause of a sleep: a value cannot be fetched now
TIMED_OUT = "timeout"  # the cause of a failure
DIVERGED = "diverged"  # the cause of a park (or of a release, R27): code and records differ


class Status(StrEnum):
    """The state of an execution; each is a text, too.

    `pending` (due, or delayed), `running`, `sleeping`, `waiting` (for an event, a callback, a child) and `parked` (for
    a person) are open; `completed`, `failed` and `cancelled` are ends.
    """

    PENDING = "pending"
    RUNNING = "running"
    SLEEPING = "sleeping"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARKED = "parked"


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})

MOVES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.CANCELLED, Status.FAILED}),
    Status.RUNNING: frozenset(Status) - {Status.RUNNING},
    Status.SLEEPING: frozenset({Status.PENDING, Status.CANCELLED, Status.FAILED}),
    Status.WAITING: frozenset({Status.PENDING, Status.CANCELLED, Status.FAILED}),
    Status.PARKED: frozenset({Status.PENDING, Status.CANCELLED}),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.COMPLETED: frozenset(),
    Status.CANCELLED: frozenset(),
}


class RecordKind(StrEnum):
    """What one entry of an execution's record log says."""

    STEP = "step"  # a step's result; final
    FAILURE = "failure"  # a step's final failure
    TRY = "try"  # a try that failed and will be repeated; payload is the failure, `due_at` the next (`next_try_at`)
    CRASH = "crash"  # a try that died with its worker; written by the supervisor; payload is the encoded reason (str)
    SLEEP = "sleep"  # a durable sleep; `due_at` is when it ends
    VALUE = "value"  # now(), uuid4(), random()
    WAIT = "wait"  # a wait for a message began; `due_at` is when it ends, or 0; its payload says as what it is read
    EVENT = "event"  # what a wait was given; `digest` is the id of the message it consumed
    EXPIRY = "expiry"  # a wait ended without its event; written as an EVENT where the database holds one for it
    SPAWN = "spawn"  # asked for a child; its payload is the child's id, on its way there `child_records.request`
    START = "start"  # a step with a lookup is about to take effect; from then on it is in doubt until its outcome
    RESOLUTION = "resolution"  # what a person said of a step in doubt: its result, or with no payload: run it again
    SUPERSEDE = "supersede"  # a new attempt forgets the failure at record `ordinal`


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One durable entry of an execution's log: append-only, numbered from 1 without gaps (R13)."""

    seq: int
    kind: str
    branch: str
    name: str
    ordinal: int
    attempt: int
    digest: bytes
    payload: bytes | None
    started_at: int
    finished_at: int
    due_at: int = 0


UNJUDGED = -1  # in place of when a try is repeated
ELSEWHERE = -1  # the same of a step's end: it ran as an execution of its own
EXHAUSTED = "exhausted"  # the cause of a park: attempts ran out
PARKED_TRIES = "hydra.parked_tries"  # of the record, written with a park, that names last tries: who resumes gives more
PARKED_ATTEMPT = "hydra.parked_attempt"  # the same of an attempt of the execution: it names the failures that left it


def is_unjudged(record: Record) -> bool:
    """A try that was killed for its time-out. Its supervisor wrote it, which does not know the step's policy: whoever
    replays it asks."""
    return record.kind == RecordKind.TRY and record.due_at == UNJUDGED


def is_postponed(record: Record) -> bool:
    """A try that raised RetryAfter: it uses up no attempt. Its `due_at` is negative to say so."""
    return record.kind == RecordKind.TRY and record.due_at < UNJUDGED


def next_try_at(record: Record) -> int:
    """When a try is repeated; 0 where none follows, or its policy is still to be asked."""
    return 0 if record.due_at == UNJUDGED else abs(record.due_at)


class Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Something put before an execution: a signal, a child's end, a callback. `id` is client-made (UUIDv7, R17).

    A record of kind EVENT consumes it: the transaction that writes the record deletes the message. `number` is given by
    the database under the execution's lock, and is the order of arrival: no clock says which of two was first.
    """

    id: str
    execution_id: str
    name: str
    payload: bytes
    sent_at: int
    number: int = 0


RESERVED_PREFIX = "hydra."  # names of the records hydra itself keeps: `hydra.sleep`, `hydra.now` …
EVENT_PREFIX = "hydra.event:"  # of the names of records of waits for signals, so that no step's name is one
SET_ASIDE_PREFIX = "hydra.set_aside:"  # of the names under which messages are recorded that no wait could read
LOOKUP_PREFIX = "hydra.lookup:"  # of the names under which failed lookups of a step are recorded


class Progress(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The last word of a step's try on how far it is: `payload` is what it gave to `hydra.heartbeat`. No record."""

    execution_id: str
    branch: str
    name: str
    ordinal: int
    attempt: int
    payload: bytes
    started_at: int
    reported_at: int


class Ending(StrEnum):
    """How one claim (one epoch) of an execution ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    RETRY = "retry"  # the body raised; a new attempt of the execution at `wake_at`
    SLEEPING = "sleeping"
    WAITING = "waiting"
    CANCELLED = "cancelled"
    PARKED = "parked"
    CONTINUED = "continued"  # the body asked to begin again: `payload` is its next input, its records are forgotten
    RELEASED = "released"  # handed back unfinished (drain, code not known here); due again at once
    CRASHED = "crashed"  # its worker died; the same node keeps it under the next epoch
    LOST = "lost"  # written by the reaper: its node was declared dead


class CommitAnswer(IntEnum):
    """What a commit says of one item; false only where nothing was written."""

    REFUSED = 0
    WRITTEN = 1
    CANCELLING = 2  # written, and a cancel was asked for: it had better stop


class End(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The end of one claim, as the worker (or the dispatcher for RELEASED and CRASHED) reports it."""

    kind: str
    payload: bytes | None = None  # result, failure, the next input, or the encoded reason of a park (a str)
    wake_at: int = 0  # SLEEPING, WAITING with a time-out, RETRY
    wake_seq: int = 0  # SLEEPING, WAITING, DIVERGED: what the executor had seen (R14)
    cause_seq: int = 0  # FAILED, RETRY: the record whose failure left the body; 0 when it was the body's own
    cause: str = ""  # FAILED: "", "timeout"; PARKED: "", "poison", DIVERGED, EXHAUSTED; CRASHED: signal or exit code
    is_undone: bool = False  # FAILED: what was done is undone, or cannot be; no cancel changes that

    def is_overruled(self, is_cancelled: bool, /) -> bool:
        """Whether a cancel that was accepted before is to end it instead: it is handed back then, and claimed again."""
        return is_cancelled and not self.is_undone and self.kind in (Ending.COMPLETED, Ending.FAILED)


class KeyReuse(StrEnum):
    """What a submission gets whose key was used before. A conflict, whichever: other arguments, and it is not free."""

    FIRST = "first"  # the execution that has it; an error where that was purged: it ran, and must not run again
    REJECT = "reject"  # an error, whatever the arguments
    AFTER_END = "after_end"  # a new execution where the last has ended; while it is open, that one


class Debounced(msgspec.Struct, frozen=True, gc=False):
    """How a debounced submission waits: its execution begins so long after the last of them, at most so long after the
    first."""

    wait_us: int
    max_wait_us: int | None = None


class ChildKey(NamedTuple):
    """A child's key, and what it gets where that was used before."""

    key: str
    reuse: KeyReuse


class Submission(msgspec.Struct, frozen=True, gc=False):
    """One execution to create. `id` is client-made (UUIDv7), so that repeating a submission is safe (R17)."""

    id: str
    workflow: str
    input: bytes
    digest: bytes
    key: str | None = None
    priority: int = 0
    run_at: int | None = None  # None: now
    timeout_us: int | None = None  # from when it is due
    tags: dict[str, str] | None = None
    deadline_us: int | None = None  # from when it is submitted
    key_reuse: KeyReuse = KeyReuse.FIRST
    limit_keys: tuple[str, ...] | None = None  # sorted: where it takes its places before it may run
    reuse_after_us: int | None = None  # a key that was taken longer ago is free, whatever became of who has it
    debounce: Debounced | None = None
    attributes: dict[str, bytes] | None = None  # what it is found by, as keys; see `hydra.attributes`
    former_digest: bytes = b""  # with payload keys: as which rows from before them have the same arguments
    is_by_name: bool = False  # the code is not where it was made: the node that writes it adds what is registered

    def timeout_at(self, now: int) -> int | None:
        """When its time is up, if it is submitted now."""
        if self.timeout_us is None and self.deadline_us is None:
            return None
        due_at = now if self.run_at is None else max(now, self.run_at)
        ends = [] if self.timeout_us is None else [due_at + self.timeout_us]
        if self.deadline_us is not None:
            ends.append(now + self.deadline_us)
        return min(ends)


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """The answer to one Submission: `id` is the first execution's when the key was known already."""

    id: str
    created: bool
    conflict: bool = False  # the key exists with another input digest; nothing was created
    digest: bytes = b""  # of the input which the key was used with before, where that conflicts
    purged: bool = False  # what the key stands for is there no more
    made_with: str | None = None  # where its id is that of an execution with another key: that, or "" for none


def is_refused(submission: Submission, answer: Submitted) -> bool:
    """Whether the submission has no execution: its key is another's, in a way that it does not put up with."""
    if answer.conflict:
        return True
    is_others = answer.id != submission.id  # its own is an earlier try, whose answer was lost (R17)
    return is_others and (answer.purged or submission.key_reuse is KeyReuse.REJECT)


class Claimed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One execution a node has just taken, with everything needed to run it."""

    id: str
    epoch: int
    workflow: str
    key: str | None
    input: bytes
    attempt: int  # of the execution: 1 for the first; crashes and suspensions do not raise it
    priority: int
    run_at: int  # when it became due: pickup latency = claimed_at - run_at
    claimed_at: int
    submitted_at: int
    timeout_at: int | None
    wake_seq: int
    cancel_requested: bool
    death_count: int
    alone_death_count: int
    tags: dict[str, str]
    records: list[Record]
    messages: list[Message] = []  # not consumed yet, in the order of arrival: the first page
    has_more: bool = False  # there are more messages: a heartbeat brings them to who listens
    unreadable: str = ""  # why it cannot run: what of its row is damaged


class CoolDown(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A step was told to come back later: the execution's key of a limit (`kind:name`) is paused until then."""

    limit: str
    until: int
    reason: str


class ExecutionCommit(msgspec.Struct, gc=False):
    """What one transaction writes for one execution: records in order, then perhaps the end of the claim (R11)."""

    id: str
    epoch: int
    records: list[Record]
    end: End | None = None
    worker: int = 0  # slot, for the audit trail
    death_count: int | None = None  # None: unchanged; set to 0 by the first new record after a death
    alone_death_count: int | None = None
    successor: str | None = None  # PARKED: the node it goes over to instead, RELEASED, if that is alive (R27)
    cool_downs: tuple[CoolDown, ...] = ()
    began_cancelled: bool = False  # its claim; a cancel that came since has one that parks undo what it did, and end
    arrived: Sequence[Record] = ()  # what `Store.commit` made of expiries where a message had come first: events

    def has_expiry(self) -> bool:
        return any(record.kind == RecordKind.EXPIRY for record in self.records)

    def may_tell(self) -> bool:
        """Whether a parent may hear of it: of its child's end, or which execution a key stands for."""
        is_final = self.end is not None and self.end.kind in FINAL
        return is_final or any(record.kind == RecordKind.SPAWN for record in self.records)


def as_answered(commit: ExecutionCommit, answer: CommitAnswer) -> ExecutionCommit:
    """What was written of it."""
    if answer != CommitAnswer.CANCELLING or commit.end is None or not commit.end.is_overruled(True):
        return commit
    return msgspec.structs.replace(commit, end=End(Ending.RELEASED, cause=CANCELLED_MEANWHILE))


class NodeInfo(msgspec.Struct, frozen=True):
    """What a node says of itself at registration."""

    id: str
    host: str
    boot_id: str
    pid: int
    pid_started: int  # clock ticks after boot, from /proc/<pid>/stat; 0 where unknown
    code_version: str
    workers: int
    lock_path: str = ""  # SQLite: a file that every process of the node holds flock'ed
    labels: tuple[str, ...] = ()  # it runs only workflows whose labels are among these
    places: int = 0  # for executions at a time; 0: of a hydra that did not say


class NodeRef(msgspec.Struct, frozen=True):
    """The fence: every write of a node carries it, and is refused unless the row is alive in this session (R6)."""

    id: str
    session: int


class Snapshot(msgspec.Struct, frozen=True):
    """An execution as a reader sees it."""

    id: str
    workflow: str
    key: str | None
    status: Status
    priority: int
    attempt: int
    epoch: int
    owner: str | None
    cancel_requested: bool
    reason: str  # why it failed or is parked, in one sentence; "" otherwise
    tags: dict[str, str]
    submitted_at: int
    run_at: int
    started_at: int | None
    finished_at: int | None
    wake_at: int | None
    timeout_at: int | None
    record_count: int
    death_count: int
    limit_keys: tuple[str, ...] = ()
    gate: str | None = None  # of these, the one at which it waits now
    attributes: dict[str, Any] = {}  # what it is found by
    encrypted_reason: bytes = b""  # what `reason` is to be read from, where that is encrypted
    timeout_us: int | None = None  # from when it is due


class Claim(msgspec.Struct, frozen=True):
    """One line of the audit trail: a node held the execution from `claimed_at` to `ended_at` (None: still)."""

    execution_id: str
    epoch: int
    attempt: int
    node: str
    worker: int | None
    claimed_at: int
    ended_at: int | None
    ending: str | None
    detail: str = ""
