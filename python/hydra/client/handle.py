"""A handle: what a program holds of one execution. Asks the store each time; keeps nothing but the id."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec

from hydra import _core, codec
from hydra.client.exports import Export, export
from hydra.client.submissions import is_id
from hydra.client.views import (
    Attempt,
    BulkView,
    Execution,
    StepView,
    attempt_view,
    bulk_views,
    execution_view,
    failure_line,
    step_views,
    steps_in_doubt,
)
from hydra.client.watcher import Outcome, Wait
from hydra.clock import seconds_of
from hydra.definitions import check_name
from hydra.errors import ConfigError, IllegalMove, NotFound, ResultTimeout, WorkflowCancelled, WorkflowFailed
from hydra.execution import FINAL, Message, Record, RecordKind, Status
from hydra.stores.store import Store
from hydra.workflow import registry

if TYPE_CHECKING:
    from hydra.client.engine import Engine

R = TypeVar("R")
T = TypeVar("T")

NOTHING: Any = object()  # no value was given; None is one


class Handle(Generic[R]):
    """One execution. `R` is what its workflow returns."""

    __slots__ = ("_engine", "id", "workflow")

    def __init__(self, engine: Engine, id: str, workflow: str) -> None:
        self._engine = engine
        self.id = id
        self.workflow = workflow

    def status(self) -> Status:
        return self._engine.snapshot(self.id).status

    def execution(self) -> Execution:
        return execution_view(self._engine.snapshot(self.id))

    def result(self, timeout: timedelta | float | None = None) -> R:
        """Wait for the end, then give the result or raise WorkflowFailed, WorkflowCancelled or ResultTimeout."""
        seconds = None if timeout is None else seconds_of(timeout, "`timeout`")
        began = monotonic()
        watcher = self._engine.watcher()
        wait = watcher.watch(self.id) if seconds is None else watcher.watch_within(self.id, seconds)
        try:
            outcome = wait.future.result(None if seconds is None else max(0.0, seconds - (monotonic() - began)))
        except FutureTimeout:
            raise self.not_done(timeout) from None
        finally:
            wait.forget()
        return self.read(outcome)

    def steps(self) -> list[StepView]:
        """The steps so far, in the order in which they first reported, with what running ones say of their progress."""
        return step_views(self.records(), self._engine.read(lambda store: store.progress(self.id)))

    def maps(self) -> list[BulkView]:
        """How far each `hydra.map` of it has come, and when it may end."""
        return bulk_views(self.records())

    def attempts(self) -> list[Attempt]:
        """The audit trail: every node and worker that held the execution."""
        return [attempt_view(claim) for claim in self._engine.read(lambda store: store.claims(self.id))]

    def records(self) -> list[Record]:
        """The record log, as it stands in the database."""
        return self._engine.read(lambda store: store.records(self.id))

    def export(self) -> Export:
        """Everything a replay of it needs, for `hydra.testing.replay`."""

        def read(store: Store) -> Export:
            outcome = store.outcomes([self.id])[0]
            payload = None if outcome is None else outcome[1]
            return export(self._engine.snapshot(self.id), store.input(self.id), store.records(self.id), payload)

        return self._engine.read(read)

    def cancel(self, *, undo: bool = True) -> Status:
        """Ask for the end; what does not run is cancelled at once. The status now: what had ended stays as it was.

        What has undo steps (`hydra.on_failure`) is undone by a worker first, and is `pending` until then. With
        `undo=False` it ends as it is if it does not run: for what hydra cannot undo, once a person has.
        """
        return self._known(self._engine.write(lambda store, now: store.request_cancel([self.id], now, undo=undo)))

    def signal(self, name: str, value: Any = None, *, id: str | None = None) -> None:
        """Put an event before the execution; one `hydra.wait_event` of that name takes it, now or later.

        With an `id` (a UUID) of the caller's own it may be repeated: it arrives once.
        """
        payload = codec.encode(value)
        check_name(name, "event")
        if id is not None and not is_id(id):
            raise ConfigError(f"`{id!r:.80}` is not the id of a signal; give a UUID in its usual form")
        message_id = id or _core.uuid7()

        def put(store: Store, now: int) -> list[Status | None]:
            return store.signal([Message(message_id, self.id, name, payload, now)], now)

        status = self._known(self._engine.write(put))
        if status in FINAL:
            raise IllegalMove(f"execution `{self.id}` is {status}; it takes no event `{name}` any more")

    def retry(self) -> None:
        """Let a failed execution run again; only the failure that ended it is forgotten."""
        before = self._known(self._engine.write(lambda store, now: store.retry([self.id], now)))
        self._require(before, Status.FAILED, "retried")

    def resume(self) -> None:
        """Let a parked execution go on."""
        before = self._known(self._engine.write(lambda store, now: store.resume([self.id], now)))
        self._require(before, Status.PARKED, "resumed")

    def resolve(
        self,
        step: str,
        *,
        value: Any = NOTHING,
        rerun: bool = False,
        branch: str | None = None,
        ordinal: int | None = None,
    ) -> None:
        """Settle a step in doubt of a parked execution, which then goes on.

        Give the `value` the step would have returned if its effect happened, or `rerun=True` if it did not and is to
        run again. `branch` and `ordinal` (as in `steps()`) tell steps of one name apart. Raises NotFound where no such
        step is in doubt, IllegalMove where the execution is not parked.
        """
        if rerun is (value is not NOTHING):
            raise ConfigError("give either the `value` the step would have returned, or `rerun=True`")
        records = self.records()
        doubt = self._in_doubt(records, step, branch, ordinal)
        if rerun and doubt.kind == RecordKind.RESOLUTION:
            raise IllegalMove(f"step `{step}` was said to have taken effect; correct its value, it cannot run again")
        payload = None if rerun else codec.encode(value)
        kind = str(RecordKind.RESOLUTION)

        def settle(store: Store, now: int) -> list[Status | None]:
            seq = len(records) + 1
            settled = msgspec.structs.replace(
                doubt, seq=seq, kind=kind, payload=payload, started_at=now, finished_at=now, due_at=0
            )
            return store.resolve([(self.id, settled)], now)

        before = self._known(self._engine.write(settle))
        if before is Status.PARKED:
            return
        again = self.records()
        if len(again) > len(records) and (again[len(records)].kind, again[len(records)].payload) == (kind, payload):
            return  # it was written, and its answer lost
        raise IllegalMove(f"execution `{self.id}` has moved on meanwhile; look at it again before you resolve `{step}`")

    def _in_doubt(self, records: list[Record], step: str, branch: str | None, ordinal: int | None) -> Record:
        status = self.status()
        if status is not Status.PARKED:
            raise IllegalMove(f"execution `{self.id}` is {status}; only a step of a parked one can be resolved")
        found = [
            record
            for record in steps_in_doubt(records)
            if record.name == step and branch in (None, record.branch) and ordinal in (None, record.ordinal)
        ]
        if not found:
            raise NotFound(f"no step `{step}` of execution `{self.id}` is in doubt")
        if len(found) > 1:
            places = ", ".join(f"branch `{record.branch}` ordinal {record.ordinal}" for record in found)
            raise ConfigError(f"{len(found)} steps `{step}` are in doubt ({places}); say which")
        return found[0]

    def _known(self, answers: list[Status | None]) -> Status:
        if answers[0] is None:
            raise self._engine.not_found(self.id)
        return answers[0]

    def _require(self, status: Status, required: Status, done: str) -> None:
        if status is not required:
            raise IllegalMove(f"execution `{self.id}` is {status}; only a {required} one can be {done}")

    # what waits for the end, here and in AsyncHandle

    def watch(self) -> Wait:
        return self._engine.watcher().watch(self.id)

    def not_done(self, timeout: timedelta | float | None) -> ResultTimeout:
        after = f"{seconds_of(timeout or 0, '`timeout`'):g} s"
        return ResultTimeout(f"execution `{self.id}` of `{self.workflow}` was not done after {after}; it goes on")

    def read(self, outcome: Outcome) -> R:
        """The result, typed by the workflow's return annotation where its code is here."""
        return cast(R, read_outcome(self.id, self.workflow, outcome))

    def __repr__(self) -> str:
        return f"<hydra.Handle `{self.workflow}` {self.id}>"


def read_outcome(id: str, workflow: str, outcome: Outcome) -> Any:
    """The result, typed by the workflow's return annotation where its code is here; or its end, raised."""
    status, payload, cause = outcome
    name = f"execution `{id}` of `{workflow}`"
    if status is Status.CANCELLED:
        raise WorkflowCancelled(f"{name} was cancelled")
    if status is Status.COMPLETED:
        known = registry.workflows.get(workflow)
        if payload is None:
            return None
        return codec.decode(payload) if known is None else _decode_result(known.function, payload)
    if payload is None:
        raise WorkflowFailed(f"{name} failed: {cause or 'no reason was recorded'}", cause=cause)
    failure = codec.decode_failure(payload)
    message = f"{name} failed: {failure_line(failure)}"
    own = WorkflowFailed(message, cause=cause, traceback_text=failure.traceback_text)
    raise own from codec.rebuild_exception(failure)


def _decode_result(function: Callable[..., Any], payload: bytes) -> Any:
    return codec.Signature.of(function).decode_result(payload)
