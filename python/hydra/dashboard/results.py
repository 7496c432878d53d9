"""`GET /executions/ID/result`: how it ended, after waiting for that a while. No thread is held while it waits."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response

from hydra.client.engine import Engine
from hydra.client.handle import Handle
from hydra.client.plain_json import encode_json
from hydra.client.watcher import Wait
from hydra.codec import to_jsonable
from hydra.config import parse_duration
from hydra.dashboard.problems import Problem
from hydra.dashboard.site import Site
from hydra.dashboard.threads import on_thread
from hydra.errors import ConfigError, WorkflowCancelled, WorkflowFailed, WorkflowParked

MAX_WAIT_SECONDS = 30.0
MAX_WAITS = 100  # of one app in one process; more are told to ask again


async def wait_for_result(site: Site, id: str, text: str, stopping: asyncio.Event) -> Response:
    """`text`: how long to wait, as `10s`; empty: not at all. 202 while it goes on; 503 once the server ends."""
    seconds = parse_duration(text or "0s")
    if seconds > MAX_WAIT_SECONDS:
        raise ConfigError(f"`wait` is at most {MAX_WAIT_SECONDS:g}s, not `{text:.40}`; ask again after that")
    if seconds <= 0:
        return await _wait(site.engine, id, 0, stopping)
    if site.wait_count >= MAX_WAITS:
        sentence = f"{MAX_WAITS} requests wait for a result already; ask again, or without `wait`"
        raise Problem(429, sentence, {"retry-after": "1"})
    site.wait_count += 1
    try:
        return await _wait(site.engine, id, seconds, stopping)
    finally:
        site.wait_count -= 1


async def _wait(engine: Engine, id: str, seconds: float, stopping: asyncio.Event) -> Response:
    handle, wait = await on_thread(_begin, engine, id)
    try:
        if seconds and not wait.promise.is_settled:
            ended = wait.promise.awaited()
            stop = asyncio.ensure_future(stopping.wait())
            either: list[asyncio.Future[Any]] = [ended, stop]
            try:
                await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stop.cancel()
            if ended.done():
                ended.exception()  # told below; asyncio logs one that nobody has asked for
            elif stopping.is_set():
                raise Problem(503, "this server ends, and waits no longer; ask again", {"retry-after": "1"})
    finally:
        wait.forget()
    return await on_thread(_answer, handle, wait)


def _begin(engine: Engine, id: str) -> tuple[Handle[Any], Wait]:
    handle = engine.get(id)
    return handle, handle.watch(wait_while_parked=False)


def _answer(handle: Handle[Any], wait: Wait) -> Response:
    found: dict[str, Any] = {"id": handle.id}
    status = 200
    if not wait.promise.is_settled:
        found["status"], status = handle.status(), 202
    else:
        try:
            result = to_jsonable(handle.read(wait.promise.result()))
            found |= {"status": "completed", "result": result}
        except WorkflowParked as error:
            found |= {"status": "parked", "error": str(error)}
            status = 202
        except (WorkflowFailed, WorkflowCancelled) as error:
            found |= {"status": "failed" if isinstance(error, WorkflowFailed) else "cancelled", "error": str(error)}
    return Response(encode_json(found), status, media_type="application/json")
