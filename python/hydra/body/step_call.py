"""One try of a step, and who is calling inside it: what hydra's functions mean there."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from hydra import codec
from hydra.body import bulk
from hydra.context import Current
from hydra.definitions import BoundEach, BoundStep, BoundWorkflow, Step, Workflow
from hydra.errors import HydraError, LeaseLost, PayloadTooLarge

if TYPE_CHECKING:
    from hydra.body.executor import Execution
    from hydra.body.host import Strand
    from hydra.body.limits import Interruptible
    from hydra.body.spawning import Child

PROGRESS_BYTES_MAXIMUM = 16_384  # of what `hydra.heartbeat` is given, encoded
NEVER_NS = 1 << 62
IMMUTABLE = frozenset({int, float, bool, str, bytes, type(None), Decimal, datetime, date, time, timedelta, UUID})


class StepCall:
    """One try of a step, and the caller inside it; filled in by whoever performs it."""

    __slots__ = (
        "__dict__",  # of what few calls need: their class says what it is for all others
        "args",
        "attempt",
        "branch",
        "deadline_ns",
        "error",
        "execution",
        "finished_at",
        "function",
        "has_switched",
        "is_given_up",
        "kwargs",
        "ordinal",
        "result",
        "running",
        "started_at",
        "step",
        "strand",
        "timeout_ns",
    )

    beat_ns = 0  # when it last said that it goes on, where it has to
    stop_at_ns = 0  # 0: it was not asked to stop
    overdue_reason = ""
    is_cut_off = False  # ended because its execution stops: its outcome is not known
    progress: bytes | None = None
    reported_at = 0
    is_reporting = False

    def __init__(
        self,
        execution: Execution,
        branch: str,
        step: Step[..., Any],
        ordinal: int,
        attempt: int,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.execution = execution
        self.branch = branch
        self.step = step
        self.function = step.function
        self.ordinal = ordinal
        self.attempt = attempt
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.error: BaseException | None = None
        self.started_at = 0  # 0: it was not allowed to start
        self.finished_at = 0
        self.timeout_ns = step.timeout_ns  # 0: none
        self.deadline_ns = 0
        self.running: Interruptible | None = None
        self.is_given_up = False
        self.has_switched = False
        self.strand: Strand | None = None

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
                f"step `{step.name}` did not end within {step.cancel_grace_ns / 1e9:g} s "
                "after its execution was cancelled or ran out of time"
            )
        return True

    def own_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What this try may change without the body or the next try seeing it."""
        if not self.kwargs and IMMUTABLE.issuperset(map(type, self.args)):
            return self.args, self.kwargs
        return copy.deepcopy((self.args, self.kwargs))

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if step.is_transaction:
            raise HydraError(
                f"transaction `{step.name}` belongs in a workflow's body, not in step `{self.step.name}`; "
                f"call `{step.__name__}.function(connection, …)` there."
            )
        return step.function(*args, **kwargs)

    def call_workflow(self, workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return workflow.function(*args, **kwargs)

    def sleep(self, seconds: float) -> None:
        raise HydraError(f"`hydra.sleep` belongs in a workflow's body, not in step `{self.step.name}`; use time.sleep.")

    def wait_event(self, name: str, annotation: Any, seconds: float | None) -> Any:
        raise HydraError(f"`hydra.wait_event` belongs in a workflow's body, not in step `{self.step.name}`.")

    def callback_token(self, key: str | None) -> str:
        raise HydraError(f"`hydra.callback_token` belongs in a workflow's body, not in step `{self.step.name}`.")

    def wait_callback(self, token: str, annotation: Any, seconds: float | None) -> Any:
        raise HydraError(f"`hydra.wait_callback` belongs in a workflow's body, not in step `{self.step.name}`.")

    def on_failure(self, bound: BoundStep[Any]) -> None:
        raise HydraError(f"`hydra.on_failure` belongs in a workflow's body, not in step `{self.step.name}`.")

    def is_cancelled(self) -> bool:
        return self.execution.is_to_stop

    def heartbeat(self, progress: Any) -> None:
        host = self.execution.host
        self.beat_ns = host.boottime_ns()
        if not host.may_start() or self.execution.is_lost:
            raise LeaseLost(
                f"step `{self.step.name}` may not go on: its node may have lost the execution; let this pass"
            )
        if progress is None:
            return
        payload = codec.encode(progress)
        if len(payload) > PROGRESS_BYTES_MAXIMUM:
            raise PayloadTooLarge(
                f"the progress of step `{self.step.name}` takes {len(payload)} bytes, "
                f"more than {PROGRESS_BYTES_MAXIMUM}; say less"
            )
        self.reported_at = host.now()
        self.progress = payload
        if not self.is_reporting:
            self.is_reporting = True
            host.report(self)

    def spawn(self, bound: BoundWorkflow[Any], key: str | None) -> Any:
        raise HydraError(
            f"`hydra.spawn` belongs in a workflow's body, not in step `{self.step.name}`; use Engine.submit in a step."
        )

    def child_result(self, child: Child[Any]) -> Any:
        raise HydraError(f"a child's result belongs in a workflow's body, not in step `{self.step.name}`.")

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        raise HydraError(f"`hydra.continue_as_new` belongs in a workflow's body, not in step `{self.step.name}`.")

    def value(self, name: str, key: str | None, make: Callable[[], Any]) -> Any:
        return make()

    def patched(self, name: str) -> bool:
        raise HydraError(f"`hydra.patched` belongs in a workflow's body, not in step `{self.step.name}`.")

    def map(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Any:
        return bulk.map_plainly(bound)

    def gather(self, bound: tuple[BoundStep[Any], ...], concurrency: int | None) -> tuple[Any, ...]:
        return tuple(each.step.function(*each.args, **each.kwargs) for each in bound)

    def current(self) -> Current:
        return self.execution.current(self.step.name, self.attempt)

    def idempotency_key(self, label: str | None) -> str:
        execution = self.execution
        place = f"{self.branch}\0{self.step.name}\0{self.ordinal}\0{label or ''}"
        if execution.generation > 1:
            place += f"\0{execution.generation}"
        return f"{execution.claimed.id}-{hashlib.blake2b(place.encode(), digest_size=10).hexdigest()}"
