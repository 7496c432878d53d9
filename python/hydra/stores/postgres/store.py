"""The store protocol on PostgreSQL: opens it, gives each verb its transaction, knows no SQL."""

from __future__ import annotations

import builtins
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from hydra.errors import SchemaError
from hydra.execution import (
    TIMED_OUT,
    Claim,
    Claimed,
    CommitAnswer,
    End,
    Ending,
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
    as_answered,
    is_refused,
)
from hydra.records.callbacks import CallbackNames
from hydra.records.forks import Fork
from hydra.records.placed import is_stop, stopped_by
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleState
from hydra.stores import reuse
from hydra.stores.acts import Act
from hydra.stores.clash import Clash
from hydra.stores.deleting import Deleted, Tree
from hydra.stores.failed_end import FailedEnd
from hydra.stores.filter import Filter
from hydra.stores.findings import Finding, Violation
from hydra.stores.key_pauses import KeyPause, cooling
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.node_states import NOBODY, Advanced, Beat, NodeState, Owned
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.postgres import (
    acts,
    admitting,
    auditing,
    callers,
    cancelling,
    child_executions,
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
from hydra.stores.postgres.address import parse_address
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.heads import Heads
from hydra.stores.postgres.news import DONE, READY, Announcer
from hydra.stores.postgres.session import Result
from hydra.stores.postgres.step_connection import StepConnection
from hydra.stores.postgres.watch import Watch
from hydra.stores.rerunning import Reran, Rerun
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.rows import expiring, to_node, to_servers, to_workflow
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo

FOLD_BEATS = 50  # heartbeats between two times that the differences of counts are added up
FOLD_ROWS = 50_000

_READY_ENDINGS = frozenset({Ending.RETRY, Ending.RELEASED, Ending.CONTINUED, Ending.SLEEPING, Ending.WAITING})
_DONE_ENDINGS = frozenset({Ending.COMPLETED, Ending.FAILED, Ending.CANCELLED})


class PostgresStore:
    """See `hydra.stores.store.Store`. Opens lazily, and again after a fork."""

    def __init__(self, url: str, namespace: str) -> None:
        address = parse_address(url)
        self.url = address.url
        self.namespace = namespace
        self._database = Database(address)
        self._announcer = Announcer(self._database, namespace)
        self._heads = Heads()
        self._beat_count = 0
        self._watch = Watch(self._database, namespace, lambda: self._announcer.session_pid)

    @property
    def path(self) -> None:
        """A server's database is no file."""
        return None

    @property
    def write_wait_seconds(self) -> float:
        """How long a write waits for its reply before it raises StoreUnavailable."""
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
        self._database.check_sessions()
        if not schema.is_current(self._database):
            if not migrate:
                message = f"the database `{self.url}` has no tables of this hydra's version"
                raise SchemaError(f"{message}; run `hydra migrate`")
            schema.migrate(self._database, is_asked=False)
        schema.check_locks(self._database)  # guard R9: opening proves that share locks block

    def migrate(self) -> tuple[int, int]:
        self._database.check_sessions()
        return schema.migrate(self._database)

    def close(self) -> None:
        self._announcer.close()
        self._watch.close()
        self._database.close()

    def now(self) -> int:
        now: int = self._database.read(("now", {}))[0][0][0]
        return now

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._database.transaction():
            yield

    # programs

    def submit(self, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        # A key that is freed stays locked until its successor is there: that takes a transaction of several flushes.
        is_reusing = any(map(reuse.is_reusing, submissions))
        with self._database.transaction() if is_reusing else self._database.part():
            answers = submission.submit(self._database.write, self.namespace, submissions, now)
            self._announce(READY, len(submissions))
            return answers

    def submit_in(self, connection: object, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        with callers.joined(connection, self._database) as run:
            answers = submission.submit(run, self.namespace, submissions, now)
            if any(map(is_refused, submissions, answers)):
                run(callers.UNDO)
            return answers

    def signal_in(
        self, connection: object, messages: Sequence[Message], now: int
    ) -> builtins.list[Status | Clash | None]:
        with callers.joined(connection, self._database) as run:
            return mailbox.signal(run, self.namespace, messages, now)

    def request_cancel_in(
        self, connection: object, ids: Sequence[str], now: int, *, undo: bool = True
    ) -> builtins.list[Status | None]:
        with callers.joined(connection, self._database) as run:
            return cancelling.request_cancel(run, self.namespace, ids, now, [] if undo else ids)

    def fork(self, fork: Fork, now: int) -> Submitted:
        with self._database.transaction():
            answer = forking.fork(self._database.write, self.namespace, fork, now)
            self._announce(READY)
            return answer

    def request_cancel(self, ids: Sequence[str], now: int, *, undo: bool = True) -> builtins.list[Status | None]:
        def cancel() -> builtins.list[Status | None]:
            statuses = cancelling.request_cancel(self._database.write, self.namespace, ids, now, [] if undo else ids)
            self._announce(DONE)
            self._announce(READY)
            return statuses

        return self._database.write_together(cancel)

    def retry(self, ids: Sequence[str], now: int) -> builtins.list[Status | None]:
        def retry() -> builtins.list[Status | None]:
            statuses = orders.retry(self._database.write, self.namespace, ids, now)
            self._announce(READY)
            return statuses

        return self._database.write_together(retry)

    def resume(self, ids: Sequence[str], now: int) -> builtins.list[Status | None]:
        with self._database.part():
            statuses = orders.resume(self._database.write, self.namespace, ids, now)
            self._announce(READY)
            return statuses

    def resolve(self, resolutions: Sequence[tuple[str, Record]], now: int) -> builtins.list[Status | None]:
        with self._database.part():
            statuses = orders.resolve(self._database.write, self.namespace, resolutions, now)
            self._announce(READY)
            return statuses

    def signal(self, messages: Sequence[Message], now: int) -> builtins.list[Status | Clash | None]:
        with self._database.part():
            statuses = mailbox.signal(self._database.write, self.namespace, messages, now)
            self._announce(READY)
            return statuses

    def get(self, ids: Sequence[str]) -> builtins.list[Snapshot | None]:
        return reading.snapshots(self._database.read, self.namespace, ids)

    def find(self, workflow: str, key: str) -> Snapshot | None:
        return reading.find(self._database.read, self.namespace, workflow, key)

    def list(self, filter: Filter) -> builtins.list[Snapshot]:
        return reading.list_snapshots(self._database.read, self.namespace, filter)

    def outcomes(self, ids: Sequence[str]) -> builtins.list[tuple[Status, bytes | None, str] | None]:
        self._watch.add_interest(DONE)
        return reading.outcomes(self._database.read, self.namespace, ids)

    def failures(self, ids: Sequence[str]) -> dict[str, FailedEnd]:
        return reading.read_failures(self._database.read, self.namespace, ids)

    def input(self, id: str) -> bytes:
        return reading.read_input(self._database.read, self.namespace, id)

    def records(self, id: str) -> builtins.list[Record]:
        return reading.read_records(self._database.read, self.namespace, id)

    def histories(self, ids: Sequence[str]) -> dict[str, tuple[bytes, builtins.list[Record]]]:
        return reading.read_histories(self._database.read, self.namespace, ids)

    def messages(self, id: str, name: str | None = None) -> builtins.list[Message]:
        return reading.read_messages(self._database.read, self.namespace, id, name)

    def waits(self, id: str) -> builtins.list[Record]:
        return reading.read_waits(self._database.read, self.namespace, id)

    def callback_records(self, id: str, names: CallbackNames, token: bytes) -> builtins.list[Record]:
        return reading.read_callback(self._database.read, self.namespace, id, names, token)

    def claims(self, id: str) -> builtins.list[Claim]:
        return reading.read_claims(self._database.read, self.namespace, id)

    def progress(self, id: str) -> builtins.list[Progress]:
        return progress.read_progress(self._database.read, self.namespace, id)

    def stats(self, now: int) -> Stats:
        return reading.read_stats(self._database.read, self.namespace)

    def pending_count(self, limit: int) -> int:
        return reading.read_pending_count(self._database.read, self.namespace, limit)

    def workflows(self) -> builtins.list[WorkflowInfo]:
        (rows,) = self._database.read(("workflows", {"namespace": self.namespace}))
        return [to_workflow(row) for row in rows]

    def schedules(self) -> builtins.list[ScheduleState]:
        return schedules.read_schedules(self._database.read, self.namespace)

    def change_schedules(self, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        with self._database.transaction():
            written = schedules.change(self._database.write, self.namespace, changes)
            self._do_scheduled(list(itertools.compress(changes, written)), now)
            return written

    def pauses(self) -> builtins.list[Pause]:
        return pausing.read_pauses(self._database.read, self.namespace)

    def pause(self, pause: Pause) -> None:
        with self._database.part():
            pausing.pause(self._database.write, self.namespace, pause)
        living = [node.info.id for node in self.nodes() if node.state == "alive"]
        pausing.bar_claims(self._database.write, self.namespace, living)

    def unpause(self, kind: PauseKind, name: str) -> bool:
        with self._database.part():
            is_gone = pausing.unpause(self._database.write, self.namespace, kind, name)
            if is_gone and kind != PauseKind.NODE:
                self._announce(READY, pausing.EVERYBODY)
            return is_gone

    def limits(self) -> builtins.list[LimitState]:
        return admitting.read_limits(self._database.read, self.namespace)

    def set_limit(self, kind: str, name: str, numbers: tuple[int | None, int | None, int | None], now: int) -> bool:
        with self._database.part():
            is_set = admitting.set_limit(self._database.write, self.namespace, kind, name, numbers)
            self._announce(READY)
            return is_set

    def waiting_count(self, key: str, limit: int) -> int:
        return admitting.count_waiting(self._database.read, self.namespace, key, limit)

    def weights(self, name: str) -> builtins.list[Weight]:
        return admitting.read_weights(self._database.read, self.namespace, name)

    def set_weight(self, key: str, weight: int | None, now: int) -> None:
        with self._database.part():
            admitting.set_weight(self._database.write, self.namespace, key, weight)

    def limit_use(self, kind: str, name: str, keys: int, waiting: int) -> builtins.list[LimitUse]:
        return admitting.read_use(self._database.read, self.namespace, kind, name, keys, waiting)

    def key_use(self, key: str, holders: int) -> KeyUse:
        return admitting.read_key(self._database.read, self.namespace, key, holders)

    def key_pauses(self, first: str, last: str, limit: int) -> builtins.list[KeyPause]:
        return admitting.read_key_pauses(self._database.read, self.namespace, first, last, limit)

    def pause_key(self, pause: KeyPause) -> None:
        with self._database.transaction():
            admitting.pause_keys(self._database.write, self.namespace, [pause], is_order=True)
            self._announce(READY)

    def resume_key(self, key: str) -> bool:
        with self._database.transaction():
            was_paused = admitting.resume_key(self._database.write, self.namespace, key)
            self._announce(READY)
            return was_paused

    def purge(self, older_than: int, limit: int) -> int:
        with self._database.part():
            return purging.purge(self._database.read, self._database.write, self.namespace, older_than, limit)

    def acts(self, id: str) -> builtins.list[Act]:
        return acts.read_acts(self._database.read, self.namespace, id)

    def reschedule(self, order: Reschedule, now: int) -> Rescheduled | None:
        with self._database.transaction():
            answer = acts.reschedule(self._database.write, self.namespace, order, now)
            self._announce(READY)
            return answer

    def superseded(self, ids: Sequence[str]) -> set[str]:
        return reading.read_superseded(self._database.read, self.namespace, ids)

    def rerun(self, orders: Sequence[Rerun], now: int) -> builtins.list[Reran | None]:
        with self._database.transaction():
            answers = rerunning.rerun(self._database.write, self.namespace, orders, now)
            self._announce(READY)
            return answers

    def tree(self, id: str) -> Tree | None:
        return purging.read_tree(self._database.read, self.namespace, id)

    def delete(self, act: Act, limit: int) -> Deleted | None:
        with self._database.transaction():
            return purging.delete(self._database.write, self.namespace, act, limit)

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
        with self._database.part():
            self._watch.add_interest(READY)
            return nodes.register_node(self._database.write, self.namespace, info, now)

    def register_workflows(self, node: NodeRef, workflows: Sequence[WorkflowInfo], now: int) -> None:
        has_limits = any(workflow.limits for workflow in workflows)
        with self._database.transaction() if has_limits else self._database.part():
            nodes.register_workflows(self._database.write, self.namespace, node, workflows)

    def heartbeat_node(
        self, node: NodeRef, now: int, *, listening: Mapping[str, int] = NOBODY, is_last: bool = False
    ) -> Beat:
        with self._database.part():
            self._beat_count += 1
            self._watch.is_listening = bool(listening)
            fold = ("fold_counts", {"namespace": self.namespace, "limit": FOLD_ROWS})
            more = () if self._beat_count % FOLD_BEATS else (fold,)
            return nodes.heartbeat_node(self._writing(is_last), self.namespace, node, now, listening, *more)

    def report_progress(self, node: NodeRef, reports: Sequence[Progress], now: int) -> None:
        with self._database.part():
            progress.report_progress(self._database.write, self.namespace, node, reports)

    def claim(
        self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, *, is_last: bool = False
    ) -> builtins.list[Claimed]:
        with self._database.part():
            return claiming.claim(self._writing(is_last), self._heads, self.namespace, node, workflows, slots, now)

    def recover(self, node: NodeRef, ids: Sequence[str]) -> builtins.list[Claimed]:
        with self._database.part():
            return claiming.recover(self._database.write, self.namespace, node, ids)

    def commit(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, *, is_last: bool = False
    ) -> builtins.list[CommitAnswer]:
        with self._database.part():
            endings = {item.end.kind for item in commits if item.end is not None}
            parts = [child_executions.take_apart(item) for item in commits]
            begins_anew = Ending.CONTINUED in endings
            items = [committing.without_input(item) if begins_anew else item for item, _ in parts]
            is_expiring = bool(expiring(commits))
            told = functools.partial(self._announce, READY)
            is_one_flush = not begins_anew and not is_expiring and not any(spawns for _, spawns in parts)
            stops_children = any(
                (item.end is not None and has_stopped(item.end)) or any(map(is_stop, item.records)) for item in commits
            )
            cools_down = any(item.cool_downs for item in commits)
            if not stops_children and is_one_flush and not cools_down:
                written = committing.commit(self._writing(is_last), self.namespace, node, items, now, told)
            else:
                with self._database.transaction():
                    if is_expiring:
                        items = self._decided(node, commits, items)
                    written = committing.commit(self._database.write, self.namespace, node, items, now, told)
                    said = [
                        (as_answered(item, answer), spawns)
                        for (item, spawns), answer in zip(parts, written, strict=True)
                        if answer
                    ]
                    self._write_children(said, now)
                    if cools_down and (cooled := cooling(commits, written)):
                        admitting.cool_down(self._database.write, self.namespace, cooled, now)
                    if begins_anew:
                        committing.begin_anew(self._database.write, list(itertools.compress(commits, written)))
            if endings & _READY_ENDINGS:
                self._announce(READY, len(commits))
            if endings & _DONE_ENDINGS:
                self._announce(DONE)
            return written

    def _decided(
        self, node: NodeRef, commits: Sequence[ExecutionCommit], items: Sequence[ExecutionCommit]
    ) -> builtins.list[ExecutionCommit]:
        """With events in the place of expiries for which a message had come first; each commit is told of its own."""
        arrivals = mailbox.read_arrivals(self._database.write, self.namespace, node, items)
        decided = []
        for commit, item in zip(commits, items, strict=True):
            # guard R14: an expiry gives way to a message that is there
            decided.append(msgspec.structs.replace(item, records=arrivals.decide(item)))
            commit.arrived = item.arrived
        return decided

    def _write_children(self, parts: Sequence[child_executions.CommitParts], now: int) -> None:
        """Children begin; what was cancelled, or ran out of time, takes its own along."""
        if spawns := [spawn for _, spawns in parts for spawn in spawns]:
            child_executions.spawn(self._database.write, self.namespace, spawns, now)
        cancelled = [item.id for item, _ in parts if item.end is not None and has_stopped(item.end)]
        cancelled += [id for item, _ in parts for id in stopped_by(item.records)]
        if cancelled:
            self.request_cancel(cancelled, now)
        self._announce(READY)

    def promote(self, now: int, limit: int, failed: builtins.list[str] | None = None) -> int:
        with self._database.part():
            with self._database.transaction():
                moved, ended = timers.promote(self._database.write, self.namespace, now, limit)
                if ended:
                    self.request_cancel(ended, now)  # of their children; they have ended themselves
            if moved:
                self._announce(READY, moved)
                self._announce(DONE)
        if failed is not None:
            failed += ended
        return moved

    def next_due_at(self) -> int | None:
        own = {"namespace": self.namespace}
        answers = self._database.read(("next_due", own), ("next_gate_call", own))
        return min((rows[0][0] for rows in answers if rows[0][0] is not None), default=None)

    def upsert_schedules(self, node: NodeRef, entries: Sequence[ScheduleEntry], now: int) -> None:
        with self._database.part():
            schedules.upsert_schedules(self._database.write, self.namespace, node, entries)

    def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        with self._database.transaction():
            written = schedules.fire(self._database.write, self.namespace, node, changes)
            self._do_scheduled(list(itertools.compress(changes, written)), now)
            return written

    def _do_scheduled(self, changes: Sequence[ScheduleChange], now: int) -> None:
        """A key that is known is a tick that was fired: it stays the one execution (R24)."""
        if submissions := [submission for change in changes for submission in change.submissions]:
            self.submit(submissions, now)
        if cancels := [id for change in changes for id in change.cancels]:
            self.request_cancel(cancels, now)

    def resync(self, node: NodeRef) -> tuple[NodeRef, builtins.list[Owned]]:
        with self._database.part():
            return nodes.resync(self._database.write, self.namespace, node)

    def park(
        self, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int
    ) -> builtins.list[str]:
        with self._database.part():
            return parking.park(self._database.write, self.namespace, node_id, advanced, cause, reason, now)

    def unregister_node(self, node: NodeRef, now: int) -> None:
        with self._database.part():
            nodes.unregister_node(self._database.write, self.namespace, node)

    def step_connection(self) -> StepConnection:
        return StepConnection(self._database, self.namespace)

    # peers

    def nodes(self) -> builtins.list[NodeState]:
        (rows,) = self._database.read(("nodes", {"namespace": self.namespace}))
        found = [to_node(row) for row in rows]
        self._watch.node_count = sum(node.state == "alive" for node in found)
        return found

    def servers(self) -> dict[str, builtins.list[str]]:
        (rows,) = self._database.read(("servers", {"namespace": self.namespace}))
        return to_servers(rows)

    def _writing(self, is_last: bool) -> Callable[..., builtins.list[Result]]:
        return self._database.write_last if is_last else self._database.write

    def mark_dead(self, node_id: str, counter: int | None, now: int) -> bool:
        with self._database.transaction():
            return nodes.mark_dead(self._database.write, self.namespace, node_id, counter)

    def record_crashes(self, node_id: str, commits: Sequence[ExecutionCommit], now: int) -> builtins.list[bool]:
        return committing.record_crashes(self._database.write, self.namespace, node_id, commits)

    def return_executions(self, now: int, limit: int, sparing: Sequence[str] = ()) -> int:
        with self._database.part():
            returned = nodes.return_executions(self._database.write, self.namespace, now, limit, sparing)
            if returned:
                self._announce(READY, returned)
            return returned

    def _announce(self, kind: str, count: int = 1) -> None:
        self._database.after_commit(lambda: self._announcer.announce(kind, count))


def has_stopped(end: End) -> bool:
    """It was cancelled, or ran out of time: its children go the same way."""
    return end.kind == Ending.CANCELLED or (end.kind == Ending.FAILED and end.cause == TIMED_OUT)
