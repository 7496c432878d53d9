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

from enum import StrEnum

import msgspec

UNDO_BRANCH = "undo"  # of the records of undo steps
DIVERGED = "diverged"  # the cause of a park (or of a release, R27): code and records differ


class Status(StrEnum):
    """The state of an execution."""

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
    TRY = "try"  # a try that failed and will be repeated; payload is the failure, `due_at` the next try
    CRASH = "crash"  # a try that died with its worker; written by the supervisor; payload is the encoded reason (str)
    SLEEP = "sleep"  # a durable sleep; `due_at` is when it ends
    VALUE = "value"  # now(), uuid4(), random()
    WAIT = "wait"  # a wait for an event began that ends at `due_at`; one without a time-out leaves no such record
    EVENT = "event"  # what a wait was given; `digest` is the id of the message it consumed
    EXPIRY = "expiry"  # a wait ended without its event
    SPAWN = "spawn"  # asked for a child; its payload is the child's id, on its way there `family.request` (see there)
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


class Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Something put before an execution: a signal, a child's end, a callback. `id` is client-made (UUIDv7, R17).

    A record of kind EVENT consumes it: the transaction that writes the record deletes the message.
    """

    id: str
    execution_id: str
    name: str
    payload: bytes
    sent_at: int


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
    CONTINUED = "continued"  # the body asked to begin anew: `payload` is its next input, its records are forgotten
    RELEASED = "released"  # handed back unfinished (drain, code not known here); due again at once
    CRASHED = "crashed"  # its worker died; the same node keeps it under the next epoch
    LOST = "lost"  # written by the reaper: its node was declared dead


class End(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The end of one claim, as the worker (or the dispatcher for RELEASED and CRASHED) reports it."""

    kind: str
    payload: bytes | None = None  # result, failure, the next input, or the encoded reason of a park (a str)
    wake_at: int = 0  # SLEEPING, WAITING with a time-out, RETRY
    wake_seq: int = 0  # SLEEPING, WAITING, DIVERGED: what the executor had seen (R14)
    cause_seq: int = 0  # FAILED, RETRY: the record whose failure left the body; 0 when it was the body's own
    cause: str = ""  # FAILED: "", "timeout"; PARKED: "", "poison", DIVERGED; CRASHED: signal or exit code in words


class Submission(msgspec.Struct, frozen=True, gc=False):
    """One execution to create. `id` is client-made (UUIDv7), so that repeating a submission is safe (R17)."""

    id: str
    workflow: str
    input: bytes
    digest: bytes
    key: str | None = None
    priority: int = 0
    run_at: int | None = None  # None: now
    timeout_us: int | None = None
    tags: dict[str, str] | None = None


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """The answer to one Submission: `id` is the first execution's when the key was known already."""

    id: str
    created: bool
    conflict: bool = False  # the key exists with another input digest; nothing was created


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
    messages: list[Message] = []  # not consumed yet, in the order of arrival


class ExecutionCommit(msgspec.Struct, gc=False):
    """What one transaction writes for one execution: records in order, then perhaps the end of the claim (R11)."""

    id: str
    epoch: int
    records: list[Record]
    end: End | None = None
    worker: int = 0  # slot, for the audit trail
    death_count: int | None = None  # None: unchanged; set to 0 by the first new record after a death
    alone_death_count: int | None = None
    heir: str | None = None  # PARKED: the node it goes over to instead, RELEASED, if that is alive (R27)


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
