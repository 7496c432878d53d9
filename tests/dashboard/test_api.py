"""The HTTP API: what a program in any language does with it, and what its document says of it."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import hydra
import pytest
from anyio.to_thread import current_default_thread_limiter
from hydra import Status, dashboard
from hydra.dashboard import results
from hydra.dashboard.openapi import document
from hydra.dashboard.server import PageConnection
from hydra.dashboard.threads import MAX_THREADS
from hydra.observability.http import HttpServer, listen

from tests.dashboard.conftest import (
    LINES,
    TOKENS,
    Shop,
    paged_call_back,
    paged_sought,
    paged_wait,
    program_of,
    published,
    put_pending,
)
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
        path = f"/api/v1/executions/{waiting.id}/signals"
        for _ in range(2):
            assert program.post(path, json=signal).status_code == 200
        assert waiting.result(timeout=60) == {"by": "ops"}
        assert program.post(path, json=signal).json() == {"id": waiting.id, "status": "completed"}
        for other in ({**signal, "value": 7}, {**signal, "id": "evt-2"}, {"name": "approved", "value": {"by": "ops"}}):
            assert program.post(path, json=other).status_code == 409
        both = program.post("/api/v1/callbacks", json={"token": published[asking.id], "value": 1, "failure": "no"})
        assert (both.status_code, both.json()["detail"]) == (
            422,
            "the body has both `value` and `failure`; give one of them",
        )
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


def test_a_program_finds_by_attributes(own: hydra.Engine) -> None:
    ids = [own.submit(paged_sought.bind(f"c-{n % 2}", n)).id for n in range(6)]
    program = program_of(own, "view")

    def found(*asked: str) -> list[str]:
        answer = program.get("/api/v1/executions", params={"attribute": asked, "order": "oldest"})
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["executions"]]

    assert found("customer=c-1") == ids[1::2] and found("customer=c-1", "amount>=3") == [ids[3], ids[5]]
    assert found("amount<1e300") == ids and found("customer=c-9") == []
    assert program.get(f"/api/v1/executions/{ids[3]}").json()["attributes"] == {"customer": "c-1", "amount": 3}


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
        ("GET", "/executions?attribute=customer", None, 422, "`customer` is not an attribute to look for"),
        ("GET", "/executions?attribute=n%3D%3E5", None, 422, "`n=>5` is not an attribute to look for; write `n>=5`"),
        ("GET", "/executions?limit=1e9", None, 422, "`limit` must be a whole number from 1 to 1000"),
        ("GET", "/executions?statu=failed", None, 422, "`statu` is no parameter of this address; known are `status`"),
        ("GET", "/executions?status=failed&status=completed", None, 422, "`status` is given more than once"),
        (
            "GET",
            f"/executions/{UNKNOWN_ID}?wait=1s",
            None,
            422,
            "`wait` is no parameter of this address; it takes none",
        ),
        ("POST", "/executions", {"workflow": "x", "allow_unknown": True, "tags": {"": "1"}}, 422, "the tag `` could"),
        (
            "POST",
            "/executions",
            {"workflow": "x", "allow_unknown": True, "tags": {"a=b": "1"}},
            422,
            "the tag `a=b` could",
        ),
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


@pytest.mark.parametrize("depth", [300, 450, 600, 900])
def test_what_is_nested_too_deep_is_one_sentence(own: hydra.Engine, depth: int) -> None:
    with own.worker():
        until(lambda: own.workflows())
        waiting = own.submit(paged_nested.bind([]))
        until(lambda: waiting.status() is Status.WAITING)
    program = program_of(own)
    value = "[" * depth + "]" * depth
    for path, body in (
        ("/executions", f'{{"workflow": "paged_nested", "arguments": [{value}]}}'),
        (f"/executions/{waiting.id}/signals", f'{{"name": "nested", "value": {value}}}'),
        ("/callbacks", f'{{"token": "{waiting.id}.1", "value": {value}}}'),
    ):
        answer = program.post(f"/api/v1{path}", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 201, 404, 422), (path, answer.text)
        assert depth < 600 or path == "/callbacks" or "nested" in answer.json()["detail"], answer.text


@hydra.workflow
def paged_nested(value: Any) -> Any:
    return hydra.wait_event("nested", list[Any])


async def ask(app: Any, path: str, query: str = "") -> tuple[int, dict[bytes, bytes], Any]:
    """As many at a time as one likes, in one event loop."""
    sent: list[Any] = []
    asked = iter([{"type": "http.request", "body": b""}])
    token = f"Bearer {TOKENS['view']}".encode()

    async def receive() -> Any:
        return next(asked)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "scheme": "http"}
    await app({**scope, "headers": [(b"host", b"hydra.test"), (b"authorization", token)]}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


def test_waits_for_results_hold_no_thread_and_are_bounded(
    engine: hydra.Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = 3 * MAX_THREADS
    monkeypatch.setattr(results, "MAX_WAITS", waits)
    app = dashboard.app(engine, tokens=LINES)
    asleep = f"/api/v1/executions/{shop.asleep}/result"

    async def crowd() -> None:
        waiting = [asyncio.create_task(ask(app, asleep, "wait=30s")) for _ in range(waits)]
        while len(engine.watcher()._waiting.get(shop.asleep, ())) < waits:
            await asyncio.sleep(0.01)
        status, headers, said = await ask(app, asleep, "wait=1s")
        assert (status, headers[b"retry-after"]) == (429, b"1")
        assert said["detail"] == f"{waits} requests wait for a result already; ask again, or without `wait`"
        assert (await ask(app, asleep))[2]["status"] == "sleeping"
        assert (await ask(app, f"/api/v1/executions/{shop.completed}/result"))[2]["status"] == "completed"
        assert current_default_thread_limiter().borrowed_tokens == 0
        assert not any(each.done() for each in waiting)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(crowd())
    assert engine.watcher().wait_count == 0


def test_a_wait_that_is_over_says_that_it_goes_on(engine: hydra.Engine, shop: Shop) -> None:
    answer = program_of(engine, "view").get(f"/api/v1/executions/{shop.asleep}/result?wait=50ms")
    assert (answer.status_code, answer.json()) == (202, {"id": shop.asleep, "status": "sleeping"})


def test_a_server_of_a_node_that_ends_answers_who_waits(
    engine: hydra.Engine, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    app = dashboard.app(engine, tokens=LINES)
    server = HttpServer(listen("127.0.0.1", 0), {}, rest=app, connection=PageConnection)
    server.start()
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    path = f"/api/v1/executions/{shop.asleep}/result?wait=30s"
    connection.request("GET", path, headers={"authorization": f"Bearer {TOKENS['view']}"})
    until(lambda: engine.watcher().wait_count == 1)
    server.close()
    answer = connection.getresponse()
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert json.loads(answer.read())["detail"] == "this server ends, and waits no longer; ask again"
    assert caplog.records == []


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/executions", '{"workflow": "paged_bill", "workflow": "paged_fail"}', "workflow"),
        (
            "/executions",
            '{"workflow": "paged_bill", "arguments": {"card": "1", "amount": 1, "\\u0063ard": "2"}}',
            "card",
        ),
        ("/executions", '{"workflow": "paged_bill", "arguments": {"card": [{"a": {"b": 1, "b": 1}}]}}', "b"),
        ("/executions", '{"workflow": "paged_bill", "tags": {"run": "1", "run": "2"}}', "run"),
        (f"/executions/{UNKNOWN_ID}/cancel", '{"undo": true, "undo": false}', "undo"),
        (f"/executions/{UNKNOWN_ID}/signals", '{"name": "x", "value": {"by": 1, "by": 2}}', "by"),
        ("/callbacks", '{"token": "x", "token": "y"}', "token"),
    ],
)
def test_a_name_that_a_body_says_twice_is_refused(own: hydra.Engine, path: str, body: str, name: str) -> None:
    headers = {"content-type": "application/json"}
    answer = program_of(own).post(f"/api/v1{path}", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["detail"] == f"the body says `{name}` twice in one object; say it once"
    assert own.executions() == []


def test_a_body_of_many_names_or_deep_is_read_as_before(own: hydra.Engine) -> None:
    program, headers = program_of(own), {"content-type": "application/json"}
    many = ", ".join(f'"n{number}": 1' for number in range(50_000))
    began = time.monotonic()
    for more, code in (("", 201), (', "n49999": 2', 400)):
        body = f'{{"workflow": "paged_bill", "allow_unknown": true, "arguments": {{"card": {{{many}{more}}}}}}}'
        assert program.post("/api/v1/executions", content=body, headers=headers).status_code == code
    assert time.monotonic() - began < 10
    deep = (
        '{"workflow": "paged_bill", "allow_unknown": true, "arguments": '
        + '{"a":' * 100_000
        + "1"
        + "}" * 100_000
        + "}"
    )
    answer = program.post("/api/v1/executions", content=deep, headers=headers)
    assert answer.status_code == 422 and answer.json()["detail"].count("\n") == 0


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
    for item in said["paths"].values():
        for method, operation in item.items():
            assert method == "parameters" or {"405", "414", "421", "500"} <= set(operation["responses"])
