"""The store protocol on one SQLite file: opens it, gives each verb its transaction, knows no SQL."""

from __future__ import annotations

import builtins
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from hydra.errors import SchemaError
from hydra.execution import (
    Claim,
    Claimed,
    CommitAnswer,
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
    is_refused,
)
from hydra.records.callbacks import CallbackNames
from hydra.records.forks import Fork
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleState
from hydra.stores.acts import Act
from hydra.stores.clash import Clash
from hydra.stores.deleting import Deleted, Tree
from hydra.stores.failed_end import FailedEnd
from hydra.stores.filter import Filter
from hydra.stores.findings import Finding, Violation
from hydra.stores.key_pauses import KeyPause
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.node_states import NOBODY, Advanced, Beat, NodeState, Owned
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.rerunning import Reran, Rerun
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.sqlite import (
    acts,
    admitting,
    auditing,
    callers,
    cancelling,
    claiming,
    committing,
    examining,
    forking,
    mailbox,
    nodes,
    orders,
    parking,
    pausing,
    progress,
    purging,
    reading,
    rerunning,
    schedules,
    schema,
    submission,
    timers,
)
from hydra.stores.sqlite.database import Database
from hydra.stores.sqlite.step_connection import StepConnection
from hydra.stores.sqlite.watch import Watch
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo


