"""The store protocol on MySQL and MariaDB: opens the database, gives each verb its transaction, knows no SQL."""

from __future__ import annotations

import builtins
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
)
from hydra.records.callbacks import CallbackNames
from hydra.records.forks import Fork
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleState
from hydra.stores.acts import Act
from hydra.stores.admission import NEVER
from hydra.stores.clash import Clash
from hydra.stores.deleting import Deleted, Tree
from hydra.stores.failed_end import FailedEnd
from hydra.stores.filter import Filter
from hydra.stores.findings import Finding, Violation
from hydra.stores.key_pauses import KeyPause
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.mysql import (
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
    probing,
    progress,
    purging,
    rerunning,
    schedules,
    schema,
    submission,
    timers,
)
from hydra.stores.mysql.address import read_address
from hydra.stores.mysql.database import Database
from hydra.stores.mysql.heads import Heads
from hydra.stores.mysql.reading import Reader
from hydra.stores.mysql.step_connection import StepConnection
from hydra.stores.mysql.tallies import NEW_WORK
from hydra.stores.mysql.transaction import WriteTransaction
from hydra.stores.mysql.watch import Bells, Watch
from hydra.stores.node_states import NOBODY, Advanced, Beat, NodeState, Owned
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.rerunning import Reran, Rerun
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.stats import Stats
from hydra.stores.urls import without_password
from hydra.stores.workflow_info import WorkflowInfo


