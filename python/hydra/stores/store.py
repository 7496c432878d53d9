"""The store protocol: one verb, one meaning, on every database. Verbs take many and answer per item.

A store belongs to one namespace and never touches another. Every verb that needs time takes `now`
(microseconds, database clock). A verb is one transaction, unless it runs inside `transaction()`, which joins all
verbs called in it into one; `is_last` says that no other follows, so that COMMIT may leave with what it sends.
Writes of a node carry its NodeRef and raise LeaseLost when the fence refuses (R6).
A database that does not answer raises StoreUnavailable (`outcome="unknown"` when a commit may have happened).

Threads: write verbs are for one thread at a time (the journal's leader); reads may come from any thread.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import Enum, StrEnum
from typing import Any, Protocol

import msgspec

from hydra.execution import (
    Claim,
    Claimed,
    ExecutionCommit,
    Message,
    NodeInfo,
    NodeRef,
    Progress,
    Record,
    Snapshot,
    Status,
    Submission,
    Submitted,
)
from hydra.forking import Fork
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleSpec, ScheduleState


class Attention(msgspec.Struct, frozen=True):
    """A running execution of this node that somebody asked to stop: kind is "cancel" or "timeout"."""

    id: str
    epoch: int
    kind: str


class Beat(msgspec.Struct, frozen=True):
    """The answer to a heartbeat: how many executions the node runs in the database (R16), and what wants attention."""

    running_count: int
    attention: list[Attention]
    messages: list[Message] = []  # for what it runs, those it was given before included
    counter: int = 0  # after this beat
    now: int = 0  # the database's clock, read with it


class Owned(msgspec.Struct, frozen=True):
    """What the database knows of one execution the node owns (R16)."""

    id: str
    epoch: int
    record_count: int


class Advanced(msgspec.Struct, frozen=True):
    """How many records an execution is known to have at least; its final end counts as one more (R19).

    That was so in the claim of `epoch`: where a generation ended in it or since, they are rightly forgotten.
    """

    id: str
    record_count: int
    epoch: int


class NodeState(msgspec.Struct, frozen=True):
    """A node as its peers see it; `counter` is its heartbeat (R3)."""

    info: NodeInfo
    state: str  # alive, dead, empty
    session: int
    counter: int
    registered_at: int
    beat_at: int
    running_count: int = 0
    code_version: str = ""  # of the workflows it registered last; a reload changes it within a registration


class WorkflowInfo(msgspec.Struct, frozen=True):
    """A registered workflow as programs without its code see it: `signature` is codec.describe_signature's JSON."""

    name: str
    signature: bytes
    timeout_us: int | None
    code_version: str
    schedule: ScheduleSpec | None = None  # as its code says; `workflows` leaves it out, `schedules` has it


class Filter(msgspec.Struct, frozen=True):
    """Which executions `list` returns, newest first; `before` is the last id of the previous page."""

    status: Status | None = None
    workflow: str | None = None
    key: str | None = None
    tags: dict[str, str] | None = None
    limit: int = 100
    before: str | None = None

    def admits(self, found: Snapshot) -> bool:
        """Whether that execution, which has the key and is of the workflow, is in the list."""
        has_tags = (self.tags or {}).items() <= found.tags.items()
        return has_tags and self.status in (None, found.status) and (self.before is None or found.id < self.before)


class Stats(msgspec.Struct, frozen=True):
    """Counts by (workflow, status) of this namespace; `unclaimed` names workflows with due work no live node serves."""

    counts: dict[str, dict[str, int]]
    oldest_due_at: int | None
    nodes_alive: int
    unclaimed: dict[str, int]


class Violation(msgspec.Struct, frozen=True):
    """A promise that the database shows to be broken: which, where, and the rows in words."""

    promise: str
    execution_id: str
    detail: str


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"  # it works, and may surprise
    DANGER = "danger"  # a promise does not hold


class Finding(msgspec.Struct, frozen=True):
    """One thing `hydra doctor` looked at."""

    severity: Severity
    subject: str
    sentence: str


class Passing(Enum):
    """What befell a transaction that another try may not meet."""

    CONTENDED = "it lost a lock"
    LOST = "its connection was lost"
    CLOSED = "the database takes no writes at the moment"


