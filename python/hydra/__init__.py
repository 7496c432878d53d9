"""Durable workflows for plain Python functions. This module holds the public names; importing it starts nothing."""

from hydra import aio
from hydra.body.callbacks import callback_token, wait_callback
from hydra.body.child_executions import Child
from hydra.body.child_executions import begin as spawn
from hydra.body.lookups import NOT_FOUND, UNSURE, Answer, Found
from hydra.body.maps import map_items as map
from hydra.body.wait_first import First, after, on_callback, on_event, wait_first
from hydra.breakers import Breaker
from hydra.client import local_worker as _local_worker
from hydra.client.async_engine import AsyncEngine
from hydra.client.async_handle import AsyncHandle
from hydra.client.async_selection import AsyncSelection
from hydra.client.bulk import Acted
from hydra.client.engine import Engine
from hydra.client.handle import Handle
from hydra.client.local_worker import LocalWorker
from hydra.client.selection import ErrorGroup, Selection
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
    set_attributes,
    sleep,
    uuid4,
    wait_event,
)
from hydra.cron import Cron
from hydra.debounce import Debounce
from hydra.definitions import BoundStep, BoundWorkflow
from hydra.errors import (
    ApprovalNeeded,
    CallbackFailed,
    ConfigError,
    EventTimeout,
    HydraError,
    IdempotencyConflict,
    IllegalMove,
    Interrupt,
    KeyTaken,
    LeaseLost,
    NonDeterminismError,
    NonRetryable,
    NotFound,
    PayloadError,
    PayloadTooLarge,
    QueueFull,
    ResultTimeout,
    RetryAfter,
    SchemaError,
    StepFailed,
    StepTimeout,
    StoreUnavailable,
    WorkflowCancelled,
    WorkflowFailed,
    WorkflowParked,
)
from hydra.execution import Status
from hydra.http_retry import retry_after_header
from hydra.limits import Concurrency, Fair, Rate
from hydra.logging import log_context
from hydra.middleware import ExecutionRun, Middleware, StepTry, SubmitCall, add_middleware, remove_middleware
from hydra.offload import Offload
from hydra.payload_keys import PayloadKeys
from hydra.records.map_outcomes import Outcome, Outcomes
from hydra.retry import Backoff
from hydra.values.secret import Secret
from hydra.worker.hooks import on_worker_start, on_worker_stop
from hydra.workflow import named, step, transaction, workflow

__all__ = [
    "NOT_FOUND",
    "UNSURE",
    "Acted",
    "Answer",
    "ApprovalNeeded",
    "AsyncEngine",
    "AsyncHandle",
    "AsyncSelection",
    "Backoff",
    "BoundStep",
    "BoundWorkflow",
    "Breaker",
    "CallbackFailed",
    "Child",
    "Concurrency",
    "ConfigError",
    "Cron",
    "Debounce",
    "Engine",
    "ErrorGroup",
    "EventTimeout",
    "ExecutionRun",
    "Fair",
    "First",
    "Found",
    "Handle",
    "HydraError",
    "IdempotencyConflict",
    "IllegalMove",
    "Interrupt",
    "KeyTaken",
    "LeaseLost",
    "Middleware",
    "NonDeterminismError",
    "NonRetryable",
    "NotFound",
    "Offload",
    "Outcome",
    "Outcomes",
    "PayloadError",
    "PayloadKeys",
    "PayloadTooLarge",
    "QueueFull",
    "Rate",
    "ResultTimeout",
    "RetryAfter",
    "SchemaError",
    "Secret",
    "Selection",
    "Status",
    "StepFailed",
    "StepTimeout",
    "StepTry",
    "StoreUnavailable",
    "SubmitCall",
    "WorkflowCancelled",
    "WorkflowFailed",
    "WorkflowParked",
    "__version__",
    "add_middleware",
    "after",
    "aio",
    "callback_token",
    "cancelled",
    "continue_as_new",
    "current",
    "gather",
    "heartbeat",
    "idempotency_key",
    "log_context",
    "map",
    "named",
    "now",
    "on_callback",
    "on_event",
    "on_failure",
    "on_worker_start",
    "on_worker_stop",
    "patched",
    "random",
    "remove_middleware",
    "retry_after_header",
    "set_attributes",
    "sleep",
    "spawn",
    "step",
    "transaction",
    "uuid4",
    "wait_callback",
    "wait_event",
    "wait_first",
    "workflow",
]


def _make_local_worker(
    url: str,
    namespace: str,
    concurrency: int,
    only: tuple[str, ...],
    labels: tuple[str, ...],
    payload_keys: PayloadKeys | None,
    offload: Offload | None,
) -> LocalWorker:
    """Imported when somebody asks: most programs that submit run no node."""
    from hydra.node import local

    return local.LocalWorker(
        url,
        namespace,
        concurrency=concurrency,
        only=only,
        labels=labels,
        payload_keys=payload_keys,
        offload=offload,
    )


_local_worker.make = _make_local_worker


def __getattr__(name: str) -> str:
    """`__version__`, read when somebody asks: it costs a third of the import."""
    if name != "__version__":
        raise AttributeError(f"module `hydra` has no attribute `{name}`")
    from importlib.metadata import version

    return version("hydra-engine")
