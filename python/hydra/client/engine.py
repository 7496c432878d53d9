"""The engine: what a program holds of a database. It submits, finds and reads executions; it runs none itself.

    submit ─► codec ─► journal (group commit) ─► store.submit ─► Handle

It opens with the first call that needs the database, and anew after a fork: connections and threads do not survive one.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from hydra import _core, config
from hydra.client import completions, schedule_orders
from hydra.client.handle import Handle
from hydra.client.schedule_orders import Schedule, schedule_view
from hydra.client.session import Session
from hydra.client.submissions import (
    QueueDepth,
    Request,
    accepted_id,
    check_key,
    check_known_key,
    check_request,
    check_tags,
    is_id,
    prepare,
    prepare_many,
    refuse_conflicts,
)
from hydra.client.views import Execution, execution_view
from hydra.client.watcher import OutcomeWatcher
from hydra.clock import seconds_of
from hydra.codec import MAX_PAYLOAD_BYTES
from hydra.context import Inside
from hydra.definitions import BoundWorkflow, Workflow, caller
from hydra.errors import ConfigError, HydraError, NotFound
from hydra.execution import Snapshot, Status, Submission, Submitted
from hydra.forking import count_before, prepare_fork
from hydra.stores import absolute, open_store, without_password
from hydra.stores.store import Filter, NodeState, Stats, Store, Violation, WorkflowInfo

if TYPE_CHECKING:
    from hydra.node.local import LocalWorker

R = TypeVar("R")
T = TypeVar("T")

SUBMIT_CHUNK_SIZE = 5_000  # executions of one transaction in submit_many
PURGE_CHUNK_SIZE = 1_000

PLAIN = Request()


class Engine:
    """A database and a namespace in it. Safe to share between threads; a context manager that closes it.

    `timeout` is how long a call waits for the database's answer, in place of the store's own limits: past it, it raises
    StoreUnavailable. A submission may have happened then: repeat it with a `key`, or with the error's `execution_id`.
    """

    def __init__(
        self,
        url: str | None = None,
        namespace: str = config.DEFAULT_NAMESPACE,
        migrate: bool = True,
        *,
        max_pending: int | None = None,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        timeout: timedelta | float | None = None,
    ) -> None:
        self.url = config.database_url(url)
        self.namespace = config.namespace_name(namespace)
        self._migrate = migrate
        self._max_payload_bytes = config.count_of(max_payload_bytes, "`max_payload_bytes`")
        self._timeout_seconds = None if timeout is None else seconds_of(timeout, "`timeout`")
        self._depth = None if max_pending is None else QueueDepth(config.count_of(max_pending, "`max_pending`"))
        self._opening = threading.Lock()
        self._session: Session | None = None
        self._closed = False
        open_store(self.url, self.namespace)  # a URL nobody understands is an error here, not at the first call
        self.url = absolute(self.url)
        _engines.add(self)

    # programs

    def submit(
        self,
        bound: BoundWorkflow[R],
        key: str | None = None,
        delay: timedelta | float | None = None,
        run_at: datetime | None = None,
        priority: int = 0,
        tags: dict[str, str] | None = None,
        id: str | None = None,
        connection: object = None,
    ) -> Handle[R]:
        """Make one execution durable and return its handle.

        The same `key` with the same arguments gives the first execution; with others it raises IdempotencyConflict.
        With `connection` the execution belongs to the caller's own open transaction and becomes real with it.
        """
        submission = self.prepare(bound, key, delay, run_at, priority, tags, id)
        session = self.session()
        if connection is None:
            answer = session.submit(submission)
        else:
            answer = session.store.submit_in(connection, [submission], session.now())[0]
        return self.accept(submission, answer)

    def submit_many(
        self,
        bounds: Sequence[BoundWorkflow[R]],
        keys: Sequence[str] | None = None,
        delay: timedelta | float | None = None,
        run_at: datetime | None = None,
        priority: int = 0,
        tags: dict[str, str] | None = None,
        connection: object = None,
        progress: Callable[[int], object] | None = None,
    ) -> list[Handle[R]]:
        """Submit all it can, SUBMIT_CHUNK_SIZE a transaction; then one IdempotencyConflict names the keys that clash.

        Repeating it with the same keys is safe. With `connection` it is all or nothing. `progress` gets the count done.
        """
        if isinstance(keys, str):
            raise ConfigError(f"`keys` is one text, `{keys:.80}`; give a list with one for each execution")
        if keys is not None and len(keys) != len(bounds):
            raise ConfigError(f"`keys` has {len(keys)} entries for {len(bounds)} executions; give one for each")
        session = self.session()
        request = check_request(delay, run_at, priority, tags, session.now())
        if connection is not None:
            submissions = prepare_many(bounds, request, keys, self._max_payload_bytes)
            answers = session.store.submit_in(connection, submissions, session.now())
            refuse_conflicts(_conflicts(submissions, answers), len(bounds), "nothing was submitted")
            return self._handles(submissions, answers)
        handles: list[Handle[R]] = []
        conflicts: list[str] = []
        for start in range(0, len(bounds), SUBMIT_CHUNK_SIZE):
            end = start + SUBMIT_CHUNK_SIZE
            submissions = prepare_many(
                bounds[start:end], request, None if keys is None else keys[start:end], self._max_payload_bytes
            )
            self._require_room(session, len(submissions))
            answers = session.submit_many(submissions)
            handles += self._handles(submissions, answers)
            conflicts += _conflicts(submissions, answers)
            if progress is not None:
                progress(len(handles))
        refuse_conflicts(conflicts, len(bounds), "the others are submitted")
        return handles

    def fork(
        self,
        id: str,
        from_step: str,
        *,
        number: int = 1,
        input: BoundWorkflow[Any] | None = None,
        key: str | None = None,
    ) -> Handle[Any]:
        """Begin a new execution with what this one had recorded before a step (its `number`-th call); its handle.

        With an `input`, such as `bill.bind(other)`, it is begun with other arguments: what is recorded stays as it is,
        and where they change the arguments of a recorded step the fork is parked and says so. From the step on, all is
        done anew, under other idempotency keys. Its tags and audit trail name where it comes from.
        HydraError where nothing is recorded of the step, a child was spawned before it, or its effects were undone.
        """
        session = self.session()
        source = self.get(id)
        snapshot, records = self.snapshot(id), source.records()
        count = count_before(id, records, from_step, number)
        if input is None:
            payload = session.store.input(id)
            digest = hashlib.blake2b(payload, digest_size=16).digest()
            new_id, checked = _core.uuid7(), None if key is None else check_key(key)
            submission = Submission(new_id, snapshot.workflow, payload, digest, checked)
        elif input.name != snapshot.workflow:
            raise ConfigError(f"execution `{id}` is of workflow `{snapshot.workflow}`; give an input for that")
        else:
            submission = prepare(input, PLAIN, key, None, self._max_payload_bytes)
        self._require_room(session, 1)
        return self.accept(submission, session.fork(prepare_fork(snapshot, submission, count, from_step)))

    def get(self, id: str) -> Handle[Any]:
        """The handle of an execution that exists; NotFound otherwise."""
        if not is_id(id):
            raise self.not_found(id)
        return Handle(self, id, self.snapshot(id).workflow)

    def find(self, workflow: Workflow[..., R] | str, key: str) -> Handle[R]:
        """The execution of that workflow and key; NotFound when there is none, or none any more."""
        name = _workflow_name(workflow)
        found = self.read(lambda store: store.find(name, check_known_key(key)))
        if found is None:
            raise NotFound(f"no execution of workflow `{name}` with key `{key}` in namespace `{self.namespace}`")
        return Handle(self, found.id, name)

    def signal(self, id: str, name: str, value: Any = None) -> None:
        """`get(id).signal(name, value)`; by workflow and key, `find(workflow, key).signal(name, value)`."""
        Handle(self, id, "").signal(name, value)

    def complete(self, token: str, value: Any = None) -> None:
        """Complete a callback token: `hydra.wait_callback(token)` gives the value, now or later.

        Once: with the same value it may be repeated, with another it raises IllegalMove, as for an execution that has
        ended or a token whose wait has run out of time. NotFound when the token is unknown, or of a generation past.
        """
        completions.settle(completions.Callback.of(token), completions.completion(value), self.read, self.write)

    def fail(self, token: str, reason: str) -> None:
        """Complete a callback token with a failure: `hydra.wait_callback(token)` raises CallbackFailed."""
        completions.settle(completions.Callback.of(token), completions.failure(reason), self.read, self.write)

    def executions(
        self,
        status: str | None = None,
        workflow: Workflow[..., Any] | str | None = None,
        key: str | None = None,
        tags: dict[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[Execution]:
        """What matches, newest first; `before` is the last id of the page before."""
        name = None if workflow is None else _workflow_name(workflow)
        try:
            wanted = None if status is None else Status(status)
        except ValueError:
            raise ConfigError(f"`{status}` is not a status; it is one of {', '.join(Status)}") from None
        if before is not None and not is_id(before):
            raise ConfigError(f"`{before!r:.80}` is not an execution's id; `before` is the last one of the page before")
        known_key = None if key is None else check_known_key(key)
        known_tags = None if tags is None else check_tags(tags)
        chosen = Filter(wanted, name, known_key, known_tags, config.count_of(limit, "`limit`"), before)
        return [execution_view(snapshot) for snapshot in self.read(lambda store: store.list(chosen))]

    def worker(self, concurrency: int = 8) -> LocalWorker:
        """A worker in this process, as a context manager; for scripts and tests."""
        from hydra.node.local import LocalWorker

        return LocalWorker(self.url, self.namespace, concurrency=config.count_of(concurrency, "`concurrency`"))

    # schedules, by the name of their workflow

    def schedules(self) -> list[Schedule]:
        """Every schedule that a node has registered, with its state, its next tick and its last one."""
        return [schedule_view(state) for state in self.read(lambda store: store.schedules())]

    def pause_schedule(self, name: str) -> None:
        """Fire no more ticks until it is resumed; what runs goes on. NotFound for a name nobody has registered."""
        schedule_orders.pause(self.session(), name)

    def resume_schedule(self, name: str) -> None:
        """Go on with the next tick; those of the pause are passed over, and can be backfilled."""
        schedule_orders.resume(self.session(), name)

    def trigger_schedule(self, name: str) -> Handle[Any]:
        """Run its workflow now, whatever else runs; later ticks heed it as they heed each other."""
        return Handle(self, schedule_orders.trigger(self.session(), name), name)

    def backfill_schedule(
        self, name: str, start: datetime, end: datetime, progress: Callable[[int, int], object] | None = None
    ) -> list[Handle[Any]]:
        """Run each tick from `start` to `end`, both included, that has no execution, beside whatever runs.

        Only ticks that lie behind the schedule; times without a zone are its own zone's. ConfigError for more than
        10,000 ticks. `progress` gets how many ticks are done, and how many there are. The handles of what is new.
        """
        ids = schedule_orders.backfill(self.session(), name, start, end, progress)
        return [Handle(self, id, name) for id in ids]

    # operations

    def stats(self) -> Stats:
        """Counts by workflow and status, and due work that no living node serves."""
        session = self.session()
        return session.store.stats(session.now())

    def workflows(self) -> list[WorkflowInfo]:
        """The workflows that supervisors have served, with their signatures."""
        return self.read(lambda store: store.workflows())

    def nodes(self) -> list[NodeState]:
        return self.read(lambda store: store.nodes())

    def audit(self) -> list[Violation]:
        """Every broken promise the database can show; empty is the proof."""
        return self.read(lambda store: store.audit())

    def purge(self, older_than: timedelta | float, progress: Callable[[int], object] | None = None) -> int:
        """Delete executions that ended that long ago, a chunk a transaction; their keys stay. How many went."""
        age_us = round(seconds_of(older_than, "`older_than`") * 1e6)
        before = self.session().now() - age_us
        count = 0
        while deleted := self.write(lambda store, now: store.purge(before, PURGE_CHUNK_SIZE)):
            count += deleted
            if progress is not None:
                progress(count)
        return count

    def migrate(self) -> tuple[int, int]:
        """Bring the tables to this version; the schema's version before and after."""
        store = open_store(self.url, self.namespace)
        try:
            return store.migrate()
        finally:
            store.close()

    # what handles, workers and AsyncEngine use

    def prepare(
        self,
        bound: BoundWorkflow[Any],
        key: str | None,
        delay: timedelta | float | None,
        run_at: datetime | None,
        priority: int,
        tags: dict[str, str] | None,
        id: str | None,
    ) -> Submission:
        """One submission, checked and encoded, for which there is room."""
        session = self.session()
        request = PLAIN
        if delay is not None or run_at is not None or priority or tags is not None:
            request = check_request(delay, run_at, priority, tags, session.now())
        submission = prepare(bound, request, key, id, self._max_payload_bytes)
        self._require_room(session, 1)
        return submission

    def accept(self, submission: Submission, answer: Submitted) -> Handle[Any]:
        return Handle(self, accepted_id(submission, answer), submission.workflow)

    @property
    def is_open(self) -> bool:
        return self._session is not None

    def snapshot(self, id: str) -> Snapshot:
        found = self.session().store.get([id])[0]
        if found is None:
            raise self.not_found(id)
        return found

    def not_found(self, id: object) -> NotFound:
        return NotFound(f"no execution `{id}` in namespace `{self.namespace}`")

    def read(self, verb: Callable[[Store], T]) -> T:
        return verb(self.session().store)

    def write(self, verb: Callable[[Store, int], T]) -> T:
        """One write, in turn with the submissions."""
        session = self.session()
        return session.run(lambda: verb(session.store, session.now()))

    def watcher(self) -> OutcomeWatcher:
        return self.session().watcher

    def session(self) -> Session:
        """What is open, opened now if nothing is. Inside a body it is refused: a replay would do it again."""
        here = caller.get()
        if here is not None and cast(Inside, here).current().step is None:
            raise HydraError("an engine cannot be used in a workflow's body; use `hydra.spawn`, or use it in a step")
        return self._session or self._open()

    def new_session(self, store: Store) -> Session:
        return Session(store)

    def close(self) -> None:
        """Let go of database and threads. What was accepted is durable already."""
        with self._opening:
            session, self._session, self._closed = self._session, None, True
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # inside

    def _handles(self, submissions: Sequence[Submission], answers: Sequence[Submitted]) -> list[Handle[Any]]:
        return [Handle(self, answer.id, s.workflow) for s, answer in zip(submissions, answers, strict=True)]

    def _require_room(self, session: Session, count: int) -> None:
        if self._depth is not None:
            self._depth.require_room(session.store, count)

    def _open(self) -> Session:
        with self._opening:
            if self._closed:
                raise HydraError(f"the engine of `{without_password(self.url)}` is closed; make a new one")
            if self._session is None:
                store = open_store(self.url, self.namespace)
                if self._timeout_seconds is not None:
                    store.write_wait_seconds = store.read_wait_seconds = self._timeout_seconds
                store.open(migrate=self._migrate)
                self._session = self.new_session(store)
            return self._session

    def _forget_session(self) -> None:
        """In the child of a fork: the parent's threads and connections are not ours, neither to use nor to close."""
        if self._session is not None:
            _abandoned.append(self._session)
        self._session = None
        self._opening = threading.Lock()


def _workflow_name(workflow: object) -> str:
    name = workflow if isinstance(workflow, str) else getattr(workflow, "name", None)
    if not isinstance(name, str):
        raise ConfigError(f"`{workflow!r:.80}` is not a workflow; give it or its name")
    return name


def _input_size(submission: Submission) -> int:
    return len(submission.input)


def _conflicts(submissions: Sequence[Submission], answers: Sequence[Submitted]) -> list[str]:
    return [s.key or s.id for s, answer in zip(submissions, answers, strict=True) if answer.conflict]


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_abandoned: list[Session] = []


def _after_fork() -> None:
    for engine in list(_engines):
        engine._forget_session()


os.register_at_fork(after_in_child=_after_fork)