class StepConnection(Protocol):
    """A connection of its own for `@hydra.transaction` steps, one at a time (R21). Errors are the driver's own."""

    @property
    def connection(self) -> Any:
        """The driver's connection, as the user's function gets it."""
        ...

    @property
    def is_usable(self) -> bool:
        """Whether another transaction may begin on it."""
        ...

    def begin(self) -> None: ...
    def commit(self, node: NodeRef, item: ExecutionCommit, now: int) -> bool:
        """The fence, the record, COMMIT. False, and rolled back, where `Store.commit` would say so or the record
        exists; LeaseLost where the fence refuses; StoreUnavailable (`outcome="unknown"`) where COMMIT got no answer."""
        ...

    def roll_back(self) -> None: ...
    def passing(self, error: BaseException) -> Passing | None:
        """Why the same function may well succeed when it is run again, as far as this connection is at fault. None for
        what the function did itself, such as a read-only transaction, and for errors of other connections."""
        ...

    def interrupt(self) -> None:
        """End the statement under way, from any thread; what comes of it the transaction's own thread hears. Never
        raises, and may be in vain; whoever called it does not use the connection for another transaction."""
        ...

    def close(self) -> None: ...


class Store(Protocol):
    """See the module's text. `url` is as the user gave it, without a password."""

    url: str
    namespace: str
    write_wait_seconds: float  # how long a write waits for others before it raises StoreUnavailable
    read_wait_seconds: float  # how long a read waits for its answer

    @property
    def path(self) -> str | None:
        """The file of a database that is one; None for a server."""
        ...

    @property
    def connection_number(self) -> int:
        """Of the connection that writes, opened if need be, within `transaction()`: another one after each reconnect,
        which may lead to another server (R19). Always 0 for a file."""
        ...

    # life
    def open(self, *, migrate: bool = True) -> None: ...
    def migrate(self) -> tuple[int, int]:
        """Bring the tables to this code's version under a lock; returns (old, new). A newer schema is a SchemaError."""
        ...

    def close(self) -> None: ...
    def now(self) -> int: ...
    def transaction(self) -> AbstractContextManager[None]: ...

    # programs
    def submit(self, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]: ...
    def submit_in(self, connection: object, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        """In the caller's own open transaction, which it never commits; all, or none when one conflicts."""
        ...

    def fork(self, fork: Fork, now: int) -> Submitted:
        """Make an execution that has recorded what another had, in one transaction; its audit trail begins with a line
        that says so. NotFound if the other has not (any more) so many records; repeating it is safe, as of `submit`."""
        ...

    def request_cancel(self, ids: Sequence[str], now: int, *, undo: bool = True) -> builtins.list[Status | None]:
        """Cancel what does not run; flag what runs (R10, R15). The status after, None where the id is unknown.

        What has registered undo steps becomes due instead, and whoever claims it undoes and ends it. Without `undo`
        these end like the others; their children do not.
        """
        ...

    def retry(self, ids: Sequence[str], now: int) -> builtins.list[Status | None]:
        """failed -> pending; appends SUPERSEDE for the failure that left the body. Status before, None if unknown."""
        ...

    def resume(self, ids: Sequence[str], now: int) -> builtins.list[Status | None]:
        """parked -> pending, death counts cleared. Status before, None if unknown."""
        ...

    def resolve(self, resolutions: Sequence[tuple[str, Record]], now: int) -> builtins.list[Status | None]:
        """Settle steps in doubt: append each record (of kind RESOLUTION) as its execution's next (R13) and make it due,
        as `resume` does; where it is parked and that is its next number, else nothing. Status before, None if unknown.
        PENDING stands for what was parked with another number of records."""
        ...

    def signal(self, messages: Sequence[Message], now: int) -> builtins.list[Status | None]:
        """Put messages before executions, and wake or mark each (R14). The status before, None if unknown; a final
        one takes none. A message that was put before, or consumed, is not put again (R17)."""
        ...

    def get(self, ids: Sequence[str]) -> builtins.list[Snapshot | None]: ...
    def find(self, workflow: str, key: str) -> Snapshot | None: ...
    def list(self, filter: Filter) -> builtins.list[Snapshot]: ...
    def outcomes(self, ids: Sequence[str]) -> builtins.list[tuple[Status, bytes | None, str] | None]:
        """(status, payload, cause) of each final execution; None for one that is not final. NotFound if unknown."""
        ...

    def input(self, id: str) -> bytes: ...
    def records(self, id: str) -> builtins.list[Record]: ...
    def histories(self, ids: Sequence[str]) -> dict[str, tuple[bytes, builtins.list[Record]]]:
        """Input and records of each that is known: `input` and `records` for many at a time."""
        ...

    def messages(self, id: str) -> builtins.list[Message]:
        """What was put before an execution and is not consumed yet, in the order of arrival."""
        ...

    def claims(self, id: str) -> builtins.list[Claim]: ...
    def progress(self, id: str) -> builtins.list[Progress]:
        """What its long steps said last; also of steps that have ended meanwhile."""
        ...

    def stats(self, now: int) -> Stats: ...
    def pending_count(self, limit: int) -> int:
        """How many executions are pending, delayed ones included; counted no further than `limit`."""
        ...

    def workflows(self) -> builtins.list[WorkflowInfo]: ...
    def schedules(self) -> builtins.list[ScheduleState]:
        """Every schedule that was ever registered, by name."""
        ...

    def change_schedules(self, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        """What a person orders: each change, its submissions and cancels, if the row still has its revision, or False.
        A key that is known is not submitted again (R25)."""
        ...

    def purge(self, older_than: int, limit: int) -> int:
        """Delete up to `limit` final executions finished before `older_than`; keys stay (R24). How many went."""
        ...

    def audit(self) -> builtins.list[Violation]:
        """Everything the database can show to be wrong. Empty is the proof."""
        ...

    def examine(self) -> builtins.list[Finding]:
        """How the database is set up, and which promises it cannot keep like that. Needs no tables, writes nothing."""
        ...

    def durability(self) -> Finding:
        """The one finding of `examine` that every node must know: whether what is answered survives a power cut."""
        ...

    def wait_for_change(self, timeout: float) -> bool:
        """Block until others may have written something, at most `timeout` seconds. A hint; True if it saw one."""
        ...

    # nodes
    def register_node(self, info: NodeInfo, now: int) -> NodeRef: ...
    def register_workflows(self, node: NodeRef, workflows: Sequence[WorkflowInfo], now: int) -> None: ...
    def heartbeat_node(self, node: NodeRef, now: int, *, is_last: bool = False) -> Beat: ...
    def report_progress(self, node: NodeRef, reports: Sequence[Progress], now: int) -> None:
        """Keep the last word of each step; what this node does not run is passed over."""
        ...

    def claim(
        self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, *, is_last: bool = False
    ) -> builtins.list[Claimed]:
        """Take up to `slots` due executions, best first (Rust selection), with their records (R12)."""
        ...

    def commit(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, *, is_last: bool = False
    ) -> builtins.list[bool]:
        """Write records and ends; False for an execution this node no longer owns at that epoch (nothing written).

        One with an `heir` that is alive is RELEASED instead of PARKED and at once that node's, under the next epoch: it
        learns of it as of a claim whose reply was lost (R16).
        """
        ...

    def promote(self, now: int, limit: int) -> int:
        """Make due what a timer held: sleeping, waiting past its time-out, retries, delayed starts; fail what is past
        its timeout_at and does not run (or make it due, where it has registered undo steps), flag what runs. How many
        moved. Needs no fence: conditional writes only."""
        ...

    def next_due_at(self) -> int | None: ...
    def upsert_schedules(self, node: NodeRef, entries: Sequence[ScheduleEntry], now: int) -> None:
        """These, and no others, are in the node's code. A row changes if its spec does and its revision did not."""
        ...

    def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        """`change_schedules` by a node, under its fence: executions of ticks, and the marks that say so (R25)."""
        ...

    def resync(self, node: NodeRef) -> tuple[NodeRef, builtins.list[Owned]]:
        """After a lost reply: take the node's row exclusively, raise its session, read back what it owns (R16)."""
        ...

    def recover(self, node: NodeRef, ids: Sequence[str]) -> builtins.list[Claimed]:
        """Executions this node owns, with their records, as `claim` gave them when its reply was lost (R16)."""
        ...

    def park(
        self, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int
    ) -> builtins.list[str]:
        """Park what the database knows less of than is known to that node: not final, not running, with fewer records
        (R19). The ids parked; `reason` is the payload a person is shown. Needs no fence: conditional writes only."""
        ...

    def unregister_node(self, node: NodeRef, now: int) -> None:
        """A clean end: alive -> dead. What it still owns is returned by return_executions like any dead node's."""
        ...

    def step_connection(self) -> StepConnection:
        """Opened in the worker, by the step that needs it."""
        ...

    # peers
    def nodes(self) -> builtins.list[NodeState]: ...
    def mark_dead(self, node_id: str, counter: int | None, now: int) -> bool:
        """alive -> dead if its counter is still `counter` (None: known dead anyway), under its exclusive lock (R7)."""
        ...

    def return_executions(self, now: int, limit: int) -> int:
        """Give back up to `limit` executions of dead nodes; a node is empty only when a later scan finds none (R8)."""
        ...