class SqliteStore:
    """See `hydra.stores.store.Store`. Opens lazily again after a fork."""

    def __init__(self, url: str, path: str, namespace: str, *, synchronous: str = "full") -> None:
        self.url = url
        self.path = os.path.realpath(path)  # a program may change its directory; a link leads to the same lock files
        self.namespace = namespace
        self._database = Database(self.path, synchronous)
        self.read_wait_seconds = self._database.write_wait_seconds  # of other writers: a reader waits for nobody
        self._watch = Watch(self._database, self._due)

    @property
    def write_wait_seconds(self) -> float:
        """How long a write waits for other writers of the file before it raises StoreUnavailable."""
        return self._database.write_wait_seconds

    @write_wait_seconds.setter
    def write_wait_seconds(self, seconds: float) -> None:
        self._database.write_wait_seconds = seconds

    @property
    def connection_number(self) -> int:
        return 0

    # life

    def open(self, *, migrate: bool = True) -> None:
        self._database.check()
        if not migrate:
            if not os.path.exists(self.path) or not schema.is_current(self._database):
                message = f"the database `{self.path}` has no tables of this hydra's version"
                raise SchemaError(f"{message}; run `hydra migrate`")
            return
        self._database.enter_wal()
        if not schema.is_current(self._database):
            schema.migrate(self._database, is_asked=False)

    def migrate(self) -> tuple[int, int]:
        self._database.check()
        self._database.enter_wal()
        return schema.migrate(self._database)

    def close(self) -> None:
        self._watch.close()
        self._database.close()

    def now(self) -> int:
        return time.time_ns() // 1000

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._database.transaction():
            yield

    # programs

    def submit(self, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        with self._database.transaction() as connection:
            return submission.submit(connection, self.namespace, submissions, now)

    def submit_in(self, connection: object, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        with callers.joined(connection, self.path) as own:
            own.execute("savepoint hydra_submit_in")
            answers = submission.submit(own, self.namespace, submissions, now)
            if any(map(is_refused, submissions, answers)):
                own.execute("rollback to hydra_submit_in")
            own.execute("release hydra_submit_in")
            return answers

    def signal_in(
        self, connection: object, messages: Sequence[Message], now: int
    ) -> builtins.list[Status | Clash | None]:
        with callers.joined(connection, self.path) as own, callers.all_or_nothing(own):
            return mailbox.signal(own, self.namespace, messages, now)

    def request_cancel_in(
        self, connection: object, ids: Sequence[str], now: int, *, undo: bool = True
    ) -> builtins.list[Status | None]:
        with callers.joined(connection, self.path) as own, callers.all_or_nothing(own):
            return cancelling.request_cancel(own, self.namespace, ids, now, undo=undo)

    def fork(self, fork: Fork, now: int) -> Submitted:
        with self._database.transaction() as connection:
            return forking.fork(connection, self.namespace, fork, now)

    def request_cancel(self, ids: Sequence[str], now: int, *, undo: bool = True) -> builtins.list[Status | None]:
        with self._database.transaction() as connection:
            return cancelling.request_cancel(connection, self.namespace, ids, now, undo=undo)

    def retry(self, ids: Sequence[str], now: int) -> builtins.list[Status | None]:
        with self._database.transaction() as connection:
            return orders.retry(connection, self.namespace, ids, now)

    def resume(self, ids: Sequence[str], now: int) -> builtins.list[Status | None]:
        with self._database.transaction() as connection:
            return orders.resume(connection, self.namespace, ids, now)

    def resolve(self, resolutions: Sequence[tuple[str, Record]], now: int) -> builtins.list[Status | None]:
        with self._database.transaction() as connection:
            return orders.resolve(connection, self.namespace, resolutions, now)

    def signal(self, messages: Sequence[Message], now: int) -> builtins.list[Status | Clash | None]:
        with self._database.transaction() as connection:
            return mailbox.signal(connection, self.namespace, messages, now)

    def get(self, ids: Sequence[str]) -> builtins.list[Snapshot | None]:
        with self._database.reading() as connection:
            return reading.snapshots(connection, self.namespace, ids)

    def find(self, workflow: str, key: str) -> Snapshot | None:
        with self._database.reading() as connection:
            return reading.find(connection, self.namespace, workflow, key)

    def list(self, filter: Filter) -> builtins.list[Snapshot]:
        with self._database.reading() as connection:
            return reading.list_snapshots(connection, self.namespace, filter)

    def outcomes(self, ids: Sequence[str]) -> builtins.list[tuple[Status, bytes | None, str] | None]:
        with self._database.reading() as connection:
            return reading.outcomes(connection, self.namespace, ids)

    def failures(self, ids: Sequence[str]) -> dict[str, FailedEnd]:
        with self._database.reading() as connection:
            return reading.read_failures(connection, self.namespace, ids)

    def input(self, id: str) -> bytes:
        with self._database.reading() as connection:
            return reading.read_input(connection, self.namespace, id)

    def records(self, id: str) -> builtins.list[Record]:
        with self._database.reading() as connection:
            return reading.read_records(connection, self.namespace, id)

    def histories(self, ids: Sequence[str]) -> dict[str, tuple[bytes, builtins.list[Record]]]:
        with self._database.reading() as connection:
            return reading.read_histories(connection, self.namespace, ids)

    def messages(self, id: str, name: str | None = None) -> builtins.list[Message]:
        with self._database.reading() as connection:
            return reading.read_messages(connection, self.namespace, id, name)

    def waits(self, id: str) -> builtins.list[Record]:
        with self._database.reading() as connection:
            return reading.read_waits(connection, self.namespace, id)

    def callback_records(self, id: str, names: CallbackNames, token: bytes) -> builtins.list[Record]:
        with self._database.reading() as connection:
            return reading.read_callback(connection, self.namespace, id, names, token)

    def claims(self, id: str) -> builtins.list[Claim]:
        with self._database.reading() as connection:
            return reading.read_claims(connection, self.namespace, id)

    def progress(self, id: str) -> builtins.list[Progress]:
        with self._database.reading() as connection:
            return progress.read_progress(connection, self.namespace, id)

    def stats(self, now: int) -> Stats:
        with self._database.reading() as connection:
            return reading.read_stats(connection, self.namespace)

    def pending_count(self, limit: int) -> int:
        with self._database.reading() as connection:
            return reading.read_pending_count(connection, self.namespace, limit)

    def workflows(self) -> builtins.list[WorkflowInfo]:
        with self._database.reading() as connection:
            return reading.read_workflows(connection, self.namespace)

    def schedules(self) -> builtins.list[ScheduleState]:
        with self._database.reading() as connection:
            return schedules.read_schedules(connection, self.namespace)

    def change_schedules(self, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        with self._database.transaction() as connection:
            return schedules.change_schedules(connection, self.namespace, changes, now)

    def pauses(self) -> builtins.list[Pause]:
        with self._database.reading() as connection:
            return pausing.read_pauses(connection, self.namespace)

    def pause(self, pause: Pause) -> None:
        with self._database.transaction() as connection:
            pausing.pause(connection, self.namespace, pause)

    def unpause(self, kind: PauseKind, name: str) -> bool:
        with self._database.transaction() as connection:
            return pausing.unpause(connection, self.namespace, kind, name)

    def limits(self) -> builtins.list[LimitState]:
        with self._database.reading() as connection:
            return admitting.read_limits(connection, self.namespace)

    def set_limit(self, kind: str, name: str, numbers: tuple[int | None, int | None, int | None], now: int) -> bool:
        with self._database.transaction() as connection:
            return admitting.set_limit(connection, self.namespace, kind, name, numbers)

    def waiting_count(self, key: str, limit: int) -> int:
        with self._database.reading() as connection:
            return admitting.count_waiting(connection, self.namespace, key, limit)

    def weights(self, name: str) -> builtins.list[Weight]:
        with self._database.reading() as connection:
            return admitting.read_weights(connection, self.namespace, name)

    def set_weight(self, key: str, weight: int | None, now: int) -> None:
        with self._database.transaction() as connection:
            admitting.set_weight(connection, self.namespace, key, weight)

    def limit_use(self, kind: str, name: str, keys: int, waiting: int) -> builtins.list[LimitUse]:
        with self._database.reading() as connection:
            return admitting.read_use(connection, self.namespace, kind, name, keys, waiting)

    def key_use(self, key: str, holders: int) -> KeyUse:
        with self._database.reading() as connection:
            return admitting.read_key(connection, self.namespace, key, holders)

    def key_pauses(self, first: str, last: str, limit: int) -> builtins.list[KeyPause]:
        with self._database.reading() as connection:
            return admitting.read_key_pauses(connection, self.namespace, first, last, limit)

    def pause_key(self, pause: KeyPause) -> None:
        with self._database.transaction() as connection:
            admitting.pause_keys(connection, self.namespace, [pause], is_order=True)

    def resume_key(self, key: str) -> bool:
        with self._database.transaction() as connection:
            return admitting.resume_key(connection, self.namespace, key)

    def purge(self, older_than: int, limit: int) -> int:
        with self._database.transaction() as connection:
            return purging.purge(connection, self.namespace, older_than, limit)

    def acts(self, id: str) -> builtins.list[Act]:
        with self._database.reading() as connection:
            return acts.read_acts(connection, self.namespace, id)

    def reschedule(self, order: Reschedule, now: int) -> Rescheduled | None:
        with self._database.transaction() as connection:
            return acts.reschedule(connection, self.namespace, order, now)

    def superseded(self, ids: Sequence[str]) -> set[str]:
        with self._database.reading() as connection:
            return reading.read_superseded(connection, ids)

    def rerun(self, orders: Sequence[Rerun], now: int) -> builtins.list[Reran | None]:
        with self._database.transaction() as connection:
            return rerunning.rerun(connection, self.namespace, orders, now)

    def tree(self, id: str) -> Tree | None:
        with self._database.reading() as connection:
            return purging.read_tree(connection, self.namespace, id)

    def delete(self, act: Act, limit: int) -> Deleted | None:
        with self._database.transaction() as connection:
            return purging.delete(connection, self.namespace, act, limit)

    def audit(self) -> builtins.list[Violation]:
        with self._database.reading() as connection:
            return auditing.audit(connection, self.namespace)

    def examine(self) -> builtins.list[Finding]:
        return examining.examine(self._database)

    def durability(self) -> Finding:
        return examining.judge_synchronous(self._database.synchronous)

    def wait_for_change(self, timeout: float) -> bool:
        return self._watch.wait(timeout)

    # nodes

    def register_node(self, info: NodeInfo, now: int) -> NodeRef:
        self._watch.is_node = True
        with self._database.transaction() as connection:
            return nodes.register_node(connection, self.namespace, info, now)

    def register_workflows(self, node: NodeRef, workflows: Sequence[WorkflowInfo], now: int) -> None:
        with self._database.transaction() as connection:
            nodes.register_workflows(connection, self.namespace, node, workflows)

    def heartbeat_node(
        self, node: NodeRef, now: int, *, listening: Mapping[str, int] = NOBODY, is_last: bool = False
    ) -> Beat:
        with self._database.transaction() as connection:
            self._watch.is_listening = bool(listening)
            return nodes.heartbeat_node(connection, self.namespace, node, now, self.now(), listening)

    def report_progress(self, node: NodeRef, reports: Sequence[Progress], now: int) -> None:
        with self._database.transaction() as connection:
            progress.report_progress(connection, self.namespace, node, reports)

    def claim(
        self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, *, is_last: bool = False
    ) -> builtins.list[Claimed]:
        with self._database.transaction() as connection:
            return claiming.claim(connection, self.namespace, node, workflows, slots, now)

    def recover(self, node: NodeRef, ids: Sequence[str]) -> builtins.list[Claimed]:
        with self._database.transaction() as connection:
            return claiming.recover(connection, self.namespace, node, ids)

    def commit(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, *, is_last: bool = False
    ) -> builtins.list[CommitAnswer]:
        with self._database.transaction() as connection:
            return committing.commit(connection, self.namespace, node, commits, now)

    def promote(self, now: int, limit: int, failed: builtins.list[str] | None = None) -> int:
        due_at = self.next_due_at()
        if due_at is None or due_at > now:
            return 0
        with self._database.transaction() as connection:
            moved, ended = timers.promote(connection, self.namespace, now, limit)
        if failed is not None:
            failed += ended
        return moved

    def next_due_at(self) -> int | None:
        with self._database.reading() as connection:
            return timers.next_due_at(connection, self.namespace)

    def _due(self) -> tuple[bool, int | None]:
        with self._database.reading() as connection:
            return timers.has_ready(connection, self.namespace), timers.next_due_at(connection, self.namespace)

    def upsert_schedules(self, node: NodeRef, entries: Sequence[ScheduleEntry], now: int) -> None:
        with self._database.transaction() as connection:
            schedules.upsert_schedules(connection, self.namespace, node, entries)

    def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        with self._database.transaction() as connection:
            return schedules.fire_schedules(connection, self.namespace, node, changes, now)

    def resync(self, node: NodeRef) -> tuple[NodeRef, builtins.list[Owned]]:
        with self._database.transaction() as connection:
            return nodes.resync(connection, self.namespace, node)

    def park(
        self, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int
    ) -> builtins.list[str]:
        with self._database.transaction() as connection:
            return parking.park(connection, self.namespace, node_id, advanced, cause, reason, now)

    def unregister_node(self, node: NodeRef, now: int) -> None:
        with self._database.transaction() as connection:
            nodes.unregister_node(connection, self.namespace, node)

    def step_connection(self) -> StepConnection:
        return StepConnection(self.path, self.namespace, self._database.synchronous)

    # peers

    def nodes(self) -> builtins.list[NodeState]:
        with self._database.reading() as connection:
            found = nodes.read_nodes(connection, self.namespace)
        self._watch.node_count = sum(node.state == "alive" for node in found)
        return found

    def servers(self) -> dict[str, builtins.list[str]]:
        with self._database.reading() as connection:
            return reading.read_servers(connection, self.namespace)

    def mark_dead(self, node_id: str, counter: int | None, now: int) -> bool:
        with self._database.transaction() as connection:
            return nodes.mark_dead(connection, self.namespace, node_id, counter)

    def record_crashes(self, node_id: str, commits: Sequence[ExecutionCommit], now: int) -> builtins.list[bool]:
        with self._database.transaction() as connection:
            if not nodes.is_dead(connection, self.namespace, node_id):
                return [False] * len(commits)
            return [
                bool(each) for each in committing.write(connection, self.namespace, NodeRef(node_id, 0), commits, now)
            ]

    def return_executions(self, now: int, limit: int, sparing: Sequence[str] = ()) -> int:
        with self._database.transaction() as connection:
            return nodes.return_executions(connection, self.namespace, now, limit, sparing)
