"""Workflows whose spans go to the receiver that the environment names."""

from __future__ import annotations

import os

import hydra
from hydra.contrib.otel import Tracing
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

hydra.add_middleware(Tracing())


@hydra.on_worker_start
def export_spans() -> None:
    if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)


@hydra.step
def traced_charge(card: str) -> str:
    with trace.get_tracer("shop").start_as_current_span("call the bank"):
        return f"paid by {card}"


@hydra.step
async def traced_pack(card: str) -> str:
    return f"packed for {card}"


@hydra.workflow
async def traced_ship(card: str) -> str:
    return await traced_pack(card)


@hydra.workflow
def traced_bill(card: str) -> list[str]:
    done = [traced_charge(card)]
    child = hydra.spawn(traced_ship.bind(card))
    hydra.wait_event("go")
    return [*done, child.result(), traced_charge(f"{card} again")]


@hydra.workflow
def traced_fail() -> None:
    raise ValueError("no such card")
