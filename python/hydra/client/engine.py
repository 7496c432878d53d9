"""The engine: what a program holds of a database. It submits, finds and reads executions; it runs none itself.

    submit ─► codec ─► journal (group commit) ─► store.submit ─► Handle

It opens with the first call that needs the database, and again after a fork: no connection or thread survives one.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import msgspec

from hydra import _core, config
from hydra.client import completions, limit_orders, local_worker, pause_orders, schedule_orders
from hydra.client.awaited import announced_by, awaited_of, refuse_unfit
from hydra.client.handle import Handle
from hydra.client.limit_orders import Limit, LimitKey, limit_view
from hydra.client.local_worker import LocalWorker
from hydra.client.pause_orders import PauseView, pause_view
from hydra.client.schedule_orders import Schedule, schedule_view
from hydra.client.session import EngineSession
from hydra.client.submissions import (
    KeyDepths,
    QueueDepth,
    SubmitOptions,
    accepted_id,
    check_bound,
    check_request,
    check_tags,
    prepare,
    prepare_many,
    readmitted,
    refuse_conflicts,
)
from hydra.client.views import Execution, execution_view
from hydra.client.watcher import OutcomeWatcher
from hydra.client.why import Why, read_facts, why
from hydra.clock import seconds_of
from hydra.codec import MAX_PAYLOAD_BYTES
from hydra.context import Inside
from hydra.definitions import BoundWorkflow, Workflow, caller
from hydra.errors import ConfigError, HydraError, NotFound
from hydra.execution import KeyReuse, Message, Record, Snapshot, Status, Submission, Submitted, is_refused
from hydra.keys import check_key, check_known_key, is_id
from hydra.records import callbacks
from hydra.records.forks import count_before, prepare_fork
from hydra.stores import absolute, open_store, without_password
from hydra.stores.filter import Filter
from hydra.stores.findings import Violation
from hydra.stores.loads import Demands, demands
from hydra.stores.node_states import NodeState
from hydra.stores.pauses import PauseKind
from hydra.stores.rows import UNREADABLE
from hydra.stores.stats import Stats
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

R = TypeVar("R")
T = TypeVar("T")

SUBMIT_CHUNK_SIZE = 5_000  # executions of one transaction in submit_many
PURGE_CHUNK_SIZE = 1_000

PLAIN = SubmitOptions()


class Engine:
    """A database and a namespace in it. Safe to share between threads; a context manager that closes it.

        with hydra.Engine("sqlite:///billing.db") as engine:
            handle = engine.submit(bill.bind("visa-1", 1999), key="inv-42")
            print(handle.result(timeout=60))

    Args:
        url: of the database; by default `$HYDRA_DB`, or else `sqlite:///hydra.db`.
        namespace: a tenant of the database; engines of one namespace see nothing of another.
        migrate: make the tables, or bring them to this version, at the first call; False: raise SchemaError instead.
        max_pending: how many executions may be pending before `submit` raises QueueFull; None: no limit.
        max_payload_bytes: of the arguments of one execution; more is a PayloadTooLarge. 16 MiB by default.
        timeout: seconds (or a timedelta) that a call waits for the database's answer, in place of the store's own
            limits. Past it, it raises StoreUnavailable. A submission may have happened then: repeat it with a `key`, or
            with the error's `execution_id`.

    Raises:
        ConfigError: for a URL, a namespace or a limit that cannot be. Nothing is opened before the first call.
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
        self._key_depths = KeyDepths()
        self._depth = None if max_pending is None else QueueDepth(config.count_of(max_pending, "`max_pending`"))
        self._opening = threading.Lock()
        self._session: EngineSession | None = None
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
        *,
        key_reuse: str = KeyReuse.FIRST,
    ) -> Handle[R]:
        """Make one execution durable and return its handle. When it returns, a power cut changes nothing.

            engine.submit(bill.bind("visa-1", 1999), key="inv-42", delay=timedelta(hours=1), tags={"run": "2026-11"})

        The same `key` with the same arguments gives the first execution, so a submission with a key may be repeated.

        Args:
            bound: a workflow with its arguments, such as `bill.bind("visa-1", 1999)`.
            key: an idempotency key, once for each workflow in the namespace.
            delay: seconds (or a timedelta) until it is due.
            run_at: the instant at which it is due, with a time zone; not together with `delay`.
            priority: of what is due, larger runs first.
            tags: texts by name, to find it by, and for labels of metrics.
            id: a UUID of your own, with which a submission without a key may be repeated.
            connection: of your own open transaction: the execution becomes real with its commit.
            key_reuse: for a key that was used before. `"first"` gives the first execution; `"reject"` raises KeyTaken;
                `"after_end"` gives it only while it is open, and begins another once it has ended.

        Raises:
            IdempotencyConflict: the key was used with other arguments.
            KeyTaken: `key_reuse` lets nobody use it again, or what had it was purged. (Keys outlive a purge.)
            PayloadError: the arguments do not fit the workflow, or cannot be encoded; PayloadTooLarge: they are too
                large.
            QueueFull: `max_pending` is reached, of the engine or of a `hydra.Fair`.
            StoreUnavailable: the database did not answer; with `outcome="unknown"` it may have happened. Repeat it.
        """
        submission = self.prepare(bound, key, delay, run_at, priority, tags, id, key_reuse)
        session = self.session()
        if connection is None:
            answer = session.submit(submission)
        else:
            answer = session.store.submit_in(connection, [submission], session.now())[0]
        return self.accept(submission, answer, bound)

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
        *,
        key_reuse: str = KeyReuse.FIRST,
    ) -> list[Handle[R]]:
        """Submit many executions, 5,000 in each transaction; their handles, in order.

            engine.submit_many([bill.bind(card, pennies) for card, pennies in invoices], keys=numbers)

        It submits all it can; then one IdempotencyConflict names the keys that clash. Repeating it with the same keys
        is safe. With a `connection` it is all or nothing. The other arguments are those of `submit`, for every
        execution.

        Args:
            bounds: the workflows with their arguments.
            keys: one for each, in order; None: without keys.
            progress: called after each transaction with the count of what is done.

        Raises:
            IdempotencyConflict: some keys were used with other arguments; `conflicts` lists them. The others are
                submitted.
            KeyTaken: some keys are not free by `key_reuse`, or what had them was purged.
            ConfigError: there are not as many keys as executions.
        """
        if isinstance(keys, str):
            raise ConfigError(f"`keys` is one text, `{keys:.80}`; give a list with one for each execution")
        if keys is not None and len(keys) != len(bounds):
            raise ConfigError(f"`keys` has {len(keys)} entries for {len(bounds)} executions; give one for each")
        session = self.session()
        self._check_unknown(session, bounds)
        request = check_request(delay, run_at, priority, tags, session.now(), key_reuse)
        if connection is not None:
            submissions = prepare_many(bounds, request, keys, session.signatures, self._max_payload_bytes)
            answers = session.store.submit_in(connection, submissions, session.now())
            agreed = readmitted(bounds, answers)
            if agreed != answers:  # one that conflicts keeps all out, so they are asked for once more
                submissions = [
                    each
                    if answer.conflict or not answer.digest
                    else msgspec.structs.replace(each, digest=answer.digest)
                    for each, answer in zip(submissions, agreed, strict=True)
                ]
                answers = session.store.submit_in(connection, submissions, session.now())
            refuse_conflicts(submissions, answers, len(bounds), "nothing was submitted")
            return self._handles(submissions, answers)
        handles: list[Handle[R]] = []
        refused: list[tuple[Submission, Submitted]] = []
        for start in range(0, len(bounds), SUBMIT_CHUNK_SIZE):
            end = start + SUBMIT_CHUNK_SIZE
            part = None if keys is None else keys[start:end]
            submissions = prepare_many(bounds[start:end], request, part, session.signatures, self._max_payload_bytes)
            self._require_room(session, submissions)
            answers = readmitted(bounds[start:end], session.submit_many(submissions))
            handles += self._handles(submissions, answers)
            refused += [(s, answer) for s, answer in zip(submissions, answers, strict=True) if is_refused(s, answer)]
            if progress is not None:
                progress(len(handles))
        refuse_conflicts(
            [s for s, _ in refused], [answer for _, answer in refused], len(bounds), "the others are submitted"
        )
        return handles

    def fork(
        self,
        id: str,
        from_step: str,
        *,
        number: int = 1,
        input: BoundWorkflow[Any] | None = None,
        key: str | None = None,
        refuse: Callable[[Snapshot, bytes, list[Record]], None] | None = None,
    ) -> Handle[Any]:
        """Begin a new execution with what this one had recorded before a step; its handle.

        From that step on everything is done again, under other idempotency keys. Tags and audit trail name where it
        comes from. A fork has no children: what is recorded of those spawned before the step stays, and the fork is
        told how they ended.

        Args:
            id: the execution to begin from.
            from_step: the name of the first step to run again.
            number: which call of that step, from 1 on.
            input: other arguments, such as `bill.bind(other)`. What is recorded stays as it is: where they change the
                arguments of a recorded step the fork is parked and says so.
            key: an idempotency key of the new execution.
            refuse: called with the source, the input and the records of the fork before it is made; it may raise.

        Raises:
            NotFound: there is no such execution.
            ConfigError: the input is of another workflow.
            HydraError: nothing is recorded of the step, a child from before it has not ended, or its effects were
                undone.
        """
        session = self.session()
        source = self.get(id)
        snapshot, records = self.snapshot(id), source.records()
        count = count_before(id, records, from_step, number)
        if input is None:
            payload = session.store.input(id)
            digest = hashlib.blake2b(payload, digest_size=16).digest()
            new_id, checked = _core.uuid7(), None if key is None else check_key(key)
            if UNREADABLE in snapshot.limit_keys:
                raise HydraError(f"execution `{id}` cannot be forked: the limits of its row cannot be read")
            limits = snapshot.limit_keys or None
            submission = Submission(new_id, snapshot.workflow, payload, digest, checked, limit_keys=limits)
        elif input.name != snapshot.workflow:
            raise ConfigError(f"execution `{id}` is of workflow `{snapshot.workflow}`; give an input for that")
        else:
            self._check_unknown(session, [input])
            submission = prepare(input, PLAIN, key, None, session.signatures, self._max_payload_bytes)
        if refuse is not None:
            refuse(snapshot, submission.input, list(records[:count]))
        self._require_room(session, [submission])
        return self.accept(submission, session.fork(prepare_fork(snapshot, submission, count, from_step)))

    def get(self, id: str) -> Handle[Any]:
        """The handle of an execution that exists.

        Raises:
            NotFound: there is none of that id in this namespace.
        """
        if not is_id(id):
            raise self.not_found(id)
        return Handle(self, id, self.snapshot(id).workflow)

    def find(self, workflow: Workflow[..., R] | str, key: str) -> Handle[R]:
        """The execution of that workflow and key.

        Raises:
            NotFound: there is none, or none any more: it was purged.
        """
        name = _workflow_name(workflow)
        found = self.read(lambda store: store.find(name, check_known_key(key)))
        if found is None:
            raise NotFound(f"no execution of workflow `{name}` with key `{key}` in namespace `{self.namespace}`")
        return Handle(self, found.id, name)

    def signal(
        self, id: str, name: str, value: Any = None, *, signal_id: str | None = None, connection: object = None
    ) -> None:
        """Put an event before an execution: `get(id).signal(name, value, id=signal_id)`. See `Handle.signal`.

        By workflow and key it is `find(workflow, key).signal(name, value)`.
        """
        Handle(self, id, "").signal(name, value, id=signal_id, connection=connection)

    def complete(self, token: str, value: Any = None, *, connection: object = None) -> None:
        """Complete a callback token: `hydra.wait_callback(token)` gives the value, now or later.

        It happens once: with the same value it may be repeated, another is refused. With a `connection` it becomes real
        with your own open transaction, as of `submit`; keep that short, since it holds the execution until it ends.

        Raises:
            IllegalMove: it was completed with another value, its wait ran out of time, or its execution has ended.
            NotFound: the token is unknown, or was made before the execution's last `continue_as_new`.
            PayloadError: the value does not fit the type that is waited for, or cannot be encoded.
        """
        callback = callbacks.Callback.of(token)
        id = callback.execution_id
        waits = [each for each in self.read(lambda store: store.waits(id)) if each.name == callback.name]
        awaited = awaited_of(waits) or announced_by(callback, completions.read_records(self.read, callback))
        refuse_unfit(id, "a callback", value, awaited)
        self._settle(token, callbacks.completion(value), connection)

    def fail(self, token: str, reason: str, *, connection: object = None) -> None:
        """Complete a callback token with a failure: `hydra.wait_callback(token)` raises CallbackFailed with the
        `reason`.

        Raises what `complete` raises.
        """
        self._settle(token, callbacks.failure(reason), connection)

    def _settle(self, token: str, payload: bytes, connection: object) -> None:
        if connection is None:
            completions.settle(token, payload, self.read, self.write)
            return

        def put(message: Message) -> Sequence[object]:
            return self.join(lambda store, now: store.signal_in(connection, [message], now))

        completions.settle_in(token, payload, self.read, put)

    def executions(
        self,
        status: str | None = None,
        workflow: Workflow[..., Any] | str | None = None,
        key: str | None = None,
        tags: dict[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[Execution]:
        """The executions that match all that is given, newest first.

            failed = engine.executions(status="failed", workflow=bill, tags={"run": "2026-11"})

        Args:
            status: one of `hydra.Status`, or its text.
            workflow: itself, or its name.
            key: its idempotency key.
            tags: all of them must match.
            limit: how many at most.
            before: the last id of the page before, for the next one.

        Raises:
            ConfigError: for a status or an id that cannot be.
        """
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

    def worker(self, concurrency: int = 8, *, only: Sequence[str] = (), labels: Sequence[str] = ()) -> LocalWorker:
        """A worker in this process, as a context manager; for scripts and tests.

            with engine.worker():
                print(engine.submit(bill.bind("visa-1", 1999)).result())

        Args:
            concurrency: how many executions it runs at a time.
            only: names of workflows, or patterns such as `bill*`: it runs no others. Empty: all.
            labels: it also runs workflows that ask for labels, where all of them are among these.

        Raises:
            ConfigError: for a name or a label that cannot be; at its start for a workflow that is not defined.
        """
        count = config.count_of(concurrency, "`concurrency`")
        patterns, names = config.workflow_patterns(only), config.label_names(labels, "`labels`")
        return local_worker.make(self.url, self.namespace, count, patterns, names)

    # schedules, by the name of their workflow

    def schedules(self) -> list[Schedule]:
        """Every schedule that a node has registered, with its state, its next tick and its last one."""
        return [schedule_view(state) for state in self.read(lambda store: store.schedules())]

    def pause_schedule(self, name: str) -> None:
        """Fire no more ticks of the workflow of that name until it is resumed; what runs goes on.

        Raises:
            NotFound: no node has registered a schedule of that name.
        """
        schedule_orders.pause(self.session(), name)

    def resume_schedule(self, name: str) -> None:
        """Go on with the next tick; those of the pause are passed over, and can be backfilled.

        Raises:
            NotFound: no node has registered a schedule of that name.
        """
        schedule_orders.resume(self.session(), name)

    def trigger_schedule(self, name: str) -> Handle[Any]:
        """Run its workflow now, whatever else runs; its handle. Later ticks treat it as they treat each other
        (`overlap`).

        Raises:
            NotFound: no node has registered a schedule of that name.
        """
        return Handle(self, schedule_orders.trigger(self.session(), name), name)

    def backfill_schedule(
        self, name: str, start: datetime, end: datetime, progress: Callable[[int, int], object] | None = None
    ) -> list[Handle[Any]]:
        """Run each tick from `start` to `end`, both included, that has no execution, beside whatever runs; the handles
        of what is new.

        Args:
            name: of the workflow.
            start: the first instant; without a zone it is in the schedule's own.
            end: the last one; only ticks that lie behind the schedule are run.
            progress: called with how many ticks are done, and how many there are.

        Raises:
            NotFound: no node has registered a schedule of that name.
            ConfigError: there are more than 10,000 ticks.
        """
        ids = schedule_orders.backfill(self.session(), name, start, end, progress)
        return [Handle(self, id, name) for id in ids]

    def why(self, id: str) -> Why:
        """Why an execution does not go on, or what it does: one sentence, with what to do next.

            print(engine.why(handle.id).sentence)

        Raises:
            NotFound: there is none of that id in this namespace.
        """
        snapshot = self.snapshot(self.get(id).id)
        return why(self.read(lambda store: read_facts(store, snapshot)))

    # stopping and going on

    def pauses(self) -> list[PauseView]:
        """What is paused, and which nodes were asked to drain; by whom, since when and why."""
        return [pause_view(pause) for pause in self.read(lambda store: store.pauses())]

    def pause_workflow(self, workflow: Workflow[..., Any] | str, *, reason: str = "") -> None:
        """Start none of its executions, on any node, until it is resumed.

            engine.pause_workflow("refund", reason="the bank is down")

        When it returns, nothing more of it is claimed. What runs goes on until it next suspends; what is submitted
        waits. It is kept in the database, so it outlasts every restart.

        Args:
            workflow: itself, or its name.
            reason: for those who ask why nothing happens.

        Raises:
            NotFound: no node has registered a workflow of that name, and nothing was submitted of it.
        """
        pause_orders.pause_workflow(self.session().store, self.write, _workflow_name(workflow), reason)

    def resume_workflow(self, workflow: Workflow[..., Any] | str) -> bool:
        """Go on with a workflow that was paused; whether it was. A pause of the whole namespace stays."""
        name = _workflow_name(workflow)
        return self.write(lambda store, now: store.unpause(PauseKind.WORKFLOW, name))

    def pause_namespace(self, *, reason: str = "") -> None:
        """The same for everything in this namespace, workflows that come later included."""
        pause_orders.pause(self.write, PauseKind.NAMESPACE, "", reason)

    def resume_namespace(self) -> bool:
        """Go on with the namespace; whether it was paused. Workflows that were paused by themselves stay so."""
        return self.write(lambda store, now: store.unpause(PauseKind.NAMESPACE, ""))

    def drain_node(self, id: str, *, reason: str = "") -> None:
        """Have a node end as at SIGTERM: it takes no new work, and what runs gets its drain time. It learns of it with
        its next heartbeat. Whatever started its process may start another, which takes work.

        Raises:
            NotFound: no living node has that id.
        """
        pause_orders.drain_node(self.session().store, self.write, id, reason)

    # limits, by their name

    def limits(self) -> list[Limit]:
        """Every limit that a node has registered, with the numbers that hold now."""
        return [limit_view(state) for state in self.read(lambda store: store.limits())]

    def limit_keys(self, name: str) -> list[LimitKey]:
        """The first hundred keys of a limit: how many hold a place of each (of a rate: when its next token is due), and
        how many wait.

        Raises:
            NotFound: no node has registered a limit of that name.
        """
        return limit_orders.read_keys(self.session(), name)

    def set_limit(
        self,
        name: str,
        count: int | None = None,
        *,
        per: timedelta | float | None = None,
        burst: int | None = None,
        max_pending: int | None = None,
    ) -> None:
        """Have other numbers hold than the code's, at once and over restarts and deploys, until `reset_limit`.

            engine.set_limit("bill.tenant", 10)

        What runs above a lower number goes on. What is not given stays as it is.

        Args:
            name: of the limit, as `limits` has it.
            count: how many at once; of a rate, how many in each `per`.
            per: of a rate: seconds, or a timedelta.
            burst: of a rate: how many may begin at once after a lull.
            max_pending: of a `Fair`: how many of a value may wait for their turn.

        Raises:
            NotFound: no node has registered a limit of that name.
            ConfigError: for numbers that cannot be.
        """
        limit_orders.change(self.session(), name, count, per, burst, max_pending)

    def set_weight(self, name: str, value: str, weight: float | None) -> None:
        """Have a value of a `Fair` get more or fewer turns than the code says, from its next turn on and over restarts
        and deploys, until `reset_limit`.

            engine.set_weight("bill.tenant.fair", "acme", 3)

        Args:
            name: of the limit, as `limits` has it.
            value: of the key, as `limit_keys` has it.
            weight: 0.01 to 100; None: the code's.

        Raises:
            NotFound: no node has registered a limit of that name.
            ConfigError: for a limit that is no `Fair`, or a weight that cannot be.
        """
        limit_orders.change_weight(self.session(), name, value, weight)

    def reset_limit(self, name: str) -> None:
        """Have the code's numbers, or weights, hold again.

        Raises:
            NotFound: no node has registered a limit of that name.
        """
        limit_orders.reset(self.session(), name)

    # operations

    def stats(self) -> Stats:
        """Counts by workflow and status, and due work that no living node serves."""
        session = self.session()
        return session.store.stats(session.now())

    def demands(self, over: timedelta | float | None = None) -> Demands:
        """The backlog, its age, and the places of living nodes, in all, by workflow and by label: what whoever adds or
        removes nodes goes by.

        Args:
            over: seconds (or a timedelta) between two looks, by which it also says how fast executions end, and when
                the backlog is gone at that rate; None: one look.
        """
        seconds = None if over is None else seconds_of(over, "`over`")
        if seconds == 0:
            raise ConfigError("`over` must be more than 0 seconds: the two looks are that far apart")
        session = self.session()
        before, began = None, session.now()
        if seconds is not None:
            before = session.store.stats(began)
            time.sleep(seconds)
        now = session.now()
        return demands(session.store.stats(now), now, before, (now - began) / 1e6)

    def workflows(self) -> list[WorkflowInfo]:
        """The workflows that supervisors have served in this namespace, with their signatures."""
        return self.read(lambda store: store.workflows())

    def nodes(self) -> list[NodeState]:
        """The supervisors that run, or ran, executions of this namespace, with their last heartbeats."""
        return self.read(lambda store: store.nodes())

    def audit(self) -> list[Violation]:
        """Every broken promise that the database can show. An empty list says that all of them hold.

        assert engine.audit() == []
        """
        return self.read(lambda store: store.audit())

    def purge(self, older_than: timedelta | float, progress: Callable[[int], object] | None = None) -> int:
        """Delete the executions that ended longer ago than `older_than`, 1,000 in each transaction; how many went.

        Their keys stay, so the same invoice never runs twice. `progress` is called with the count after each
        transaction.

        Args:
            older_than: seconds, or a timedelta.
            progress: called with how many have gone.
        """
        age_us = round(seconds_of(older_than, "`older_than`") * 1e6)
        before = self.session().now() - age_us
        count = 0
        while deleted := self.write(lambda store, now: store.purge(before, PURGE_CHUNK_SIZE)):
            count += deleted
            if progress is not None:
                progress(count)
        return count

    def migrate(self) -> tuple[int, int]:
        """Bring the tables to this version of hydra; the schema's version before and after.

        Raises:
            SchemaError: the tables are of a newer hydra.
        """
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
        key_reuse: str = KeyReuse.FIRST,
    ) -> Submission:
        """One submission, checked and encoded, for which there is room. Used by AsyncEngine."""
        session = self.session()
        self._check_unknown(session, [bound])
        request = PLAIN
        if delay is not None or run_at is not None or priority or tags is not None or key_reuse != KeyReuse.FIRST:
            request = check_request(delay, run_at, priority, tags, session.now(), key_reuse)
        submission = prepare(bound, request, key, id, session.signatures, self._max_payload_bytes)
        self._require_room(session, [submission])
        return submission

    def accept(self, submission: Submission, answer: Submitted, bound: BoundWorkflow[Any] | None = None) -> Handle[Any]:
        """The handle of what the store answered. Used by AsyncEngine."""
        if bound is not None:
            (answer,) = readmitted([bound], [answer])
        return Handle(self, accepted_id(submission, answer), submission.workflow)

    @property
    def is_open(self) -> bool:
        """Whether a call has opened the database already."""
        return self._session is not None

    def snapshot(self, id: str) -> Snapshot:
        """The row of an execution; NotFound where there is none."""
        found = self.session().store.get([id])[0]
        if found is None:
            raise self.not_found(id)
        return found

    def not_found(self, id: object) -> NotFound:
        """The error that says so."""
        return NotFound(f"no execution `{id}` in namespace `{self.namespace}`")

    def read(self, verb: Callable[[Store], T]) -> T:
        """One read. Used by handles and commands."""
        return verb(self.session().store)

    def join(self, verb: Callable[[Store, int], T]) -> T:
        """One write in a caller's transaction: on its connection, in its own turn, once."""
        session = self.session()
        return verb(session.store, session.now())

    def write(self, verb: Callable[[Store, int], T]) -> T:
        """One write, in turn with the submissions; again after a lost reply, so it must bear that it happened (R17)."""
        session = self.session()
        return session.run_again(lambda: verb(session.store, session.now()))

    def watcher(self) -> OutcomeWatcher:
        """What waits for the ends of executions."""
        return self.session().watcher

    def session(self) -> EngineSession:
        """What is open, opened now if nothing is. Inside a body it is refused: a replay would do it again."""
        here = caller.get()
        if here is not None and cast(Inside, here).current().step is None:
            raise HydraError("an engine cannot be used in a workflow's body; use `hydra.spawn`, or use it in a step")
        return self._session or self._open()

    def new_session(self, store: Store) -> EngineSession:
        """The connections and threads of this engine; a harness has its own."""
        return EngineSession(store)

    def close(self) -> None:
        """Let go of the database and of threads. What was accepted is durable already."""
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

    def _check_unknown(self, session: EngineSession, bounds: Sequence[BoundWorkflow[Any]]) -> None:
        """The arguments of workflows whose code is not here, against what a supervisor recorded of them."""
        for bound in bounds:
            check_bound(bound)
        session.signatures.check([bound for bound in bounds if bound.workflow is None])

    def _require_room(self, session: EngineSession, submissions: Sequence[Submission]) -> None:
        if self._depth is not None:
            self._depth.require_room(session.store, len(submissions))
        self._key_depths.require_room(session.store, submissions)

    def _open(self) -> EngineSession:
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


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_abandoned: list[EngineSession] = []


def _after_fork() -> None:
    for engine in list(_engines):
        engine._forget_session()


os.register_at_fork(after_in_child=_after_fork)