class MysqlStore:
    """See `hydra.stores.store.Store`. Opens lazily again after a fork."""

    def __init__(self, url: str, namespace: str) -> None:
        self.url = without_password(url)
        self.namespace = namespace
        address = read_address(url)
        bells = Bells(address.database, namespace)
        self._database = Database(address, namespace, bells)
        self._reader = Reader(namespace, self._database.read)
        self._heads = Heads()
        self._has_deltas = False  # for the next heartbeat to fold
        self._watch = Watch(bells, self._heads, self._reader.changes, self._reader.due)

    @property
    def path(self) -> None:
        return None

    @property
    def write_wait_seconds(self) -> float:
        return self._database.write_wait_seconds

    @write_wait_seconds.setter
    def write_wait_seconds(self, seconds: float) -> None:
        self._database.write_wait_seconds = seconds

    @property
    def read_wait_seconds(self) -> float:
        return self._database.read_wait_seconds

    @read_wait_seconds.setter
    def read_wait_seconds(self, seconds: float) -> None:
        self._database.read_wait_seconds = seconds

    @property
    def connection_number(self) -> int:
        return self._database.writer_number

    # life

    def open(self, *, migrate: bool = True) -> None:
        self._check_version()
        if not schema.is_current(self._database):
            if not migrate:
                message = f"the database `{self._database.address.place}` has no tables of this hydra's version"
                raise SchemaError(f"{message}; run `hydra migrate`")
            schema.migrate(self._database, is_asked=False)
        self._database.share_locks_block = probing.share_locks_block(self._database)

    def migrate(self) -> tuple[int, int]:
        self._check_version()
        return schema.migrate(self._database)

    def close(self) -> None:
        self._database.close()

    def now(self) -> int:
        return self._reader.now()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._database.transaction():
            yield

    # programs

    def submit(self, submissions: Sequence[Submission], now: int) -> list[Submitted]:
        return self._database.write(lambda t: submission.submit(t, submissions, now))

    def submit_in(self, connection: object, submissions: Sequence[Submission], now: int) -> list[Submitted]:
        with callers.joined(connection, self.namespace, self._database) as transaction:
            return submission.submit_all_or_none(transaction, submissions, now)

    def signal_in(
        self, connection: object, messages: Sequence[Message], now: int
    ) -> builtins.list[Status | Clash | None]:
        with callers.joined(connection, self.namespace, self._database) as transaction:
            return mailbox.signal(transaction, messages, now)

    def request_cancel_in(
        self, connection: object, ids: Sequence[str], now: int, *, undo: bool = True
    ) -> builtins.list[Status | None]:
        with callers.joined(connection, self.namespace, self._database) as transaction:
            return cancelling.request_cancel(transaction, ids, now, undo=undo)

    def fork(self, fork: Fork, now: int) -> Submitted:
        return self._database.write(lambda t: forking.fork(t, fork, now))

    def request_cancel(self, ids: Sequence[str], now: int, *, undo: bool = True) -> list[Status | None]:
        return self._database.write(lambda t: cancelling.request_cancel(t, ids, now, undo=undo))

    def retry(self, ids: Sequence[str], now: int) -> list[Status | None]:
        return self._database.write(lambda t: orders.retry(t, ids, now))

    def resume(self, ids: Sequence[str], now: int) -> list[Status | None]:
        return self._database.write(lambda t: orders.resume(t, ids, now))

    def resolve(self, resolutions: Sequence[tuple[str, Record]], now: int) -> builtins.list[Status | None]:
        return self._database.write(lambda t: orders.resolve(t, resolutions, now))

    def signal(self, messages: Sequence[Message], now: int) -> list[Status | Clash | None]:
        return self._database.write(lambda t: mailbox.signal(t, messages, now))

    def get(self, ids: Sequence[str]) -> list[Snapshot | None]:
        return self._reader.snapshots(ids)

    def find(self, workflow: str, key: str) -> Snapshot | None:
        return self._reader.find(workflow, key)

    def list(self, filter: Filter) -> list[Snapshot]:
        return self._reader.list_snapshots(filter)

    def outcomes(self, ids: Sequence[str]) -> builtins.list[tuple[Status, bytes | None, str] | None]:
        return self._reader.outcomes(ids)

    def failures(self, ids: Sequence[str]) -> dict[str, FailedEnd]:
        return self._reader.failures(ids)

    def input(self, id: str) -> bytes:
        return self._reader.input(id)

    def records(self, id: str) -> builtins.list[Record]:
        return self._reader.records(id)

    def histories(self, ids: Sequence[str]) -> dict[str, tuple[bytes, builtins.list[Record]]]:
        return self._reader.histories(ids)

    def messages(self, id: str, name: str | None = None) -> builtins.list[Message]:
        return self._reader.messages(id, name)

    def waits(self, id: str) -> builtins.list[Record]:
        return self._reader.waits(id)

    def callback_records(self, id: str, names: CallbackNames, token: bytes) -> builtins.list[Record]:
        return self._reader.callback_records(id, names, token)

    def claims(self, id: str) -> builtins.list[Claim]:
        return self._reader.claims(id)

    def progress(self, id: str) -> builtins.list[Progress]:
        return self._reader.progress(id)

    def stats(self, now: int) -> Stats:
        return self._reader.stats()

    def pending_count(self, limit: int) -> int:
        return self._reader.pending_count(limit)

    def workflows(self) -> builtins.list[WorkflowInfo]:
        return self._reader.workflows()

    def schedules(self) -> builtins.list[ScheduleState]:
        return self._reader.schedules()

    def change_schedules(self, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        return self._database.write(lambda t: schedules.change_schedules(t, changes, now))

    def pauses(self) -> builtins.list[Pause]:
        return self._reader.pauses()

    def pause(self, pause: Pause) -> None:
        self._database.write(lambda t: pausing.pause(t, pause))
        living = [node.info.id for node in self.nodes() if node.state == "alive"]
        pausing.bar_claims(self._database.write, living)

    def unpause(self, kind: PauseKind, name: str) -> bool:
        return self._database.write(lambda t: pausing.unpause(t, kind, name))

    def limits(self) -> builtins.list[LimitState]:
        return self._reader.limits()

    def set_limit(self, kind: str, name: str, numbers: tuple[int | None, int | None, int | None], now: int) -> bool:
        return self._database.write(lambda t: admitting.set_limit(t, kind, name, numbers))

    def waiting_count(self, key: str, limit: int) -> int:
        return self._reader.waiting_count(key, limit)

    def weights(self, name: str) -> builtins.list[Weight]:
        return self._reader.weights(name)

    def set_weight(self, key: str, weight: int | None, now: int) -> None:
        self._database.write(lambda t: admitting.set_weight(t, key, weight))

    def limit_use(self, kind: str, name: str, keys: int, waiting: int) -> builtins.list[LimitUse]:
        return self._reader.limit_use(kind, name, keys, waiting)

    def key_use(self, key: str, holders: int) -> KeyUse:
        return self._reader.key_use(key, holders)

    def key_pauses(self, first: str, last: str, limit: int) -> builtins.list[KeyPause]:
        return self._reader.key_pauses(first, last, limit)

    def pause_key(self, pause: KeyPause) -> None:
        self._database.write(lambda t: admitting.pause_keys(t, [pause], is_order=True))

    def resume_key(self, key: str) -> bool:
        return self._database.write(lambda t: admitting.resume_key(t, key))

    def purge(self, older_than: int, limit: int) -> int:
        return self._database.write(lambda t: purging.purge(t, older_than, limit))

    def acts(self, id: str) -> builtins.list[Act]:
        return self._reader.acts(id)

    def reschedule(self, order: Reschedule, now: int) -> Rescheduled | None:
        return self._database.write(lambda t: acts.reschedule(t, order, now))

    def superseded(self, ids: Sequence[str]) -> set[str]:
        return self._reader.superseded(ids)

    def rerun(self, orders: Sequence[Rerun], now: int) -> builtins.list[Reran | None]:
        return self._database.write(lambda t: rerunning.rerun(t, orders, now))

    def tree(self, id: str) -> Tree | None:
        return self._reader.tree(id)

    def delete(self, act: Act, limit: int) -> Deleted | None:
        return self._database.write(lambda t: purging.delete(t, act, limit))

    def audit(self) -> builtins.list[Violation]:
        return auditing.audit(self._database, self.namespace)

    def examine(self) -> builtins.list[Finding]:
        return examining.examine(self._database)

    def durability(self) -> Finding:
        return examining.durability(self._database)

    def wait_for_change(self, timeout: float) -> bool:
        return self._watch.wait(timeout)

    # nodes

    def register_node(self, info: NodeInfo, now: int) -> NodeRef:
        self._watch.kind = NEW_WORK
        return self._database.write(lambda t: nodes.register_node(t, info, now))

    def register_workflows(self, node: NodeRef, workflows: Sequence[WorkflowInfo], now: int) -> None:
        self._database.write(lambda t: nodes.register_workflows(t, node, workflows))

    def heartbeat_node(
        self, node: NodeRef, now: int, *, listening: Mapping[str, int] = NOBODY, is_last: bool = False
    ) -> Beat:
        self._watch.is_listening = bool(listening)
        finish = self._database.finish if is_last and not self._has_deltas else None
        beat, self._has_deltas = self._database.write(lambda t: nodes.heartbeat_node(t, node, now, listening, finish))
        return beat

    def report_progress(self, node: NodeRef, reports: Sequence[Progress], now: int) -> None:
        self._database.write(lambda t: progress.report_progress(t, node, reports))

    def claim(
        self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, *, is_last: bool = False
    ) -> builtins.list[Claimed]:
        return self._database.write(lambda t: claiming.claim(t, self._heads, node, workflows, slots, now))

    def recover(self, node: NodeRef, ids: Sequence[str]) -> builtins.list[Claimed]:
        return self._database.write(lambda t: claiming.recover(t, node, ids))

    def commit(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, *, is_last: bool = False
    ) -> builtins.list[CommitAnswer]:
        return self._database.write(lambda t: committing.commit(t, node, commits, now))

    def promote(self, now: int, limit: int, failed: builtins.list[str] | None = None) -> int:
        moved, ended = self._database.write(lambda t: timers.promote(t, now, limit))
        if failed is not None:
            failed += ended
        return moved

    def next_due_at(self) -> int | None:
        rows = self._database.read(timers.next_due_statement(self.namespace))
        due_at: int = min(at for (at,) in rows)
        return None if due_at == NEVER else due_at

    def upsert_schedules(self, node: NodeRef, entries: Sequence[ScheduleEntry], now: int) -> None:
        self._database.write(lambda t: schedules.upsert_schedules(t, node, entries))

    def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        return self._database.write(lambda t: schedules.fire_schedules(t, node, changes, now))

    def resync(self, node: NodeRef) -> tuple[NodeRef, builtins.list[Owned]]:
        return self._database.write(lambda t: nodes.resync(t, node))

    def park(
        self, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int
    ) -> builtins.list[str]:
        return self._database.write(lambda t: parking.park(t, node_id, advanced, cause, reason, now))

    def unregister_node(self, node: NodeRef, now: int) -> None:
        self._database.write(lambda t: nodes.unregister_node(t, node))

    def step_connection(self) -> StepConnection:
        return StepConnection(self._database.address, self.namespace, self._database.share_locks_block)

    # peers

    def nodes(self) -> builtins.list[NodeState]:
        return self._reader.nodes()

    def servers(self) -> dict[str, builtins.list[str]]:
        return self._reader.servers()

    def mark_dead(self, node_id: str, counter: int | None, now: int) -> bool:
        return self._database.write(lambda t: nodes.mark_dead(t, node_id, counter))

    def record_crashes(self, node_id: str, commits: Sequence[ExecutionCommit], now: int) -> builtins.list[bool]:
        def record(transaction: WriteTransaction) -> builtins.list[bool]:
            if not nodes.is_dead(transaction, node_id):
                return [False] * len(commits)
            written = committing.write(transaction, NodeRef(node_id, 0), commits, now)
            transaction.flush()
            return [bool(answer) for answer in written]

        return self._database.write(record)

    def return_executions(self, now: int, limit: int, sparing: Sequence[str] = ()) -> int:
        return self._database.write(lambda t: nodes.return_executions(t, now, limit, sparing))

    def _check_version(self) -> None:
        session = self._database.connect()
        try:
            probing.check_version(session)
            with self._database.explained():
                probing.check_writers(session, has_one_writer=self._database.address.has_one_writer)
        finally:
            session.discard()
