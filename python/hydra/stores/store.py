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
from typing import Protocol

from hydra.attributes import KeyChanges
from hydra.execution import (
    Claim,
    Message,
    Progress,
    Record,
    Snapshot,
    Status,
    Submission,
    Submitted,
)
from hydra.records.callbacks import CallbackNames
from hydra.records.forks import Fork
from hydra.schedules import ScheduleChange, ScheduleState
from hydra.sought import Sought
from hydra.stores.act_verbs import ActVerbs
from hydra.stores.acts import Act
from hydra.stores.clash import Clash
from hydra.stores.deleting import Deleted, Tree
from hydra.stores.failed_end import FailedEnd
from hydra.stores.filter import Filter
from hydra.stores.findings import Finding, Violation
from hydra.stores.limit_verbs import LimitVerbs
from hydra.stores.moved import MoveLine
from hydra.stores.node_verbs import NodeVerbs
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.rerunning import Reran, Rerun
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.stats import Stats
from hydra.stores.sweep_verbs import SweepVerbs
from hydra.stores.workflow_info import WorkflowInfo
from hydra.stores.wrapped_secret import WrappedSecret


class Store(ActVerbs, LimitVerbs, NodeVerbs, SweepVerbs, Protocol):
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

    def signal_in(
        self, connection: object, messages: Sequence[Message], now: int
    ) -> builtins.list[Status | Clash | None]:
        """`signal` in the caller's own open transaction. It holds the executions' rows until it ends: keep it short."""
        ...

    def request_cancel_in(
        self, connection: object, ids: Sequence[str], now: int, *, undo: bool = True
    ) -> builtins.list[Status | None]:
        """`request_cancel` in the caller's own open transaction, which then holds the rows of all it cancels."""
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

    def signal(self, messages: Sequence[Message], now: int) -> builtins.list[Status | Clash | None]:
        """Put messages before executions, number them, and wake or mark each (R14). The status before, None if unknown;
        a final one takes none. A message that was put before, or consumed, is not put again (R17): a Clash where it
        had another name or payload, as far as that is still known (not of a generation that is over)."""
        ...

    def get(self, ids: Sequence[str]) -> builtins.list[Snapshot | None]: ...
    def find(self, workflow: str, key: str) -> Snapshot | None: ...
    def known_keys(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The id of who has each (workflow, key), where somebody has it; he may be purged."""
        ...

    def list(self, filter: Filter) -> builtins.list[Snapshot]: ...
    def place(self, filter: Filter, count: int) -> str | None:
        """How far a list reaches that looks at so many executions and no more: the id of the last of them. None where
        it looks at fewer, or at none but those that it gives."""
        ...

    def outcomes(self, ids: Sequence[str]) -> builtins.list[tuple[Status, bytes | None, str] | None]:
        """(status, payload, cause) of each execution that is final or, without payload and cause, parked; None for one
        that goes on. NotFound if unknown."""
        ...

    def failures(self, ids: Sequence[str]) -> dict[str, FailedEnd]:
        """Of these, those that failed or are parked."""
        ...

    def input(self, id: str) -> bytes: ...
    def records(self, id: str) -> builtins.list[Record]: ...
    def histories(self, ids: Sequence[str]) -> dict[str, tuple[bytes, builtins.list[Record]]]:
        """Input and records of each that is known: `input` and `records` for many at a time."""
        ...

    def messages(self, id: str, name: str | None = None) -> builtins.list[Message]:
        """What was put before an execution and is not consumed yet, of one name or all, in the order of arrival."""
        ...

    def waits(self, id: str) -> builtins.list[Record]:
        """Of the last WAITS_LOOKED_THROUGH records of an open execution, those of waits that have no outcome."""
        ...

    def callback_records(self, id: str, names: CallbackNames, token: bytes) -> builtins.list[Record]:
        """Of one execution's records those that a completion of one callback needs: its waits, its type, what was set
        aside (without its payload), and the record whose payload is the encoded token. No other payload is read."""
        ...

    def claims(self, id: str) -> builtins.list[Claim]: ...
    def progress(self, id: str) -> builtins.list[Progress]:
        """What its long steps said last; also of steps that have ended meanwhile."""
        ...

    def stats(self, now: int) -> Stats: ...
    @property
    def connection_count(self) -> int:
        """Connections to the database that this store has open now."""
        ...

    def pending_count(self, limit: int, workflow: str | None = None) -> int:
        """How many executions are pending, delayed ones included, of all workflows or of one; counted no further than
        `limit`."""
        ...

    def workflows(self) -> builtins.list[WorkflowInfo]: ...
    def schedules(self) -> builtins.list[ScheduleState]:
        """Every schedule that was ever registered, by name."""
        ...

    def change_schedules(self, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        """What a person orders: each change, its submissions and cancels, if the row still has its revision, or False.
        A key that is known is not submitted again (R25)."""
        ...

    def wrapped_secrets(self) -> builtins.list[WrappedSecret]:
        """The secret that keys this namespace's digests, once for each key that payloads were encrypted with."""
        ...

    def add_wrapped_secret(self, secret: WrappedSecret) -> None:
        """Where there is none of that number yet; else nothing."""
        ...

    def move_lines(self) -> builtins.list[MoveLine]:
        """What moves of this namespace, from here and to here, have left; empty where there was none."""
        ...

    def pauses(self) -> builtins.list[Pause]:
        """What is paused, and which nodes were asked to drain."""
        ...

    def pause(self, pause: Pause, lines: Sequence[Act] = ()) -> None:
        """Once it has returned no claim takes anything of it, on any node; what was claimed goes on. Executions may
        still be submitted. A node learns of its own with its next beat. Repeating it keeps `paused_at`."""
        ...

    def unpause(self, kind: PauseKind, name: str) -> bool:
        """Whether it was paused."""
        ...

    def purge(self, older_than: int, limit: int) -> int:
        """Delete up to `limit` final executions finished before `older_than`; keys stay (R24). How many went."""
        ...

    def acts(self, id: str) -> builtins.list[Act]:
        """What persons have changed about an execution by hand, in order; of one that was deleted, that it was."""
        ...

    def set_attributes(self, id: str, changes: KeyChanges, now: int) -> Status | None:
        """Change what an execution is found by, whatever its state. Its status, None if it is unknown."""
        ...

    def attribute_counts(self, sought: Sequence[Sought], limit: int) -> builtins.list[int]:
        """How many executions have each; counted no further than `limit`."""
        ...

    def reschedule(self, order: Reschedule, now: int) -> Rescheduled | None:
        """Another time or priority for what is pending and which no node holds; else nothing is changed. None if it is
        unknown. An order whose act is known is not done again."""
        ...

    def superseded(self, ids: Sequence[str]) -> set[str]:
        """Of these, those in whose place another one runs or has run: their key went over, or they were run again."""
        ...

    def rerun(self, orders: Sequence[Rerun], now: int) -> builtins.list[Reran | None]:
        """Make new executions of ended ones, each under the key that the other gives up, with a line in `acts` of both;
        in one transaction. None where the source is unknown. One that was run again before is not once more: the answer
        is what it was run again as, whoever asked (so repeating it is safe, R17)."""
        ...

    def tree(self, id: str) -> Tree | None:
        """What `delete` would look at first: whether the execution is a root, and all that it has spawned has ended.
        None if it is unknown."""
        ...

    def delete(self, act: Act, limit: int) -> Deleted | None:
        """Delete the execution of the act and its tree, as `purge` would by their age, up to `limit` of them, the root
        last; the act stays. None if it is unknown."""
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
