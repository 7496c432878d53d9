"""What nodes ask of a store, for their own executions and those of their peers. Writes carry the NodeRef (R6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from hydra.execution import (
    Claimed,
    CommitAnswer,
    ExecutionCommit,
    NodeInfo,
    NodeRef,
    Progress,
)
from hydra.schedules import ScheduleChange, ScheduleEntry
from hydra.stores.node_states import NOBODY, Advanced, Beat, NodeState, Owned
from hydra.stores.step_connection import StepConnection
from hydra.stores.workflow_info import WorkflowInfo


class NodeVerbs(Protocol):
    """A part of `hydra.stores.store.Store`, whose rules hold here, too."""

    def register_node(self, info: NodeInfo, now: int) -> NodeRef: ...
    def register_workflows(self, node: NodeRef, workflows: Sequence[WorkflowInfo], now: int) -> None: ...
    def heartbeat_node(
        self, node: NodeRef, now: int, *, listening: Mapping[str, int] = NOBODY, is_last: bool = False
    ) -> Beat:
        """`listening`: executions of this node that want their messages, each with the last number it has."""
        ...

    def report_progress(self, node: NodeRef, reports: Sequence[Progress], now: int) -> None:
        """Keep the last word of each step; what this node does not run is passed over."""
        ...

    def claim(
        self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, *, is_last: bool = False
    ) -> list[Claimed]:
        """Take up to `slots` due executions, best first (Rust selection), with their records (R12)."""
        ...

    def commit(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, *, is_last: bool = False
    ) -> list[CommitAnswer]:
        """Write records and ends; REFUSED for an execution this node no longer owns at that epoch (nothing written).

        CANCELLING where a cancel of what goes on was accepted, so that it stops before its node's next beat. What was
        cancelled before it completed or failed is RELEASED instead, so that it ends cancelled.

        One with a `successor` that is alive is RELEASED instead of PARKED, and at once that node's under the next
        epoch: it learns of it as of a claim whose reply was lost (R16).
        An EXPIRY is written as the EVENT it waited for where such a message is there under the execution's lock: of a
        message and an expiry that race, the first to commit wins. What was written instead is in the item's `arrived`.
        """
        ...

    def promote(self, now: int, limit: int, failed: list[str] | None = None) -> int:
        """Make due what a timer held: sleeping, waiting past its time-out, retries, delayed starts; fail what is past
        its timeout_at and does not run (or make it due, where it has registered undo steps), flag what runs. How many
        moved; `failed` is given the ids of those that ended. Needs no fence: conditional writes only."""
        ...

    def next_due_at(self) -> int | None: ...
    def upsert_schedules(self, node: NodeRef, entries: Sequence[ScheduleEntry], now: int) -> None:
        """These, and no others, are in the node's code. A row changes if its spec does and its revision did not."""
        ...

    def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
        """`change_schedules` by a node, under its fence: executions of ticks, and the marks that say so (R25)."""
        ...

    def resync(self, node: NodeRef) -> tuple[NodeRef, list[Owned]]:
        """After a lost reply: take the node's row exclusively, raise its session above both what it is there and what
        the node knows (an older database may say less, R19), read back what it owns (R16)."""
        ...

    def recover(self, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
        """Executions this node owns, with their records, as `claim` gave them when its reply was lost (R16)."""
        ...

    def park(self, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int) -> list[str]:
        """Park what the database knows less of than is known to that node: not final, with fewer records, not running
        but on a dead node, from which each of these is taken back first (R19). The ids parked; `reason` is the payload
        a person is shown. Needs no fence: conditional writes only."""
        ...

    def unregister_node(self, node: NodeRef, now: int) -> None:
        """A clean end: alive -> dead. What it still owns is returned by return_executions like any dead node's."""
        ...

    def step_connection(self) -> StepConnection:
        """Opened in the worker, by the step that needs it."""
        ...

    # peers
    def nodes(self) -> list[NodeState]: ...
    def servers(self) -> dict[str, list[str]]:
        """By workflow, the living nodes that run it."""
        ...

    def mark_dead(self, node_id: str, counter: int | None, now: int) -> bool:
        """alive -> dead if its counter is still `counter` (None: known dead anyway), under its exclusive lock (R7)."""
        ...

    def record_crashes(self, node_id: str, commits: Sequence[ExecutionCommit], now: int) -> list[bool]:
        """The tries that died with a dead node, before its executions are returned: records of what it still owns, as
        the next ones. False where somebody was first; nothing is written of a node that is not dead."""
        ...

    def return_executions(self, now: int, limit: int, sparing: Sequence[str] = ()) -> int:
        """Give back up to `limit` executions of dead nodes, but of these; a node is empty only when a later scan finds
        none (R8)."""
        ...
