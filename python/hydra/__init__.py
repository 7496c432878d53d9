"""Durable workflows for plain Python functions. This module holds the public names; importing it starts nothing."""

from hydra import aio
from hydra.body.bulk import map_items as map
from hydra.body.callbacks import callback_token, wait_callback
from hydra.body.doubts import NOT_FOUND, UNSURE, Answer, Found
from hydra.body.spawning import Child
from hydra.body.spawning import begin as spawn
from hydra.client.async_engine import AsyncEngine, AsyncHandle
from hydra.client.engine import Engine
from hydra.client.handle import Handle
from hydra.client.outcomes import Outcome, Outcomes
from hydra.context import (
    cancelled,
    continue_as_new,
    current,
    gather,
    heartbeat,
    idempotency_key,
    now,
    on_failure,
    patched,
    random,
    sleep,
    uuid4,
    wait_event,
)
from hydra.definitions import BoundStep, BoundWorkflow
from hydra.errors import (
    CallbackFailed,
    ConfigError,
    EventTimeout,
    HydraError,
    IdempotencyConflict,
    IllegalMove,
    Interrupt,
    LeaseLost,
    NonDeterminismError,
    NonRetryable,
    NotFound,
    PayloadError,
    PayloadTooLarge,
    QueueFull,
    ResultTimeout,
    SchemaError,
    StepFailed,
    StepTimeout,
    StoreUnavailable,
    WorkflowCancelled,
    WorkflowFailed,
)
from hydra.execution import Status
from hydra.retry import Backoff
from hydra.schedules import Cron
from hydra.worker.hooks import on_worker_start, on_worker_stop
from hydra.workflow import named, step, transaction, workflow

__all__ = [
    "NOT_FOUND",
    "UNSURE",
    "Answer",
    "AsyncEngine",
    "AsyncHandle",
    "Backoff",
    "BoundStep",
    "BoundWorkflow",
    "CallbackFailed",
    "Child",
    "ConfigError",
    "Cron",
    "Engine",
    "EventTimeout",
    "Found",
    "Handle",
    "HydraError",
    "IdempotencyConflict",
    "IllegalMove",
    "Interrupt",
    "LeaseLost",
    "NonDeterminismError",
    "NonRetryable",
    "NotFound",
    "Outcome",
    "Outcomes",
    "PayloadError",
    "PayloadTooLarge",
    "QueueFull",
    "ResultTimeout",
    "SchemaError",
    "Status",
    "StepFailed",
    "StepTimeout",
    "StoreUnavailable",
    "WorkflowCancelled",
    "WorkflowFailed",
    "__version__",
    "aio",
    "callback_token",
    "cancelled",
    "continue_as_new",
    "current",
    "gather",
    "heartbeat",
    "idempotency_key",
    "map",
    "named",
    "now",
    "on_failure",
    "on_worker_start",
    "on_worker_stop",
    "patched",
    "random",
    "sleep",
    "spawn",
    "step",
    "transaction",
    "uuid4",
    "wait_callback",
    "wait_event",
    "workflow",
]


def __getattr__(name: str) -> str:
    """`__version__`, read when somebody asks: it costs a third of the import."""
    if name != "__version__":
        raise AttributeError(f"module `hydra` has no attribute `{name}`")
    from importlib.metadata import version

    return version("hydra-engine")
