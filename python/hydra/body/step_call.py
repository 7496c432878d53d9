"""One try of a step, and who is calling inside it: what hydra's functions mean there."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from contextvars import Context
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NoReturn, Protocol, Self
from uuid import UUID

import msgspec

from hydra import codec
from hydra.body.plain_map import map_plainly
from hydra.body.record_log import RecordLog, Timing
from hydra.body.replay import Key
from hydra.body.strand import Strand
from hydra.context import Current
from hydra.definitions import BoundEach, BoundStep, BoundWorkflow, Step, Workflow
from hydra.errors import HydraError, LeaseLost, PayloadTooLarge
from hydra.execution import ChildKey, Claimed, End
from hydra.middleware import StepTry
from hydra.records.placed import Place

MAX_PROGRESS_BYTES = 16_384  # of what `hydra.heartbeat` is given, encoded
NEVER_NS = 1 << 62
IMMUTABLE = frozenset({int, float, bool, str, bytes, type(None), Decimal, datetime, date, time, timedelta, UUID})


class Interruptible(Protocol):
    """A step under way."""

    is_interrupted: bool

    def ask(self) -> None:
        """Tell it that its execution stops, so far as it can be told."""
        ...

    def interrupt(self) -> None: ...


class StepHost(Protocol):
    """What a step under way needs of the hub."""

    def now(self) -> int: ...
    def boottime_ns(self) -> int: ...
    def may_start(self) -> bool: ...
    def resume(self, strand: Strand) -> None: ...
    def beaten(self, call: StepCall) -> None:
        """The call says that it goes on. From any thread."""
        ...

    def report(self, call: StepCall) -> None:
        """Let the supervisor know of the call's progress, now and then. From any thread."""
        ...


class StepOwner(Protocol):
    """What a step under way needs of its execution."""

    token: int
    claimed: Claimed
    calls: set[StepCall]  # steps under way that can be told to stop
    stopping: End | None  # how the claim ends, once that is decided
    place: Place | None  # whose step it runs, where it is the execution of a step

    @property
    def host(self) -> StepHost: ...
    @property
    def log(self) -> RecordLog: ...
    @property
    def generation(self) -> int: ...
    @property
    def is_to_stop(self) -> bool: ...
    @property
    def is_lost(self) -> bool: ...
    def current(self, step: str | None, attempt: int) -> Current: ...
    def hold(self) -> None: ...
    def limits_named(self, key: str) -> list[str]:
        """Those of its workflow that a step means by that; see `hydra.limit_calls.limits_named`."""
        ...


class CalledStep(msgspec.Struct, frozen=True, gc=False):
    """A call of a step, as a body makes it: its key, and what is called with what."""

    key: Key
    step: Step[..., Any]
    digest: bytes  # of its arguments
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    is_fixed: bool = False  # none of these can be changed in place, as far as is known

    @classmethod
    def of(cls, branch: str, ordinal: int, bound: BoundStep[Any], digest: bytes) -> CalledStep:
        return cls((branch, bound.step.name, ordinal), bound.step, digest, bound.args, bound.kwargs)


