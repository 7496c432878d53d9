"""What nodes, and their peers, ask of PostgreSQL: each verb with its transaction. Knows no SQL."""

from __future__ import annotations

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
from hydra.stores.postgres import (
    claiming,
    committing,
    nodes,
    parking,
    progress,
    reading,
    schedules,
    timers,
)
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.heads import Heads
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.step_connection import StepConnection
from hydra.stores.postgres.watch import Watch
from hydra.stores.workflow_info import WorkflowInfo

FOLD_BEATS = 50  # heartbeats between two times that the differences of counts are added up


class NodeVerbs:
    """See `hydra.stores.node_verbs.NodeVerbs`."""

    namespace: str
    _database: Database
    _turn: Turn
    _heads: Heads
    _beat_count: int
    _watch: Watch

    def register_node(self, info: NodeInfo, now: int) -> NodeRef:
        self._watch.add_interest(READY)
        return self._database.part(nodes.register_node, info, now)

    def register_workflows(self, node: NodeRef, workflows: Sequence[WorkflowInfo], now: int) -> None:
        has_limits = any(workflow.limits for workflow in workflows)
        write = self._database.write if has_limits else self._database.part
        write(nodes.register_workflows, node, workflows)

    def heartbeat_node(
        self, node: NodeRef, now: int, *, listening: Mapping[str, int] = NOBODY, is_last: bool = False
    ) -> Beat:
        self._beat_count += 1
        self._watch.is_listening = bool(listening)
        part = self._database.last_part if is_last else self._database.part
        return part(nodes.heartbeat_node, node, now, listening, folds=self._beat_count % FOLD_BEATS == 0)

    def report_progress(self, node: NodeRef, reports: Sequence[Progress], now: int) -> None:
        self._database.part(progress.report_progress, node, reports)

    def claim(
        self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, *, is_last: bool = False
    ) -> list[Claimed]:
        part = self._database.last_part if is_last else self._database.part
        return part(claiming.claim, self._heads, node, workflows, slots, now)

    def recover(self, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
        return self._database.part(claiming.recover, node, ids)

    def commit(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, *, is_last: bool = False
    ) -> list[CommitAnswer]:
        if not committing.is_one_flush(commits):
            return self._database.write(committing.commit_all, node, commits, now)
        part = self._database.last_part if is_last else self._database.part
        return part(committing.commit, node, commits, now)

    def promote(self, now: int, limit: int, failed: list[str] | None = None) -> int:
        moved, ended = self._database.write(timers.promote, self._turn, now, limit)
        if failed is not None:
            failed += ended
        return moved

    def next_due_at(self) -> int | None:
        return self._database.read(timers.next_due_at)

    def upsert_schedules(self, node: NodeRef, entries: Sequence[ScheduleEntry], now: int) -> None:
        self._database.part(schedules.upsert_schedules, node, entries)

    def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
        return self._database.write(schedules.fire_schedules, node, changes, now)

    def resync(self, node: NodeRef) -> tuple[NodeRef, list[Owned]]:
        return self._database.part(nodes.resync, node)

    def park(self, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int) -> list[str]:
        return self._database.part(parking.park, node_id, advanced, cause, reason, now)

    def unregister_node(self, node: NodeRef, now: int) -> None:
        self._database.part(nodes.unregister_node, node)

    def step_connection(self) -> StepConnection:
        return StepConnection(self._database, self.namespace)

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
        return self._database.part(committing.record_crashes, node_id, commits)

    def return_executions(self, now: int, limit: int, sparing: Sequence[str] = ()) -> int:
        return self._database.part(nodes.return_executions, now, limit, sparing)
