"""What nodes, and their peers, ask of one SQLite file: each verb with its transaction. Knows no SQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from hydra.execution import (
    Claimed,
    CommitAnswer,
    ExecutionCommit,
    NodeInfo,
    NodeRef,
    Progress,
)
from hydra.schedules import ScheduleChange, ScheduleEntry
from hydra.stores.admitting import Turn
from hydra.stores.node_states import NOBODY, Advanced, Beat, NodeState, Owned
from hydra.stores.sqlite import (
    claiming,
    committing,
    nodes,
    parking,
    progress,
    reading,
    schedules,
    timers,
)
from hydra.stores.sqlite.database import Database
from hydra.stores.sqlite.step_connection import StepConnection
from hydra.stores.sqlite.watch import Watch
from hydra.stores.workflow_info import WorkflowInfo


class NodeVerbs(ABC):
    """See `hydra.stores.node_verbs.NodeVerbs`."""

    path: str
    namespace: str
    _database: Database
    _turn: Turn
    _watch: Watch

    @abstractmethod
    def now(self) -> int: ...

    def register_node(self, info: NodeInfo, now: int) -> NodeRef:
        self._watch.is_node = True
        return self._database.write(nodes.register_node, info, now)

    def register_workflows(self, node: NodeRef, workflows: Sequence[WorkflowInfo], now: int) -> None:
        self._database.write(nodes.register_workflows, node, workflows)

    def heartbeat_node(
        self, node: NodeRef, now: int, *, listening: Mapping[str, int] = NOBODY, is_last: bool = False
    ) -> Beat:
        with self._database.transaction() as transaction:
            self._watch.is_listening = bool(listening)
            return nodes.heartbeat_node(transaction, node, now, self.now(), listening)

    def report_progress(self, node: NodeRef, reports: Sequence[Progress], now: int) -> None:
        self._database.write(progress.report_progress, node, reports)

    def claim(
        self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, *, is_last: bool = False
    ) -> list[Claimed]:
        return self._database.write(claiming.claim, node, workflows, slots, now)

    def recover(self, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
        return self._database.write(claiming.recover, node, ids)

    def commit(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, *, is_last: bool = False
    ) -> list[CommitAnswer]:
        return self._database.write(committing.commit, node, commits, now)

    def promote(self, now: int, limit: int, failed: list[str] | None = None) -> int:
        due_at = self.next_due_at()
        if due_at is None or due_at > now:
            return 0
        moved, ended = self._database.write(timers.promote, self._turn, now, limit)
        if failed is not None:
            failed += ended
        return moved

    def next_due_at(self) -> int | None:
        return self._database.read(timers.next_due_at)

    def _due(self) -> tuple[bool, int | None]:
        with self._database.reading() as reading:
            return timers.has_ready(reading), timers.next_due_at(reading)

    def upsert_schedules(self, node: NodeRef, entries: Sequence[ScheduleEntry], now: int) -> None:
        self._database.write(schedules.upsert_schedules, node, entries)

    def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
        return self._database.write(schedules.fire_schedules, node, changes, now)

    def resync(self, node: NodeRef) -> tuple[NodeRef, list[Owned]]:
        return self._database.write(nodes.resync, node)

    def park(self, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int) -> list[str]:
        return self._database.write(parking.park, node_id, advanced, cause, reason, now)

    def unregister_node(self, node: NodeRef, now: int) -> None:
        self._database.write(nodes.unregister_node, node)

    def step_connection(self) -> StepConnection:
        return StepConnection(self.path, self.namespace, self._database.synchronous)

    # peers

    def nodes(self) -> list[NodeState]:
        found = self._database.read(nodes.read_nodes)
        self._watch.node_count = sum(node.state == "alive" for node in found)
        return found

    def servers(self) -> dict[str, list[str]]:
        return self._database.read(reading.read_servers)

    def mark_dead(self, node_id: str, counter: int | None, now: int) -> bool:
        return self._database.write(nodes.mark_dead, node_id, counter)

    def record_crashes(self, node_id: str, commits: Sequence[ExecutionCommit], now: int) -> list[bool]:
        return self._database.write(committing.record_crashes, node_id, commits, now)

    def return_executions(self, now: int, limit: int, sparing: Sequence[str] = ()) -> int:
        return self._database.write(nodes.return_executions, now, limit, sparing)