class StepCall(msgspec.Struct, eq=False):
    """One try of a step, and the caller inside it; filled in by whoever performs it.

    It is the timing of its record, too, where no other try follows.
    """

    execution: StepOwner
    called: CalledStep
    step: Step[..., Any]
    function: Callable[..., Any]
    attempt: int
    result: Any = None
    error: BaseException | None = None
    started_at: int = 0  # 0: it was not allowed to start
    finished_at: int = 0
    place: int = -1  # in the worker's page
    context: Context | None = None  # a copy of the body's, as it was at the call
    strand: Strand | None = None
    running: Interruptible | None = None
    deadline_ns: int = 0
    beat_ns: int = 0  # when it last said that it goes on, where it has to
    stop_at_ns: int = 0  # 0: it was not asked to stop
    overdue_reason: str = ""
    is_cut_off: bool = False  # ended because its execution stops: its outcome is not known
    is_given_up: bool = False
    has_switched: bool = False
    progress: bytes | None = None
    reported_at: int = 0
    is_reporting: bool = False

    is_body = False
    is_kept_in_page = True  # until its outcome is durable
    due_at = reserved = 0

    @classmethod
    def of(cls, execution: StepOwner, called: CalledStep, attempt: int) -> Self:
        return cls(execution, called, called.step, called.step.function, attempt)

    def __repr__(self) -> str:
        return f"<try {self.attempt} of step `{self.step.name}`>"

    @property
    def is_abandoned(self) -> bool:
        """Nobody waits for it any more: it is not tried again."""
        return self.strand is not None and self.strand.is_given_up

    @property
    def recorded_as(self) -> tuple[str, int]:
        """The name and the number under which this try is recorded."""
        return self.step.name, self.attempt

    @property
    def timeout_ns(self) -> int:
        """0: none."""
        return self.step.timeout_ns

    def timing(self, due_at: int = 0, reserved: int = 0) -> Timing:
        """Of the record that tells how it ended."""
        return Timing(self.attempt, self.started_at, self.finished_at, due_at, reserved, self.place)

    def as_try(self) -> StepTry:
        """As hooks see it."""
        here, (name, attempt) = self.current(), self.recorded_as
        who = (here.id, here.workflow, here.key, here.namespace, here.tags, here.execution_attempt)
        return StepTry(name, attempt, self.step.is_async, *who)

    def overdue_at_ns(self) -> int:
        """When it is to be ended, as things stand."""
        at_ns = self.deadline_ns or NEVER_NS
        if self.step.heartbeat_timeout_ns:
            at_ns = min(at_ns, self.beat_ns + self.step.heartbeat_timeout_ns)
        return min(at_ns, self.stop_at_ns) if self.stop_at_ns else at_ns

    def is_overdue(self, now_ns: int) -> bool:
        """Whether it is to be ended now, and if so, why."""
        step = self.step
        if self.overdue_at_ns() > now_ns:
            return False
        if self.deadline_ns and self.deadline_ns <= now_ns:
            self.overdue_reason = f"step `{step.name}` ran longer than {self.timeout_ns / 1e9:g} s"
        elif step.heartbeat_timeout_ns and self.beat_ns + step.heartbeat_timeout_ns <= now_ns:
            silent_seconds = step.heartbeat_timeout_ns / 1e9
            self.overdue_reason = f"step `{step.name}` did not call `hydra.heartbeat` for {silent_seconds:g} s"
        else:
            self.is_cut_off = True
            self.overdue_reason = (
                f"step `{step.name}` did not end within {step.cancel_grace_ns / 1e9:g} s after it was asked to stop"
            )
        return True

    def own_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What this try may change without the body or the next try seeing it."""
        args, kwargs = self.called.args, self.called.kwargs
        if not kwargs:
            for argument in args:
                if type(argument) not in IMMUTABLE:
                    break
            else:
                return args, kwargs
        try:
            return copy.deepcopy((args, kwargs))
        except RecursionError:  # Python's own copies less deep than what a payload takes
            args, kwargs = codec.decode(codec.encode((args, kwargs)))
            return args, kwargs

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if step.is_transaction:
            raise HydraError(
                f"transaction `{step.name}` belongs in a workflow's body, not in step `{self.step.name}`; "
                f"call `{step.__name__}.function(connection, …)` there"
            )
        return step.function(*args, **kwargs)

    def call_workflow(self, workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return workflow.function(*args, **kwargs)

    def sleep(self, seconds: float) -> None:
        raise HydraError(f"`hydra.sleep` belongs in a workflow's body, not in step `{self.step.name}`; use time.sleep")

    def wait_event(self, name: str, annotation: Any, seconds: float | None) -> Any:
        raise HydraError(f"`hydra.wait_event` belongs in a workflow's body, not in step `{self.step.name}`")

    def callback_token(self, key: str | None, annotation: Any) -> str:
        raise HydraError(f"`hydra.callback_token` belongs in a workflow's body, not in step `{self.step.name}`")

    def wait_callback(self, token: str, annotation: Any, seconds: float | None) -> Any:
        raise HydraError(f"`hydra.wait_callback` belongs in a workflow's body, not in step `{self.step.name}`")

    def on_failure(self, bound: BoundStep[Any]) -> None:
        raise HydraError(f"`hydra.on_failure` belongs in a workflow's body, not in step `{self.step.name}`")

    def is_cancelled(self) -> bool:
        return self.stop_at_ns > 0 or self.execution.is_to_stop

    def heartbeat(self, progress: Any) -> None:
        host = self.execution.host
        self.beat_ns = host.boottime_ns()
        # guard R5: a long step hears of the deadline by its heartbeat
        if not host.may_start() or self.execution.is_lost:
            raise LeaseLost(
                f"step `{self.step.name}` may not go on: its node may have lost the execution; let this pass"
            )
        host.beaten(self)
        if progress is None:
            return
        payload = codec.encode(progress)
        if len(payload) > MAX_PROGRESS_BYTES:
            raise PayloadTooLarge(
                f"the progress of step `{self.step.name}` takes {len(payload)} bytes, "
                f"more than {MAX_PROGRESS_BYTES}; say less"
            )
        self.reported_at = host.now()
        self.progress = payload
        if not self.is_reporting:
            self.is_reporting = True
            host.report(self)

    def set_attributes(self, values: dict[str, Any]) -> None:
        raise HydraError(f"`hydra.set_attributes` belongs in a workflow's body, not in step `{self.step.name}`")

    def spawn(self, bound: BoundWorkflow[Any], key: ChildKey | None) -> Any:
        raise HydraError(
            f"`hydra.spawn` belongs in a workflow's body, not in step `{self.step.name}`; use Engine.submit in a step"
        )

    def child_result(self, child: Any) -> Any:
        raise HydraError(f"a child's result belongs in a workflow's body, not in step `{self.step.name}`")

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        raise HydraError(f"`hydra.continue_as_new` belongs in a workflow's body, not in step `{self.step.name}`")

    def value(self, name: str, key: str | None, make: Callable[[], Any]) -> Any:
        return make()

    def patched(self, name: str) -> bool:
        raise HydraError(f"`hydra.patched` belongs in a workflow's body, not in step `{self.step.name}`")

    def wait_first(self, waits: Any, losers: Any) -> Any:
        raise HydraError(f"`hydra.wait_first` belongs in a workflow's body, not in step `{self.step.name}`")

    def map(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Any:
        return map_plainly(bound)

    def gather(self, bound: tuple[BoundStep[Any], ...], concurrency: int | None) -> tuple[Any, ...]:
        return tuple(each.step.function(*each.args, **each.kwargs) for each in bound)

    def current(self) -> Current:
        return self.execution.current(self.step.name, self.attempt)

    def idempotency_key(self, label: str | None) -> str:
        execution = self.execution
        branch, _, ordinal = self.called.key
        id, generation = execution.claimed.id, execution.generation
        if (whose := execution.place) is not None:  # it is the same wherever the step runs
            id, branch, ordinal, generation = whose.execution_id, whose.branch, whose.ordinal, whose.generation
        place = f"{branch}\0{self.step.name}\0{ordinal}\0{label or ''}"
        if generation > 1:
            place += f"\0{generation}"
        return f"{id}-{hashlib.blake2b(place.encode(), digest_size=10).hexdigest()}"
