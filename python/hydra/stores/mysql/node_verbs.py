"""What nodes, and their peers, ask of MySQL and MariaDB: each verb with its transaction. Knows no SQL."""

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
from hydra.stores.mysql import (
    claiming,
    committing,
    nodes,
    parking,
    progress,
    reading,
    schedules,
    tallies,
    timers,
)
from hydra.stores.mysql.database import Database
from hydra.stores.mysql.heads import Heads
from hydra.stores.mysql.step_connection import StepConnection
from hydra.stores.mysql.tallies import NEW_WORK
from hydra.stores.mysql.watch import Watch
from hydra.stores.node_states import NOBODY, Advanced, Beat, NodeState, Owned
from hydra.stores.workflow_info import WorkflowInfo


class NodeVerbs:
    """See `hydra.stores.node_verbs.NodeVerbs`."""

    namespace: str
    _database: Database
    _turn: Turn
    _heads: Heads
    _has_deltas: bool  # for the next heartbeat to fold
    _watch: Watch

    def register_node(self, info: NodeInfo, now: int) -> NodeRef:
        self._watch.kind = NEW_WORK
        return self._database.write(nodes.register_node, info, now)

    def register_workflows(self, node: NodeRef, workflows: Sequence[WorkflowInfo], now: int) -> None:
        self._database.write(nodes.register_workflows, node, workflows)

    def heartbeat_node(
        self, node: NodeRef, now: int, *, listening: Mapping[str, int] = NOBODY, is_last: bool = False
    ) -> Beat:
        self._watch.is_listening = bool(listening)
        finish = self._database.finish if is_last and not self._has_deltas else None
        beat, self._has_deltas = self._database.write(nodes.heartbeat_node, node, now, listening, finish)
        return beat

    def report_progress(self, node: NodeRef, reports: Sequence[Progress], now: int) -> None:
        self._database.write(progress.report_progress, node, reports)

    def claim(
        self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, *, is_last: bool = False
    ) -> list[Claimed]:
        return self._database.write(claiming.claim, self._heads, node, workflows, slots, now)

    def recover(self, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
        return self._database.write(claiming.recover, node, ids)

    def commit(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, *, is_last: bool = False
    ) -> list[CommitAnswer]:
        return self._database.write(committing.commit, node, commits, now)

    def promote(self, now: int, limit: int, failed: list[str] | None = None) -> int:
        moved, ended = self._database.write(timers.promote, self._turn, now, limit)
        if failed is not None:
            failed += ended
        return moved

    def next_due_at(self) -> int | None:
        return self._database.read(timers.next_due_at)

    def _due(self) -> tuple[bool, int]:
        return self._database.read(timers.read_due)

    def _changes(self, kind: str) -> tuple[object, int]:
        return self._database.read(tallies.read_changes, kind)

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
        return StepConnection(self._database.address, self.namespace, self._database.share_locks_block)

    # peers

    def nodes(self) -> list[NodeState]:
        return self._database.read(nodes.read_nodes)

    def servers(self) -> dict[str, list[str]]:
        return self._database.read(reading.read_servers)

    def mark_dead(self, node_id: str, counter: int | None, now: int) -> bool:
        return self._database.write(nodes.mark_dead, node_id, counter)

    def record_crashes(self, node_id: str, commits: Sequence[ExecutionCommit], now: int) -> list[bool]:
        return self._database.write(committing.record_crashes, node_id, commits, now)

    def return_executions(self, now: int, limit: int, sparing: Sequence[str] = ()) -> int:
        return self._database.write(nodes.return_executions, now, limit, sparing)
