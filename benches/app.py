"""The workflows the end-to-end benchmarks run. BENCH_TELLS=logs has each step log a line, BENCH_TELLS=traces has a span
of each try and execution made and encoded for OTLP, and sent to nobody."""

from __future__ import annotations

import logging
import os

import hydra

TELLS = os.environ.get("BENCH_TELLS", "")
log = logging.getLogger("bench")

if TELLS == "traces":
    from hydra.contrib.otel import Tracing
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans):  # type: ignore[no-untyped-def]
            encode_spans(spans).SerializeToString()
            return SpanExportResult.SUCCESS

    hydra.add_middleware(Tracing())

    @hydra.on_worker_start
    def open_traces() -> None:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=1 << 17))
        trace.set_tracer_provider(provider)


@hydra.step(inline=True)
def add(total: int, number: int) -> int:
    if TELLS == "logs":
        log.info("added %d", number)
    return total + number


@hydra.workflow
def one_step(payload: str) -> int:
    return add(len(payload), 1)


@hydra.workflow
def ten_steps(payload: str) -> int:
    total = 0
    for number in range(10):
        total = add(total, number)
    return total


@hydra.step
async def add_later(total: int, number: int) -> int:
    return total + number


@hydra.workflow
async def ten_async_steps(payload: str) -> int:
    total = 0
    for number in range(10):
        total = await add_later(total, number)
    return total


@hydra.workflow
async def ten_steps_of_async_body(payload: str) -> int:
    total = 0
    for number in range(10):
        total = await hydra.aio.call(add.bind(total, number))
    return total


@hydra.workflow
def no_step(payload: str) -> int:
    return len(payload)
