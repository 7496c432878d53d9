"""The store protocol on PostgreSQL: opens it, gives each verb its transaction, knows no SQL."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence

from hydra.attributes import KeyChanges
from hydra.blocks import contextmanager
from hydra.errors import SchemaError
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
from hydra.stores import reuse
from hydra.stores.acts import Act
from hydra.stores.admitting import Turn
from hydra.stores.clash import Clash
from hydra.stores.deleting import Deleted, Tree
from hydra.stores.failed_end import FailedEnd
from hydra.stores.filter import Filter
from hydra.stores.findings import Finding, Violation
from hydra.stores.moved import MoveLine
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.postgres import (
    acts,
    attributes,
    auditing,
    callers,
    cancelling,
    examining,
    forking,
    listing,
    mailbox,
    moves,
    orders,
    pausing,
    progress,
    purging,
    reading,
    rerunning,
    schedules,
    schema,
    secrets,
    submission,
)
from hydra.stores.postgres.act_verbs import ActVerbs
from hydra.stores.postgres.address import parse_address
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.heads import Heads
from hydra.stores.postgres.limit_verbs import LimitVerbs
from hydra.stores.postgres.news import DONE, Announcer
from hydra.stores.postgres.node_verbs import NodeVerbs
from hydra.stores.postgres.sweep_verbs import SweepVerbs
from hydra.stores.postgres.watch import Watch
from hydra.stores.rerunning import Reran, Rerun
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo
from hydra.stores.wrapped_secret import WrappedSecret


class PostgresStore(ActVerbs, LimitVerbs, NodeVerbs, SweepVerbs):
    """See `hydra.stores.store.Store`. Opens lazily, and again after a fork."""

    def __init__(self, url: str, namespace: str) -> None:
        address = parse_address(url)
        self.url = address.url
        self.namespace = namespace
        self._database = Database(address, namespace)
        self._announcer = Announcer(self._database, namespace)
        self._database.announce = self._announcer.announce
        self._heads = Heads()
        self._beat_count = 0
        self._turn = Turn()
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

    @property
    def connection_count(self) -> int:
        return self._database.connection_count + self._watch.connection_count

    def close(self) -> None:
        self._announcer.close()
        self._watch.close()
        self._database.close()

    def now(self) -> int:
        return self._database.read(reading.read_now)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._database.transaction():
            yield

    # programs

    def submit(self, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        write = self._database.write if any(map(reuse.is_reusing, submissions)) else self._database.part
        return write(submission.submit, submissions, now)

    def submit_in(self, connection: object, submissions: Sequence[Submission], now: int) -> builtins.list[Submitted]:
        with callers.joined(connection, self._database) as transaction:
            return submission.submit_all_or_none(transaction, submissions, now)

    def signal_in(
        self, connection: object, messages: Sequence[Message], now: int
    ) -> builtins.list[Status | Clash | None]:
        with callers.joined(connection, self._database) as transaction:
            return mailbox.signal(transaction, messages, now)

    def request_cancel_in(
        self, connection: object, ids: Sequence[str], now: int, *, undo: bool = True
    ) -> builtins.list[Status | None]:
        with callers.joined(connection, self._database) as transaction:
            return cancelling.request_cancel(transaction, ids, now, undo=undo)

    def fork(self, fork: Fork, now: int) -> Submitted:
        return self._database.write(forking.fork, fork, now)

    def request_cancel(self, ids: Sequence[str], now: int, *, undo: bool = True) -> builtins.list[Status | None]:
        return self._database.write(cancelling.request_cancel, ids, now, undo=undo)

    def retry(self, ids: Sequence[str], now: int) -> builtins.list[Status | None]:
        return self._database.write(orders.retry, ids, now)

    def resume(self, ids: Sequence[str], now: int) -> builtins.list[Status | None]:
        return self._database.part(orders.resume, ids, now)

    def resolve(self, resolutions: Sequence[tuple[str, Record]], now: int) -> builtins.list[Status | None]:
        return self._database.part(orders.resolve, resolutions, now)

    def signal(self, messages: Sequence[Message], now: int) -> builtins.list[Status | Clash | None]:
        return self._database.part(mailbox.signal, messages, now)

    def get(self, ids: Sequence[str]) -> builtins.list[Snapshot | None]:
        return self._database.read(reading.snapshots, ids)

    def find(self, workflow: str, key: str) -> Snapshot | None:
        return self._database.read(reading.find, workflow, key)

    def known_keys(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        return self._database.read(reading.known_keys, keys)

    def list(self, filter: Filter) -> builtins.list[Snapshot]:
        return self._database.read(listing.list_snapshots, filter)

    def place(self, filter: Filter, count: int) -> str | None:
        return self._database.read(listing.place, filter, count)

    def outcomes(self, ids: Sequence[str]) -> builtins.list[tuple[Status, bytes | None, str] | None]:
        self._watch.add_interest(DONE)
        return self._database.read(reading.outcomes, ids)

    def failures(self, ids: Sequence[str]) -> dict[str, FailedEnd]:
        return self._database.read(reading.read_failures, ids)

    def input(self, id: str) -> bytes:
        return self._database.read(reading.read_input, id)

    def records(self, id: str) -> builtins.list[Record]:
        return self._database.read(reading.read_records, id)

    def histories(self, ids: Sequence[str]) -> dict[str, tuple[bytes, builtins.list[Record]]]:
        return self._database.read(reading.read_histories, ids)

    def messages(self, id: str, name: str | None = None) -> builtins.list[Message]:
        return self._database.read(reading.read_messages, id, name)

    def waits(self, id: str) -> builtins.list[Record]:
        return self._database.read(reading.read_waits, id)

    def callback_records(self, id: str, names: CallbackNames, token: bytes) -> builtins.list[Record]:
        return self._database.read(reading.read_callback, id, names, token)

    def claims(self, id: str) -> builtins.list[Claim]:
        return self._database.read(reading.read_claims, id)

    def progress(self, id: str) -> builtins.list[Progress]:
        return self._database.read(progress.read_progress, id)

    def stats(self, now: int) -> Stats:
        return self._database.read(reading.read_stats)

    def pending_count(self, limit: int, workflow: str | None = None) -> int:
        return self._database.read(reading.read_pending_count, limit, workflow)

    def workflows(self) -> builtins.list[WorkflowInfo]:
        return self._database.read(reading.read_workflows)

    def schedules(self) -> builtins.list[ScheduleState]:
        return self._database.read(schedules.read_schedules)

    def change_schedules(self, changes: Sequence[ScheduleChange], now: int) -> builtins.list[bool]:
        return self._database.write(schedules.change_schedules, changes, now)

    def wrapped_secrets(self) -> builtins.list[WrappedSecret]:
        return self._database.read(secrets.read_secrets)

    def add_wrapped_secret(self, secret: WrappedSecret) -> None:
        self._database.write(secrets.add_secret, secret)

    def move_lines(self) -> builtins.list[MoveLine]:
        return self._database.read(moves.read_move_lines)

    def pauses(self) -> builtins.list[Pause]:
        return self._database.read(pausing.read_pauses)

    def pause(self, pause: Pause, lines: Sequence[Act] = ()) -> None:
        self._database.part(pausing.pause, pause, lines)
        living = [node.info.id for node in self.nodes() if node.state == "alive"]
        pausing.bar_claims(self._database, living)

    def unpause(self, kind: PauseKind, name: str) -> bool:
        return self._database.part(pausing.unpause, kind, name)

    def purge(self, older_than: int, limit: int) -> int:
        return self._database.part(purging.purge, self._database.reader(), older_than, limit)

    def acts(self, id: str) -> builtins.list[Act]:
        return self._database.read(acts.read_acts, id)

    def set_attributes(self, id: str, changes: KeyChanges, now: int) -> Status | None:
        return self._database.write(attributes.set_attributes, id, changes)

    def attribute_counts(self, sought: Sequence[Sought], limit: int) -> builtins.list[int]:
        return self._database.read(attributes.counts, sought, limit)

    def reschedule(self, order: Reschedule, now: int) -> Rescheduled | None:
        return self._database.write(acts.reschedule, order, now)

    def superseded(self, ids: Sequence[str]) -> set[str]:
        return self._database.read(reading.read_superseded, ids)

    def rerun(self, orders: Sequence[Rerun], now: int) -> builtins.list[Reran | None]:
        return self._database.write(rerunning.rerun, orders, now)

    def tree(self, id: str) -> Tree | None:
        return self._database.read(purging.read_tree, id)

    def delete(self, act: Act, limit: int) -> Deleted | None:
        return self._database.write(purging.delete, act, limit)

    def audit(self) -> builtins.list[Violation]:
        return auditing.audit(self._database)

    def examine(self) -> builtins.list[Finding]:
        return examining.examine(self._database)

    def durability(self) -> Finding:
        return examining.durability(self._database)

    def wait_for_change(self, timeout: float) -> bool:
        return self._watch.wait(timeout)
