"""Traces by OpenTelemetry: submit, execution, step and child in one trace, across processes and hosts.

    submit bill ──► execution bill (run 1) ──► step charge                  each arrow: child of that span
                          │                └─► submit ship ──► execution ship (run 1) ──► …
                          └─ link ─ execution bill (run 2: it had waited) ──► step …

An execution keeps the context of its submission (W3C) as its tags `traceparent` and `tracestate`. What is answered from
a record has no span. The span of a run has an id that follows from the execution's, so that the next run, perhaps on
another host, can link to it; an execution without a context has its own id as that of its trace.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from hydra.blocks import contextmanager
from hydra.errors import ConfigError
from hydra.middleware import ExecutionRun, Middleware, StepTry, SubmitCall

try:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise ConfigError("traces need OpenTelemetry; `pip install hydra-engine[otel]`") from error

NAME = "hydra"  # of the instrumentation
MAX_TAG_BYTES = 500

_next_ids: ContextVar[tuple[int, int] | None] = ContextVar("hydra_otel_ids", default=None)


class Tracing(Middleware):
    """Spans around submissions, runs of executions and tries of steps. Register it where you submit, and in the app.

        hydra.add_middleware(Tracing())

    Args:
        tracer_provider: None: the process's own, which may be set later, in `hydra.on_worker_start`, say.
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._provider = tracer_provider
        self._tracer: trace.Tracer | None = None
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def submit(self, call: SubmitCall) -> Iterator[None]:
        attributes: dict[str, Any] = {"hydra.workflow": call.workflow, "hydra.namespace": call.namespace}
        if call.count > 1:
            attributes["hydra.count"] = call.count
        if call.key is not None:
            attributes["hydra.key"] = call.key
        about: dict[str, Any] = {"kind": SpanKind.PRODUCER, "attributes": attributes}
        with self._found_tracer().start_as_current_span(f"submit {call.workflow}", **about) as span:
            carrier: dict[str, str] = {}
            self._propagator.inject(carrier)
            call.tags.update({name: text for name, text in carrier.items() if len(name) + len(text) <= MAX_TAG_BYTES})
            yield
            if len(call.ids) == 1:
                span.set_attribute("hydra.execution.id", call.ids[0])

    @contextmanager
    def execution(self, run: ExecutionRun) -> Iterator[None]:
        parent = self._propagator.extract(run.tags, Context())
        submitted = trace.get_current_span(parent).get_span_context()
        trace_id = submitted.trace_id if submitted.is_valid else uuid.UUID(run.id).int
        flags = submitted.trace_flags if submitted.is_valid else TraceFlags(TraceFlags.SAMPLED)
        tracer, links = self._found_tracer(), []
        if run.number > 1 and hasattr(tracer, "id_generator"):
            before = SpanContext(trace_id, span_id_of(run.id, run.number - 1), True, flags)
            links.append(Link(before, {"hydra.run": run.number - 1}))
        attributes: dict[str, Any] = {
            "hydra.execution.id": run.id,
            "hydra.workflow": run.workflow,
            "hydra.namespace": run.namespace,
            "hydra.attempt": run.attempt,
            "hydra.run": run.number,
        }
        if run.key is not None:
            attributes["hydra.key"] = run.key
        token = _next_ids.set((trace_id, span_id_of(run.id, run.number)))
        about: dict[str, Any] = {"kind": SpanKind.CONSUMER, "links": links, "attributes": attributes}
        try:
            span = tracer.start_span(f"execution {run.workflow}", parent, **about)
        finally:
            _next_ids.reset(token)
        with trace.use_span(span, end_on_exit=True):
            try:
                yield
            finally:
                span.set_attribute("hydra.outcome", run.outcome)
                if run.outcome == "parked":
                    span.set_status(Status(StatusCode.ERROR, run.outcome))

    @contextmanager
    def step(self, call: StepTry) -> Iterator[None]:
        context = None
        if not trace.get_current_span().get_span_context().is_valid:  # an undo step, or one that runs by itself
            context = self._propagator.extract(call.tags, Context())
        attributes: dict[str, Any] = {
            "hydra.execution.id": call.id,
            "hydra.workflow": call.workflow,
            "hydra.namespace": call.namespace,
            "hydra.step": call.name,
            "hydra.attempt": call.attempt,
        }
        with self._found_tracer().start_as_current_span(f"step {call.name}", context=context, attributes=attributes):
            yield

    def _found_tracer(self) -> trace.Tracer:
        """Looked for until there is one that records: the process may set its provider late."""
        if self._tracer is None:
            provider = self._provider or trace.get_tracer_provider()
            tracer = provider.get_tracer(NAME)
            if not hasattr(tracer, "id_generator"):
                return tracer
            if not isinstance(tracer.id_generator, RunIds):
                tracer.id_generator = RunIds(tracer.id_generator)
            self._tracer = tracer
        return self._tracer


class RunIds:
    """The ids of spans and traces as the provider makes them, but for the runs of executions."""

    def __init__(self, usual: Any) -> None:
        self._usual = usual

    def generate_span_id(self) -> int:
        own = _next_ids.get()
        return int(self._usual.generate_span_id()) if own is None else own[1]

    def generate_trace_id(self) -> int:
        own = _next_ids.get()
        return int(self._usual.generate_trace_id()) if own is None else own[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._usual, name)


def span_id_of(id: str, number: int) -> int:
    """Of the run of an execution with that number."""
    return int.from_bytes(hashlib.blake2b(f"{id}\0{number}".encode(), digest_size=8).digest(), "big") or 1
