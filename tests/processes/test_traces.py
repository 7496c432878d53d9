"""Traces by OpenTelemetry, as a real OTLP receiver gets them: one tree across processes, whatever is replayed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import hydra
import pytest

pytest.importorskip("opentelemetry.proto", reason="the extra `dev` has it")

from hydra.contrib.otel import Tracing
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, until


class Receiver:
    """Takes OTLP over HTTP, as protobuf, and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        receiver.spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def named(self, name: str) -> list[Span]:
        found = [span for span in list(self.spans) if span.name == name]
        return sorted(found, key=lambda span: span.start_time_unix_nano)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def tracing(receiver: Receiver) -> Iterator[TracerProvider]:
    """Of this process, which submits."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{receiver.url}/v1/traces")))
    own = hydra.add_middleware(Tracing(provider))
    yield provider
    hydra.remove_middleware(own)
    provider.shutdown()


def attributes(span: Span) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_submit_execution_step_and_child_are_one_trace_and_no_replay_has_a_span(
    scene: Scene, receiver: Receiver, tracing: TracerProvider
) -> None:
    scene.start("traced_app", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    with tracing.get_tracer("shop").start_as_current_span("request"):
        handle = scene.engine.submit(hydra.named("traced_bill").bind(card="visa"), key="inv-1")
    until(lambda: handle.status() == "waiting")
    handle.signal("go")
    assert handle.result(timeout=30) == ["paid by visa", "packed for visa", "paid by visa again"]
    until(lambda: len(receiver.named("step traced_charge")) == 2)
    until(
        lambda: receiver.named("execution traced_bill")[-1].links and len(receiver.named("execution traced_ship")) == 1
    )
    until(lambda: attributes(receiver.named("execution traced_bill")[-1])["hydra.outcome"] == "completed")

    names = ["request", "submit traced_bill", "step traced_pack", "submit traced_ship", "execution traced_ship"]
    (request, submit, pack, spawn, ship) = [receiver.named(name)[0] for name in names]
    assert all(len(receiver.named(name)) == 1 for name in names)
    first, *again = receiver.named("execution traced_bill")
    charge, last = receiver.named("step traced_charge")
    assert {span.trace_id for span in receiver.spans} == {request.trace_id}
    assert submit.parent_span_id == request.span_id
    assert [run.parent_span_id for run in (first, *again)] == [submit.span_id] * (1 + len(again))
    assert charge.parent_span_id == first.span_id
    assert receiver.named("call the bank")[0].parent_span_id == charge.span_id
    assert spawn.parent_span_id == first.span_id
    assert ship.parent_span_id == spawn.span_id
    assert pack.parent_span_id == ship.span_id
    assert len(again) >= 1
    assert last.parent_span_id == again[-1].span_id
    runs = (first, *again)
    assert [[link.span_id for link in run.links] for run in runs] == [[], *([run.span_id] for run in runs[:-1])]
    assert [attributes(run)["hydra.outcome"] for run in runs] == ["waiting"] * len(again) + ["completed"]
    assert attributes(submit)["hydra.execution.id"] == attributes(charge)["hydra.execution.id"] == handle.id
    assert attributes(first)["hydra.key"] == "inv-1"


@on_sqlite
def test_what_was_submitted_without_a_trace_has_its_own_id_as_its_traces(scene: Scene, receiver: Receiver) -> None:
    handle = scene.engine.submit(hydra.named("traced_fail").bind())
    assert handle.execution().tags == {}
    scene.start("traced_app", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    with pytest.raises(hydra.WorkflowFailed):
        handle.result(timeout=30)
    (run,) = until(lambda: receiver.named("execution traced_fail"))
    assert run.trace_id.hex() == handle.id.replace("-", "")
    assert run.status.code == run.status.STATUS_CODE_ERROR
    assert [event.name for event in run.events] == ["exception"]


def test_without_the_extra_it_is_one_sentence() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; import hydra.contrib.otel"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said == "hydra.errors.ConfigError: traces need OpenTelemetry; `pip install hydra-engine[otel]`"


@on_sqlite
def test_an_app_that_traces_with_nobody_to_take_the_spans_runs_as_ever(scene: Scene) -> None:
    node = scene.start("traced_app")
    handle = scene.engine.submit(hydra.named("traced_bill").bind(card="visa"))
    until(lambda: handle.status() == "waiting")
    handle.signal("go")
    assert handle.result(timeout=30)[0] == "paid by visa"
    assert "hydra.middleware" not in node.text()
    assert "hook `" not in node.text()
