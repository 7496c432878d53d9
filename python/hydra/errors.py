"""The one tree of errors. Each carries a sentence: what failed, on what, what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

MAX_DELAY_SECONDS = 31_536_000_000  # a thousand years


class HydraError(Exception):
    """The root of every error hydra raises to a caller."""


class ConfigError(HydraError):
    """A setting, URL, name, option or definition is wrong; nothing was started."""


class StoreUnavailable(HydraError):
    """The database did not answer, or answered that it cannot serve.

    `execution_id` and `outcome="unknown"` are set when a submission may or may not have happened:
    repeat it as it was, with its key, or without one with `submit(..., id=error.execution_id)`, which is safe (R17).
    """

    def __init__(self, message: str, *, execution_id: str | None = None, outcome: str | None = None) -> None:
        super().__init__(message)
        self.execution_id = execution_id
        self.outcome = outcome


class ConnectionsUsedUp(StoreUnavailable):
    """The server has no connection to spare, or grants this user no more; others may end theirs."""


class SchemaError(ConfigError):
    """The database's tables are newer than this hydra, missing, or damaged."""


class NotFound(HydraError):
    """No execution (or workflow, or node) of that name or id exists in this namespace."""


class IllegalMove(HydraError):
    """The execution's state does not allow what was asked (for example `resume` of a completed one)."""


class ApprovalNeeded(IllegalMove):
    """The act takes a second person: nothing was done, it was asked for. Somebody else does it by
    `engine.approve(error.approval_id)`."""

    def __init__(self, message: str, *, approval_id: str = "") -> None:
        super().__init__(message)
        self.approval_id = approval_id


class IdempotencyConflict(HydraError):
    """A key was used before with another input, or an id with another input or key. `conflicts` lists the keys."""

    def __init__(self, message: str, *, conflicts: list[str] | None = None) -> None:
        super().__init__(message)
        self.conflicts = conflicts or []


class KeyTaken(IdempotencyConflict):
    """A key was used before, and its policy (`key_reuse`) lets nobody use it again; or what had it was purged.

    `execution_id` is that execution's.
    """

    def __init__(self, message: str, *, conflicts: list[str] | None = None, execution_id: str | None = None) -> None:
        super().__init__(message, conflicts=conflicts)
        self.execution_id = execution_id


class QueueFull(HydraError):
    """As many executions are pending as `max_pending` allows: of the engine, a workflow, a key of a limit, or the
    namespace; submit later."""


class PayloadError(HydraError):
    """A value cannot be encoded, or stored bytes cannot be decoded."""


class PayloadTooLarge(PayloadError):
    """A value's encoding exceeds 16 MiB before it is compressed; of arguments another limit may be set."""


class LocalClass(PayloadError):
    """A value holds an object of a class that no other process finds by its name; an annotation must name it."""


class NotKept(PayloadError, AttributeError):
    """What is asked of was on an exception, and could not be recorded with it."""


class NonDeterminismError(HydraError):
    """A replay asked for something else than the record holds; the execution is parked."""


class LeaseLost(HydraError):
    """This node may no longer act for the execution. From `hydra.heartbeat`: end the effect at once."""


class WorkflowFailed(HydraError):
    """`Handle.result()` of a failed execution. `__cause__` is the rebuilt exception that left the body.

    `cause` is `timeout` where the time of the workflow ran out; `traceback_text` is the traceback in the
    worker.
    """

    def __init__(self, message: str, *, cause: str | None = None, traceback_text: str | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.traceback_text = traceback_text


class WorkflowCancelled(HydraError):
    """`Handle.result()` of a cancelled execution."""


class WorkflowParked(HydraError):
    """`Handle.result()` of a parked execution: it waits for a person. `reason` says for what; then `hydra resume`."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class StepFailed(HydraError):
    """Stands for a step's exception whose class cannot be rebuilt here; `exception_type` is its import path."""

    def __init__(self, message: str, *, exception_type: str = "", traceback_text: str = "") -> None:
        super().__init__(message)
        self.exception_type = exception_type
        self.traceback_text = traceback_text


class StepTimeout(HydraError):
    """A step ran longer than its `timeout`, was silent for its `heartbeat_timeout`, or did not end after a cancel."""


class EventTimeout(HydraError):
    """`wait_event` or `wait_callback` ended without what it waited for."""


class CallbackFailed(HydraError):
    """`wait_callback` of a token that was completed by `Engine.fail`; the text is the reason given there."""


class ResultTimeout(HydraError):
    """`Handle.result(timeout=…)` ended before the execution did. The execution goes on."""


class NonRetryable(HydraError):
    """Raise it in a step (or body) to end its tries at once, whatever `retry_on` says."""


class RetryAfter(HydraError):
    """Raise it in a step to have it tried again later, at the cost of no attempt: the other side said when to return.

        raise hydra.RetryAfter(30, "the bank is closed for maintenance")

    The wait is durable, and holds up nothing but this execution. A step may do so for as long as its `deadline` (or its
    workflow's time-out) lets it, and 1,000 times at most; then its attempts count as used up.

    With `key=` all who share that key of a limit wait as long, on all nodes; those of other keys go on:

        @hydra.workflow(limits=[hydra.Rate(100, per=1.0, key="provider")])
        ...
        raise hydra.RetryAfter(30, "429", key="provider")

    Args:
        delay: seconds, or a timedelta.
        message: what was said; `hydra why` and `hydra limits show` repeat it.
        key: which limits of its workflow: as their `key=` says, or their `name=`.

    Raises:
        ConfigError: for a delay or a key that cannot be.
    """

    key: str | None = None

    def __init__(self, delay: timedelta | float, message: str = "", *, key: str | None = None) -> None:
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_DELAY_SECONDS:
            raise ConfigError(
                f"a RetryAfter takes a timedelta or seconds, from 0 to 1,000 years, not {_written(delay)}"
            )
        if key is not None and (not isinstance(key, str) or not key):
            raise ConfigError(f"`key` of a RetryAfter names a limit by its key or its name, not {_written(key)}")
        self.seconds = float(seconds)
        self.key = key
        super().__init__(message or f"to be tried again in {self.seconds:g} s")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.seconds, *self.args), self.__dict__


class Interrupt(BaseException):
    """Enters a body to unwind it (suspension, cancellation, lost lease); never catch it."""


def _written(value: object) -> str:
    """`hydra.written` stands above this module."""
    try:
        return f"{value!r:.80}"
    except ValueError:  # it has more digits than Python writes
        return f"a `{type(value).__qualname__}`"
