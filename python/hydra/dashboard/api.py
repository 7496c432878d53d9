"""The HTTP API under `/api/v1`: what programs in other languages do with a handle. `openapi.py` describes it.

JSON in, JSON out; an error is one sentence. Who asks says so by `Authorization: Bearer TOKEN`; cookies do not count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hydra.client.arguments import parse_json, read_call, repeated_name, shorten
from hydra.client.engine import Engine
from hydra.client.finding import find_executions
from hydra.client.plain_json import encode_json
from hydra.client.views import Execution
from hydra.codec import MAX_PAYLOAD_BYTES
from hydra.config import parse_duration
from hydra.dashboard.access import Operator, Role
from hydra.dashboard.filters import NAMES, Wanted, cursor_of, read_cursor
from hydra.dashboard.guard import TooLarge, read_body
from hydra.dashboard.listing import page_size
from hydra.dashboard.openapi import document
from hydra.dashboard.problems import Problem, code_of, problem_answer
from hydra.dashboard.results import wait_for_result
from hydra.dashboard.site import WRONG_TOKEN_SECONDS, Site, fields_of, first
from hydra.dashboard.threads import on_thread
from hydra.errors import ConfigError, HydraError
from hydra.execution import KeyReuse
from hydra.observability.http import stopping_of
from hydra.workflow import named

PREFIX = "/api/v1"
MAX_BODY_BYTES = MAX_PAYLOAD_BYTES + (1 << 20)
MAX_LISTED = 1000
LISTED = 100

T = TypeVar("T", bound=msgspec.Struct)


class SubmitOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    workflow: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    key: str | None = None
    key_reuse: str = str(KeyReuse.FIRST)
    delay: str | float | None = None
    run_at: datetime | None = None
    priority: int = 0
    tags: dict[str, str] = {}
    allow_unknown: bool = False


class SignalOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    value: msgspec.Raw = msgspec.Raw(b"null")
    id: str | None = None


class CancelOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    undo: bool = True


class DecideOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    approve: bool
    reason: str = ""


class CompleteOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str
    value: msgspec.Raw = msgspec.Raw(b"null")  # which beside a failure says nothing
    failure: str | None = None


class Call(msgspec.Struct, frozen=True):
    """One request, as the functions below see it: on a thread, with its body read."""

    engine: Engine
    operator: Operator
    id: str
    fields: dict[str, list[str]]
    body: bytes
    stopping: asyncio.Event  # set when the server ends


class Way(NamedTuple):
    """What a method of a path takes and does. `give` runs on a thread, unless it is a coroutine function."""

    role: Role
    give: Callable[[Call], Response] | Callable[[Call], Awaitable[Response]]
    parameters: tuple[str, ...] = ()


def routes(site: Site) -> list[Route]:
    def route(path: str, ways: dict[str, Way]) -> Route:
        return Route(PREFIX + path, partial(_answer, site, ways), methods=[*ways])

    listing = Way(Role.VIEW, list_executions, (*NAMES, "order", "limit", "cursor"))
    result = Way(Role.VIEW, partial(show_result, site), ("wait",))
    return [
        Route(f"{PREFIX}/openapi.json", _document, methods=["GET"]),
        route("/executions", {"GET": listing, "POST": Way(Role.OPERATE, submit)}),
        route("/executions/{id}", {"GET": Way(Role.VIEW, show_execution)}),
        route("/executions/{id}/result", {"GET": result}),
        route("/executions/{id}/signals", {"POST": Way(Role.OPERATE, signal)}),
        route("/executions/{id}/cancel", {"POST": Way(Role.OPERATE, cancel)}),
        route("/approvals", {"GET": Way(Role.VIEW, list_approvals)}),
        route("/approvals/{id}", {"POST": Way(Role.ADMIN, decide)}),
        route("/callbacks", {"POST": Way(Role.OPERATE, complete)}),
    ]


async def _document(request: Request) -> Response:
    return Response(encode_json(document(request.scope.get("root_path", ""))), media_type="application/json")


async def _answer(site: Site, ways: dict[str, Way], request: Request) -> Response:
    way = ways["GET" if request.method == "HEAD" else request.method]
    try:
        operator = await site.operator_of_program(request)
        if operator is None:
            if "authorization" in request.headers:
                await asyncio.sleep(WRONG_TOKEN_SECONDS)
            raise Problem(
                401,
                "no token is known that says who you are; send `Authorization: Bearer TOKEN`",
                {"www-authenticate": "Bearer"},
            )
        if not operator.may(way.role):
            raise Problem(403, f"`{operator.name}` has the role `{operator.role}`; this takes `{way.role}`")
        fields = fields_of(request.scope["query_string"].decode("latin-1"))
        _check_parameters(fields, way.parameters)
        body = await _body(request) if request.method == "POST" else b""
        id = str(request.path_params.get("id", ""))
        call = Call(site.engine, operator, id, fields, body, stopping_of(request.scope))
        if iscoroutinefunction(way.give):
            return cast(Response, await way.give(call))

        def carry_out() -> Response:
            with site.acting(operator):
                return cast(Response, way.give(call))

        return await on_thread(carry_out)
    except Problem as problem:
        return problem_answer(problem.status, str(problem), problem.headers)
    except HydraError as error:
        return problem_answer(code_of(error), str(error))
    except RecursionError:
        return problem_answer(422, "the value is nested too deep")


def _check_parameters(fields: Mapping[str, Sequence[str]], known: Sequence[str]) -> None:
    unknown = [name for name in fields if name not in known]
    if unknown:
        others = f"known are {', '.join(f'`{name}`' for name in known)}" if known else "it takes none"
        raise Problem(422, f"`{unknown[0]:.80}` is no parameter of this address; {others}")


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "the body must be JSON; say `Content-Type: application/json`")
    try:
        return await read_body(request.receive, request.headers, MAX_BODY_BYTES)
    except TooLarge:
        raise Problem(413, f"the body has more than {MAX_BODY_BYTES:,} bytes") from None


def submit(call: Call) -> Response:
    order = _read(call, SubmitOrder)
    known = {info.name: info for info in call.engine.workflows()}
    if order.workflow not in known and not order.allow_unknown:
        others = f"known are {', '.join(f'`{name}`' for name in sorted(known)[:20])}" if known else "none is known yet"
        raise Problem(
            404, f"no node has served workflow `{order.workflow:.200}` here ({others}); `allow_unknown` submits it"
        )
    for name in order.tags:
        if not name or "=" in name:
            raise Problem(
                422,
                f"the tag `{name:.80}` could not be asked for by `name=value`; its name must be neither "
                "empty nor hold `=`",
            )
    args, kwargs = read_call(_text(order.arguments), known.get(order.workflow))
    delay = parse_duration(order.delay) if isinstance(order.delay, str) else order.delay
    handle = call.engine.submit(
        named(order.workflow).bind(*args, **kwargs),
        key=order.key,
        delay=delay,
        run_at=order.run_at,
        priority=order.priority,
        tags=order.tags,
        key_reuse=order.key_reuse,
    )
    return _json({"id": handle.id}, 201)


def list_executions(call: Call) -> Response:
    wanted = Wanted.read(call.fields)
    size = page_size(first(call.fields, "limit"), LISTED, MAX_LISTED)
    order = first(call.fields, "order") or "newest"
    if order not in ("newest", "oldest"):
        raise ConfigError(f"`order` is `newest` or `oldest`, not `{order:.40}`")
    is_oldest_first = order == "oldest"
    namespace = call.engine.namespace
    place = read_cursor(namespace, first(call.fields, "cursor"))
    found = find_executions(call.engine, wanted.arguments(), size, place, oldest_first=is_oldest_first)
    more = None if found.place is None else cursor_of(namespace, found.place)
    return _json({"executions": found.executions, "cursor": more})


def show_execution(call: Call) -> Response:
    execution: Execution = call.engine.get(call.id).execution()
    return _json(execution)


async def show_result(site: Site, call: Call) -> Response:
    return await wait_for_result(site, call.id, first(call.fields, "wait"), call.stopping)


def signal(call: Call) -> Response:
    order = _read(call, SignalOrder)
    handle = call.engine.get(call.id)
    handle.signal(order.name, parse_json(_text(order.value)), id=order.id)
    return _json({"id": handle.id, "status": handle.status()})


def cancel(call: Call) -> Response:
    order = _read(call, CancelOrder)
    if not order.undo and not call.operator.may(Role.ADMIN):
        raise Problem(403, f"to end it without its undo steps takes the role `{Role.ADMIN}`")
    handle = call.engine.get(call.id)
    return _json({"id": handle.id, "status": handle.cancel(undo=order.undo)})


def list_approvals(call: Call) -> Response:
    return _json({"approvals": call.engine.approvals()})


def decide(call: Call) -> Response:
    order = _read(call, DecideOrder)
    if not order.approve:
        call.engine.refuse(call.id, reason=order.reason)
        return _json({"done": {}, "refused": {}})
    acted = call.engine.approve(call.id, reason=order.reason)
    return _json({"done": acted.done, "refused": acted.refused})


def complete(call: Call) -> Response:
    """The token is in the body, so that it stands in no log of addresses."""
    order = _read(call, CompleteOrder)
    if order.failure is not None and bytes(order.value) != b"null":
        raise Problem(422, "the body has both `value` and `failure`; give one of them")
    if order.failure is None:
        call.engine.complete(order.token, parse_json(_text(order.value)))
    else:
        call.engine.fail(order.token, order.failure)
    return _json({"id": order.token.partition(".")[0]})


def _read(call: Call, kind: type[T]) -> T:
    try:
        found = msgspec.json.decode(call.body or b"{}", type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(422, f"the body does not fit: {error}") from None
    twice = repeated_name(_text(call.body)) if call.body else None
    if twice is not None:
        raise Problem(400, f"the body says `{shorten(twice)}` twice in one object; say it once")
    return found


def _text(raw: msgspec.Raw | bytes) -> str:
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError:
        raise Problem(422, "the body is not UTF-8") from None


def _json(value: Any, status: int = 200) -> Response:
    return Response(encode_json(value), status, media_type="application/json")
