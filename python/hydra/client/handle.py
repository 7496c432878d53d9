"""A handle: what a program holds of one execution. Asks the store each time; keeps nothing but the id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from hydra import _core, codec
from hydra.client import act_orders, child_ends, recorded_orders, resolving
from hydra.client.act_orders import ActView
from hydra.client.acting import author, is_said
from hydra.client.approvals import need_for, rule_of
from hydra.client.awaited import Awaited, SetAside, awaited_of, ever_awaited, refuse_unfit, set_aside_of
from hydra.client.database_access import DatabaseAccess
from hydra.client.exports import Export, export
from hydra.client.resolving import NOTHING
from hydra.client.views import (
    Attempt,
    BulkView,
    Execution,
    StepView,
    attempt_view,
    bulk_views,
    execution_view,
    step_views,
)
from hydra.client.watcher import Wait
from hydra.clock import seconds_of
from hydra.definition_checks import check_name
from hydra.definitions import BoundWorkflow
from hydra.errors import (
    IdempotencyConflict,
    IllegalMove,
    ResultTimeout,
    StoreUnavailable,
)
from hydra.execution import FINAL, Message, Record, RecordKind, Status
from hydra.keys import signal_id
from hydra.records.ends import Outcome, read_outcome, undone_reason, was_undone
from hydra.records.placed import not_alone
from hydra.records.wait_notes import message_in, refuse_unreadable
from hydra.stores.acts import ActKind
from hydra.stores.approvals import ApprovalKind
from hydra.stores.clash import Clash
from hydra.stores.offloading import fetched_history
from hydra.stores.store import Store
from hydra.workflow import registry

R = TypeVar("R")
T = TypeVar("T")


class Handle(Generic[R]):
    """One execution. `R` is what its workflow returns. It keeps the `id` and the name of the `workflow`, nothing else.

    Every method asks the database, and raises NotFound where the execution was purged.
    """

    __slots__ = ("_engine", "id", "workflow")

    def __init__(self, engine: DatabaseAccess, id: str, workflow: str) -> None:
        self._engine = engine
        self.id = id
        self.workflow = workflow

    def status(self) -> Status:
        """The status now, one of `hydra.Status`."""
        return self._engine.snapshot(self.id).status

    def execution(self) -> Execution:
        """Everything the execution's row says: its status, key, tags, node, and when it was submitted, began, ended."""
        return execution_view(self._engine.snapshot(self.id))

    def result(self, timeout: timedelta | float | None = None, *, wait_while_parked: bool = False) -> R:
        """Wait for the end; the result, as the workflow's return annotation has it.

        Args:
            timeout: seconds (or a timedelta) to wait; None: as long as it takes.
            wait_while_parked: a parked execution goes on when a person says so; wait for that, too.

        Raises:
            WorkflowFailed: it failed; `__cause__` is the exception that left the body.
            WorkflowCancelled: it was cancelled.
            WorkflowParked: it waits for a person, for the `reason` that the error carries.
            ResultTimeout: it was not done in time; it goes on.
        """
        seconds = None if timeout is None else seconds_of(timeout, "`timeout`")
        began = monotonic()
        watcher = self._engine.watcher()
        if seconds is None:
            wait = watcher.watch(self.id, wait_while_parked)
        else:
            wait = watcher.watch_within(self.id, seconds, wait_while_parked)
        try:
            if not wait.promise.wait(None if seconds is None else max(0.0, seconds - (monotonic() - began))):
                raise self.not_done(timeout)
            outcome = wait.promise.result()
        finally:
            wait.forget()
        return self.read(outcome)

    def steps(self) -> list[StepView]:
        """The steps so far, in the order in which they first reported, with what running ones say of their progress.

        What `hydra.map` runs is in `maps()`.
        """
        return step_views(self.records(), self._engine.read(lambda store: store.progress(self.id)))

    def maps(self) -> list[BulkView]:
        """How far each `hydra.map` of it has come, and when it may end."""
        return bulk_views(self.records())

    def attempts(self) -> list[Attempt]:
        """The audit trail: every node and worker that held the execution, from when to when, and how that ended."""
        return [attempt_view(claim) for claim in self._engine.read(lambda store: store.claims(self.id))]

    def records(self) -> list[Record]:
        """The record log, as it stands in the database; payloads are bytes."""
        return self._engine.read(lambda store: store.records(self.id))

    def export(self) -> Export:
        """What a replay of it needs, for `hydra.testing.replay`; `hydra show ID --json` prints it as `export`."""

        def read(store: Store) -> Export:
            outcome = store.outcomes([self.id])[0]
            payload = None if outcome is None else self._engine.fetched(outcome[1])
            input, records = fetched_history(store, store.input(self.id), store.records(self.id))
            return export(self._engine.snapshot(self.id), input, records, payload)

        return self._engine.read(read)

    def cancel(self, *, undo: bool = True, connection: object = None, reason: str = "") -> Status:
        """Ask for the end. What does not run is cancelled at once; what runs stops at its next step. The status after
        that.

        What has undo steps (`hydra.on_failure`) is undone by a worker first, and is `pending` until then. What had
        ended stays as it was.

        Args:
            undo: False ends it as it is, if it does not run: for what hydra cannot undo, once a person has.
            connection: of your own open transaction, as of `Engine.submit`; keep that short.
            reason: why, for those who ask later; `acts()` has it.
        """
        by = author(reason)
        if not undo:
            needed = ApprovalKind.CANCEL in rule_of(self._engine.read(lambda store: store.approvals())).acts
            if needed and connection is not None:
                raise IllegalMove(
                    f"to cancel execution `{self.id}` without undo takes a second person, so it cannot be a part of "
                    "your transaction; leave out `connection`"
                )
            if needed:
                need_for(self._engine, ApprovalKind.CANCEL, [self._engine.snapshot(self.id).id], by)
        if connection is not None:
            session = self._engine.session()
            own = recorded_orders.cancel_in(session.store, connection, self.id, session.now(), by, undo=undo)
            return self._known(own)
        return self._known(
            self._engine.write(lambda store, now: recorded_orders.cancel(store, [self.id], now, by, undo=undo))
        )

    def signal(self, name: str, value: Any = None, *, id: str | None = None, connection: object = None) -> None:
        """Put an event before the execution; one `hydra.wait_event` of that name takes it, now or later.

            handle.signal("approved", {"by": "ops"})

        Signals arrive in the order in which `signal` returned, and each is taken by the first wait that can read it.
        What fits no wait is set aside (`set_aside()`), until one begins that it fits.

        Args:
            name: of the event.
            value: what it says.
            id: a text of your own, such as the sender's `"evt_123"`: with it the signal may be repeated, and arrives
                once. A UUID is one id in all its spellings (capitals, without hyphens, `{…}`, `urn:uuid:…`).
            connection: of your own open transaction, as of `Engine.submit`; it holds the execution until it ends.

        Raises:
            IllegalMove: the execution has ended, and does not know the signal by its `id`.
            PayloadError: it waits for that event, and never did so as a type that the value is.
            IdempotencyConflict: the `id` was used before with another name or value.
            ConfigError: the `id` is empty, or longer than 500 characters.
        """
        payload = codec.encode(value)
        check_name(name, "event")
        message_id = _core.uuid7() if id is None else signal_id(id)
        awaited = [each for each in self.awaited() if each.name == name]
        refuse_unfit(self.id, f"event `{name}`", value, awaited, lambda: ever_awaited(self.records(), name))

        by = author() if is_said() else None

        def put(store: Store, now: int) -> list[Status | Clash | None]:
            message = Message(message_id, self.id, name, payload, now)
            if connection is not None:
                return recorded_orders.signal_in(store, connection, message, now, by)
            return recorded_orders.signal(store, [message], now, by)

        (answer,) = self._engine.write(put) if connection is None else self._engine.join(put)
        if isinstance(answer, Clash) and not self._has_said(message_id, name, payload):
            known = id or message_id
            message = f"signal `{known}` was sent to execution `{self.id}` before, with another name or value"
            raise IdempotencyConflict(f"{message}; use another id", conflicts=[known])
        status = self._known([self.status() if isinstance(answer, Clash) else answer])
        if status in FINAL and (id is None or not self._has_said(message_id, name, payload)):
            raise IllegalMove(f"execution `{self.id}` is {status}; it takes no event `{name}` any more")

    def _has_said(self, message_id: str, name: str, payload: bytes) -> bool:
        """Whether the message of that id is this one, sent before its value's class gained a field with a default."""
        put = self._engine.read(lambda store: store.messages(self.id))
        taken = [
            message_in(record.name, record.payload or b"")
            for record in self.records()
            if record.kind == RecordKind.EVENT and str(UUID(bytes=record.digest)) == message_id
        ]
        known = [*((each.name, each.payload) for each in put if each.id == message_id), *taken]
        refuse_unreadable(message_id, self.id, (before for each, before in known if each == name))
        return any(each == name and codec.says_the_same(before, payload) for each, before in known)

    def awaited(self) -> list[Awaited]:
        """What it waits for now, as far as it is recorded: the names of events, and the types they are read as."""
        return awaited_of(self._engine.read(lambda store: store.waits(self.id)))

    def set_aside(self) -> list[SetAside]:
        """The messages that fitted no wait so far, with the reason."""
        return set_aside_of(self.records())

    def retry(self, *, reason: str = "") -> None:
        """Let a failed execution run again. Only what ended it is forgotten: all failures of a group or gather at once.

        One that failed of a child goes on with what the child returned, once that was retried and has completed.

        Args:
            reason: why, for those who ask later; `acts()` has it.

        Raises:
            IllegalMove: it is not failed; its effects were undone when it failed; or its key went over to a later
                execution (`key_reuse="after_end"`), so that two of one key would run.
        """
        before = self._engine.snapshot(self.id)
        if obstacle := not_alone(before):
            raise IllegalMove(obstacle)
        if before.status is Status.FAILED and was_undone(self.records(), before.attempt + 1):
            raise IllegalMove(undone_reason(self.id))
        by = author(reason)

        def order(store: Store, now: int) -> list[Status | None]:
            again = partial(child_ends.retry, store, self.id, now)
            return recorded_orders.retry(store, [self.id], now, by, again)

        self._order(order, Status.FAILED, "retried")
        after = self._engine.snapshot(self.id)
        if after.status is not Status.FAILED or after.attempt != before.attempt:
            return
        key = before.key
        if key is None:
            again = next((act.detail for act in self.acts() if act.kind == ActKind.RERUN), "run again")
            raise IllegalMove(f"execution `{self.id}` cannot be retried: it was {again}; retry that")
        holder = self._engine.read(lambda store: store.find(before.workflow, key))
        whose = "another execution, which was purged," if holder is None else f"execution `{holder.id}`"
        raise IllegalMove(
            f"execution `{self.id}` cannot be retried: its key `{key}` is that of {whose} by now; "
            "retry that, or submit it again"
        )

    def resume(self, *, reason: str = "") -> None:
        """Let a parked execution go on, from what is recorded.

        Args:
            reason: why, for those who ask later; `acts()` has it.

        Raises:
            IllegalMove: it is not parked.
        """
        by = author(reason)
        self._order(lambda store, now: recorded_orders.resume(store, [self.id], now, by), Status.PARKED, "resumed")

    def resolve(
        self,
        step: str,
        *,
        value: Any = NOTHING,
        rerun: bool = False,
        branch: str | None = None,
        ordinal: int | None = None,
        reason: str = "",
    ) -> None:
        """Settle a step in doubt of a parked execution, which then goes on.

            handle.resolve("transfer", value="pay-81")  # it took effect; this is what the step would have returned
            handle.resolve("transfer", rerun=True)  # it did not; run it again

        Args:
            step: its name.
            value: what the step would have returned, if its effect happened.
            rerun: True if it did not happen and is to run again.
            branch: as in `steps()`, to tell steps of one name apart.
            ordinal: as in `steps()`, from 0, to tell steps of one name apart.
            reason: why, for those who ask later; `acts()` has it.

        Raises:
            NotFound: no such step is in doubt.
            IllegalMove: the execution is not parked, or has moved on meanwhile.
            ConfigError: neither a value nor `rerun` is given, or both; or several steps of that name are in doubt.
        """
        resolving.resolve(self._engine, self.id, step, value, rerun, branch, ordinal, author(reason))

    def reschedule(
        self,
        *,
        delay: timedelta | float | None = None,
        at: datetime | None = None,
        priority: int | None = None,
        input: BoundWorkflow[R] | None = None,
        reason: str = "",
    ) -> None:
        """Change when it is due, its priority or its arguments, while it is pending: not begun, or before its next
        attempt; its arguments only where it has never begun.

            handle.reschedule(delay=0)  # run it now
            handle.reschedule(at=monday, priority=-5, reason="the bank is closed")
            handle.reschedule(input=bill.bind("visa-2", 1999), reason="their card was replaced")

        What a limit holds back goes on waiting there. A time-out counts from when it is due; of what has run before it
        goes on. What is not given stays as it is; `acts()` says who changed what.

        Args:
            delay: seconds from now, or a timedelta; 0: at once.
            at: an aware datetime, in place of `delay`.
            priority: higher ones are claimed first.
            input: other arguments, such as `bill.bind(other)`. Its limits are worked out again; its tags, its time-out
                and its key stay, and under that it is found with these arguments from now on.
            reason: why, for those who ask later.

        Raises:
            IllegalMove: it is not pending, such as when a node was faster, or has begun before; the message says what
                it does now.
            ConfigError: nothing to change was given, both a delay and an instant, or the input of another workflow.
            PayloadError: the arguments do not fit the workflow, or cannot be encoded.
        """
        act_orders.reschedule(self._engine, self.id, delay, at, priority, input, reason)

    def set_attributes(self, values: Mapping[str, Any], *, reason: str = "") -> None:
        """Change what it is found by, whatever its state; `acts()` says who changed which.

            handle.set_attributes({"state": "seen by ana"}, reason="ticket 81")

        What its body sets later replaces it; a replay of the body does not.

        Args:
            values: by name, as `search=` of the workflow declares them; None: it has none any more.
            reason: why, for those who ask later.

        Raises:
            NotFound: it is not there any more.
            PayloadError: for a name that is not declared, or a value that does not fit.
        """
        act_orders.set_attributes(self._engine, self.id, self.workflow, values, reason)

    def delete(self, *, reason: str = "") -> int:
        """Delete it for good, with its records, messages, input and result, and all that it has spawned. How many
        executions went.

        Its key stays taken, as after a purge: the same invoice never runs twice. `acts()` still says who deleted it.
        What others recorded of it (forks, parents outside its tree, backups) stays.

        Args:
            reason: why, such as the number of a request; it is kept.

        Raises:
            IllegalMove: it has not ended, something that it has spawned has not, or it is part of another's tree.
        """
        by = author(reason)
        need_for(self._engine, ApprovalKind.PURGE, [self._engine.snapshot(self.id).id], by)
        return act_orders.delete(self._engine, self.id, by)

    def acts(self) -> list[ActView]:
        """Who has given which order about it: when, from where, why, and what was before. Of what is deleted, that.

        Signals of programs are not among them: `set_aside()` and the records have what was sent.
        """
        return act_orders.read_acts(self._engine, self.id)

    def _known(self, answers: list[Status | None]) -> Status:
        if answers[0] is None:
            raise self._engine.not_found(self.id)
        return answers[0]

    def _order(self, order: Callable[[Store, int], list[Status | None]], required: Status, done: str) -> None:
        """Move it on. After a lost reply it has moved already, by that try or somebody else's (R17)."""
        try_count = 0

        def give(store: Store, now: int) -> list[Status | None]:
            nonlocal try_count
            try_count += 1
            return order(store, now)

        before = self._known(self._engine.write(give))
        if before is required or (try_count > 1 and before not in (*FINAL, Status.PARKED)):
            return
        message = f"execution `{self.id}` is {before}; only a {required} one can be {done}"
        other = {Status.PARKED: "resume", Status.FAILED: "retry"}.get(before)
        if other is not None:
            message = f"{message}; `{other}` lets a {before} one go on"
        if try_count > 1:
            message = f"{message}; the database's first answer was lost, so it may have been {done}"
            raise StoreUnavailable(message, execution_id=self.id, outcome="unknown")
        raise IllegalMove(message)

    # what waits for the end, here and in AsyncHandle

    def watch(self, wait_while_parked: bool) -> Wait:
        """A wait for the end, for `result` here and in AsyncHandle."""
        return self._engine.watcher().watch(self.id, wait_while_parked)

    def not_done(self, timeout: timedelta | float | None) -> ResultTimeout:
        """The error of a wait that ended too early."""
        after = f"{seconds_of(timeout or 0, '`timeout`'):g} s"
        return ResultTimeout(f"execution `{self.id}` of `{self.workflow}` was not done after {after}; it goes on")

    def read(self, outcome: Outcome) -> R:
        """The result, typed by the workflow's return annotation where its code is here."""
        status, payload, cause = outcome
        whole = status, self._engine.fetched(payload), cause
        return cast(R, read_outcome(self.id, self.workflow, whole, registry.function_of(self.workflow)))

    def __repr__(self) -> str:
        return f"<hydra.Handle `{self.workflow}` {self.id}>"
