"""The one tree of errors. Each carries a sentence: what failed, on what, what to do."""

from __future__ import annotations


class HydraError(Exception):
    """The root of every error hydra raises to a caller."""


class ConfigError(HydraError):
    """A setting, URL, name or definition is wrong; nothing was started."""


class StoreUnavailable(HydraError):
    """The database did not answer, or answered that it cannot serve.

    `execution_id` and `outcome="unknown"` are set when a submission may or may not have happened:
    repeat it with `submit(..., id=error.execution_id)`, which is safe (PROTOCOL R17).
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


class IdempotencyConflict(HydraError):
    """A key was used before with another input. `conflicts` lists the keys."""

    def __init__(self, message: str, *, conflicts: list[str] | None = None) -> None:
        super().__init__(message)
        self.conflicts = conflicts or []


class QueueFull(HydraError):
    """The configured queue depth is reached; submit later."""


class PayloadError(HydraError):
    """A value cannot be encoded, or stored bytes cannot be decoded."""


class PayloadTooLarge(PayloadError):
    """A value's encoding exceeds the limit (16 MiB unless configured)."""


class NonDeterminismError(HydraError):
    """A replay asked for something else than the record holds; the execution is parked."""


class LeaseLost(HydraError):
    """This node may no longer act for the execution."""


class WorkflowFailed(HydraError):
    """`Handle.result()` of a failed execution. `__cause__` is the rebuilt exception that left the body."""

    def __init__(self, message: str, *, cause: str | None = None, traceback_text: str | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.traceback_text = traceback_text


class WorkflowCancelled(HydraError):
    """`Handle.result()` of a cancelled execution."""


class StepFailed(HydraError):
    """Stands for a step's exception whose class cannot be rebuilt here; `exception_type` is its import path."""

    def __init__(self, message: str, *, exception_type: str = "", traceback_text: str = "") -> None:
        super().__init__(message)
        self.exception_type = exception_type
        self.traceback_text = traceback_text


class StepTimeout(HydraError):
    """A step ran longer than its `timeout`."""


class EventTimeout(HydraError):
    """`wait_event` ended without the event."""


class CallbackFailed(HydraError):
    """`wait_callback` of a token that was completed by `Engine.fail`."""


class ResultTimeout(HydraError):
    """`Handle.result(timeout=…)` ended before the execution did. The execution goes on."""


class NonRetryable(HydraError):
    """Raise it in a step (or body) to end retries at once."""


class Interrupt(BaseException):
    """Enters a body to unwind it (suspension, cancellation, lost lease); never catch it."""
