"""The store protocol on PostgreSQL: opens it, gives each verb its transaction, knows no SQL."""

from __future__ import annotations

import builtins
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hydra.errors import SchemaError
from hydra.execution import (
    Claim,
    Claimed,
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
)
from hydra.forking import Fork
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleState
from hydra.stores.postgres import (
    auditing,
    callers,
    claiming,
    committing,
    examining,
    family,
    forking,
    mailbox,
    nodes,
    orders,
    parking,
    progress,
    purging,
    reading,
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
from hydra.stores.store import Advanced, Beat, Filter, Finding, NodeState, Owned, Stats, Violation, WorkflowInfo

FOLD_BEATS = 50  # heartbeats between two times that the differences of counts are added up
FOLD_ROWS = 50_000

_READY_ENDINGS = frozenset({Ending.RETRY, Ending.RELEASED, Ending.CONTINUED, Ending.SLEEPING, Ending.WAITING})
_DONE_ENDINGS = frozenset({Ending.COMPLETED, Ending.FAILED, Ending.CANCELLED})


class PostgresStore:
    """See `hydra.stores.store.Store`. Opens lazily, and anew after a fork."""

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
        if not schema.is_current(self._database):
            if not migrate:
                message = f"the database `{self.url}` has no tables of this hydra's version"
                raise SchemaError(f"{message}; run `hydra migrate`")
            schema.migrate(self._database, is_asked=False)
        schema.check_locks(self._database)

    def migrate(self) -> tuple[int, int]:
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
        with self._database.part():
            answers = submission.submit(self._database.write, self.namespace, submissions, now)
            self._announce(READY, len(submissions))
            return answers

    def submit_in(self, connection: object, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        with callers.joined(connection, self._database) as run:
            answers = submission.submit(run, self.namespace, submissions, now)
            if any(answer.conflict for answer in answers):
                run(callers.UNDO)
            return answers

    def fork(self, fork: Fork, now: int) -> Submitted:
        with self._database.transaction():
            answer = forking.fork(self._database.write, self.namespace, fork, now)
            self._announce(READY)
            return answer

    def request_cancel(self, ids: Sequence[str], now: int, *, undo: bool = True) -> builtins.list[Status | None]:
        with self._database.part():
            families = orders.with_descendants(self._database.read, ids)
            forced = [] if undo else ids
            statuses = orders.request_cancel(self._database.write, self.namespace, families, now, forced)
            self._announce(DONE)
            self._announce(READY)
            found = dict(zip(families, statuses, strict=True))
            return [found.get(id) for id in ids]

    def retry(self, ids: Sequence[str], now: int) -> builtins.list[Status | None]:
        with self._database.part():
            statuses = orders.retry(self._database.write, self.namespace, ids, now)
            self._announce(READY)
            return statuses

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

    def signal(self, messages: Sequence[Message], now: int) -> builtins.list[Status | None]:
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

    def input(self, id: str) -> bytes:
        return reading.read_input(self._database.read, self.namespace, id)

    def records(self, id: str) -> builtins.list[Record]:
        return reading.read_records(self._database.read, self.namespace, id)

    def histories(self, ids: Sequence[str]) -> dict[str, tuple[bytes, builtins.list[Record]]]:
        return reading.read_histories(self._database.read, self.namespace, ids)

    def messages(self, id: str) -> builtins.list[Message]:
        return reading.read_messages(self._database.read, self.namespace, id)

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
        return [WorkflowInfo(*row) for row in rows]

    def schedules(self) -> builtins.list[ScheduleState]:
        return schedules.read_schedules(self._database.read, self.namespace)

    def change_schedules(self, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        with self._database.transaction():
            written = schedules.change(self._database.write, self.namespace, changes)
            self._do_scheduled(list(itertools.compress(changes, written)), now)
            return written

    def purge(self, older_than: int, limit: int) -> int:
        with self._database.part():
            return purging.purge(self._database.read, self._database.write, self.namespace, older_than, limit)

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
        with self._database.part():
            nodes.register_workflows(self._database.write, self.namespace, node, workflows)

    def heartbeat_node(self, node: NodeRef, now: int, *, is_last: bool = False) -> Beat:
        with self._database.part():
            self._beat_count += 1
            fold = ("fold_counts", {"namespace": self.namespace, "limit": FOLD_ROWS})
            more = () if self._beat_count % FOLD_BEATS else (fold,)
            return nodes.heartbeat_node(self._writing(is_last), self.namespace, node, now, *more)

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
    ) -> builtins.list[bool]:
        with self._database.part():
            endings = {item.end.kind for item in commits if item.end is not None}
            parts = [family.take_apart(item) for item in commits]
            begins_anew = Ending.CONTINUED in endings
            items = [committing.without_input(item) if begins_anew else item for item, _ in parts]
            told = functools.partial(self._announce, READY)
            if Ending.CANCELLED not in endings and not begins_anew and not any(spawns for _, spawns in parts):
                written = committing.commit(self._writing(is_last), self.namespace, node, items, now, told)
            else:
                with self._database.transaction():
                    written = committing.commit(self._database.write, self.namespace, node, items, now, told)
                    self._see_to_families(list(itertools.compress(parts, written)), now)
                    if begins_anew:
                        committing.begin_anew(self._database.write, list(itertools.compress(commits, written)))
            if endings & _READY_ENDINGS:
                self._announce(READY, len(commits))
            if endings & _DONE_ENDINGS:
                self._announce(DONE)
            return written

    def _see_to_families(self, parts: Sequence[tuple[ExecutionCommit, builtins.list[family.Spawn]]], now: int) -> None:
        """Children begin; what was cancelled takes its own along."""
        if spawns := [spawn for _, spawns in parts for spawn in spawns]:
            family.spawn(self._database.write, self.namespace, spawns, now)
        cancelled = [item.id for item, _ in parts if item.end is not None and item.end.kind == Ending.CANCELLED]
        if cancelled:
            self.request_cancel(cancelled, now)
        self._announce(READY)

    def promote(self, now: int, limit: int) -> int:
        with self._database.part():
            moved = timers.promote(self._database.write, self.namespace, now, limit)
            if moved:
                self._announce(READY, moved)
                self._announce(DONE)
            return moved

    def next_due_at(self) -> int | None:
        due_at: int | None = self._database.read(("next_due", {"namespace": self.namespace}))[0][0][0]
        return due_at

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
        found = [nodes.to_node(row) for row in rows]
        self._watch.node_count = sum(node.state == "alive" for node in found)
        return found

    def _writing(self, is_last: bool) -> Callable[..., builtins.list[Result]]:
        return self._database.write_last if is_last else self._database.write

    def mark_dead(self, node_id: str, counter: int | None, now: int) -> bool:
        with self._database.transaction():
            return nodes.mark_dead(self._database.write, self.namespace, node_id, counter)

    def return_executions(self, now: int, limit: int) -> int:
        with self._database.part():
            returned = nodes.return_executions(self._database.write, self.namespace, now, limit)
            if returned:
                self._announce(READY, returned)
            return returned

    def _announce(self, kind: str, count: int = 1) -> None:
        self._database.after_commit(lambda: self._announcer.announce(kind, count))
