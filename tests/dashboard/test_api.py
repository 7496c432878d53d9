"""The HTTP API: what a program in any language does with it, and what its document says of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import hydra
import pytest
from hydra import Status, dashboard
from hydra.dashboard.openapi import document

from tests.dashboard.conftest import LINES, Shop, paged_call_back, paged_wait, program_of, published, put_pending
from tests.processes.scene import until

UNKNOWN_ID = "0198c0de-0000-7000-8000-000000000000"


@hydra.workflow
def paged_double(amount: Decimal, copies: int = 2) -> Decimal:
    return amount * copies


def test_a_program_submits_and_reads_the_result(own: hydra.Engine) -> None:
    program = program_of(own)
    order = {"workflow": "paged_double", "arguments": {"amount": "1.10"}, "key": "inv-1", "tags": {"run": "1"}}
    with own.worker():
        until(lambda: own.workflows())
        made = program.post("/api/v1/executions", json=order)
        assert made.status_code == 201, made.text
        id = made.json()["id"]
        ended = program.get(f"/api/v1/executions/{id}/result?wait=30s")
        assert (ended.status_code, ended.json()) == (200, {"id": id, "status": "completed", "result": "2.20"})
        assert program.post("/api/v1/executions", json=order).json() == {"id": id}
        other = program.post("/api/v1/executions", json={**order, "arguments": {"amount": "2"}})
        assert other.status_code == 409 and "inv-1" in other.json()["detail"]
        unfit = program.post("/api/v1/executions", json={**order, "key": None, "arguments": {"amount": "much"}})
        assert unfit.status_code == 422 and "do not fit workflow `paged_double`" in unfit.json()["detail"]
    shown = program.get(f"/api/v1/executions/{id}").json()
    assert (shown["status"], shown["key"], shown["tags"]) == ("completed", "inv-1", {"run": "1"})


def test_a_program_signals_completes_and_cancels(own: hydra.Engine) -> None:
    program = program_of(own)
    with own.worker():
        waiting, asking = own.submit(paged_wait.bind()), own.submit(paged_call_back.bind())
        until(lambda: waiting.status() is Status.WAITING and asking.status() is Status.WAITING)
        going_on = program.get(f"/api/v1/executions/{waiting.id}/result")
        assert (going_on.status_code, going_on.json()["status"]) == (202, "waiting")
        signal = {"name": "approved", "value": {"by": "ops"}, "id": "evt-1"}
        for _ in range(2):  # it may be repeated, until the execution has ended
            answer = program.post(f"/api/v1/executions/{waiting.id}/signals", json=signal)
            assert answer.status_code in (200, 409), answer.text
        assert waiting.result(timeout=60) == {"by": "ops"}
        done = program.post("/api/v1/callbacks", json={"token": published[asking.id], "value": [1, 2]})
        assert done.status_code == 200, done.text
        assert asking.result(timeout=60) == [1, 2]
    id = put_pending(own, 1)[0]
    assert program.post(f"/api/v1/executions/{id}/cancel", json={}).json() == {"id": id, "status": "cancelled"}
    assert program.get(f"/api/v1/executions/{id}/result").json()["status"] == "cancelled"
    assert program.post(f"/api/v1/executions/{id}/cancel", json={"undo": False}).status_code == 403


def test_a_program_lists_page_by_page(own: hydra.Engine) -> None:
    ids = put_pending(own, 5)
    program = program_of(own, "view")
    for order, wanted in (("newest", ids[::-1]), ("oldest", ids)):
        seen: list[str] = []
        cursor = ""
        while True:
            found = program.get(f"/api/v1/executions?limit=2&order={order}&cursor={cursor}").json()
            seen += [each["id"] for each in found["executions"]]
            cursor = found["cursor"]
            if cursor is None:
                break
        assert seen == wanted
    assert program.get("/api/v1/executions?workflow=nothing").json() == {"executions": [], "cursor": None}
    assert program.get("/api/v1/executions?status=pending&limit=1").json()["executions"][0]["id"] == ids[-1]


def test_how_a_failed_or_parked_one_ended_is_told(engine: hydra.Engine, shop: Shop) -> None:
    program = program_of(engine, "view")
    failed = program.get(f"/api/v1/executions/{shop.failed}/result")
    assert failed.status_code == 200 and failed.json()["status"] == "failed" and "error" in failed.json()
    parked = program.get(f"/api/v1/executions/{shop.parked}/result")
    assert parked.status_code == 202 and parked.json()["status"] == "parked"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("GET", f"/executions/{UNKNOWN_ID}", None, 404, f"no execution `{UNKNOWN_ID}` in namespace `default`"),
        ("GET", "/executions/nothing/result", None, 404, "no execution `nothing` in namespace `default`"),
        ("GET", f"/executions/{UNKNOWN_ID}/result?wait=1h", None, 422, "`wait` is at most 30s, not `1h`"),
        ("GET", "/executions?status=lost", None, 422, "`lost` is not a status"),
        ("GET", "/executions?cursor=x.1", None, 422, "the cursor is of another namespace"),
        ("GET", "/executions?limit=1e9", None, 422, "`limit` must be a whole number from 1 to 1000"),
        ("POST", "/executions", {"workflow": "none"}, 404, "no node has served workflow `none` here"),
        ("POST", "/executions", {}, 422, "the body does not fit: Object missing required field `workflow`"),
        ("POST", "/executions", [], 422, "the body does not fit"),
        ("POST", "/executions", {"workflow": "x", "arguments": 7, "allow_unknown": True}, 422, "is not an object"),
        ("POST", "/executions", {"workflow": "x", "more": 1}, 422, "the body does not fit"),
        ("POST", f"/executions/{UNKNOWN_ID}/signals", {"name": "approved"}, 404, "no execution"),
        ("POST", "/callbacks", {"token": "nonsense"}, 404, ""),
        ("POST", "/nowhere", {}, 404, "nothing is here"),
        ("PUT", "/executions", {}, 405, "this cannot be done here that way"),
    ],
)
def test_an_error_is_one_sentence(
    engine: hydra.Engine, method: str, path: str, body: Any, status: int, sentence: str
) -> None:
    answer = program_of(engine).request(method, f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status and sentence in said["detail"] and not said["detail"].endswith(".")


def test_a_body_that_is_no_json_is_one_sentence(engine: hydra.Engine) -> None:
    program = program_of(engine)
    headers = {"content-type": "application/json"}
    for content in (
        b"{",
        b"\xff",
        b'{"workflow": NaN}',
        b"[" * 100_000,
        b'{"workflow": "a", "workflow": 1}',
        b'"\xed\xa0\x80"',
    ):
        answer = program.post("/api/v1/executions", content=content, headers=headers)
        assert answer.status_code == 422, content[:40]
        assert "the body does not fit" in answer.json()["detail"]


def test_a_role_that_may_only_look_gives_no_orders(own: hydra.Engine) -> None:
    id = put_pending(own, 1)[0]
    program = program_of(own, "view")
    for path, body in (
        ("/executions", {"workflow": "paged_bill", "allow_unknown": True}),
        (f"/executions/{id}/cancel", {}),
        (f"/executions/{id}/signals", {"name": "x"}),
        ("/callbacks", {"token": "x"}),
    ):
        answer = program.post(f"/api/v1{path}", json=body)
        assert answer.status_code == 403
        assert answer.json()["detail"] == "`viewer` has the role `view`; this takes `operate`"
    assert own.get(id).status() is Status.PENDING and len(own.executions()) == 1


def test_the_document_has_every_path_of_the_api(engine: hydra.Engine) -> None:
    said = program_of(engine, "").get("/api/v1/openapi.json").json()
    assert said == document()
    assert said["openapi"] == "3.1.0"
    app: Any = dashboard.app(engine, tokens=LINES)
    there = {
        (route.path, method)
        for route in app.app.routes
        if route.path.startswith("/api/") and not route.path.endswith("openapi.json")
        for method in route.methods - {"HEAD"}
    }
    described = {
        (path, method.upper()) for path, item in said["paths"].items() for method in item if method != "parameters"
    }
    assert described == there
