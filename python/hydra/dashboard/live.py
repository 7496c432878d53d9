"""Server-sent events: a browser is told that something changed, no more, and asks for the page again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hydra.dashboard.problems import Problem
from hydra.dashboard.site import Site
from hydra.dashboard.threads import on_thread
from hydra.errors import HydraError
from hydra.keys import is_id
from hydra.observability.http import stopping_of

MAX_LISTENERS = 50  # of one app in one process; more are told to reload by hand
LOOK_SECONDS = 2.0  # the right to look is asked again, too
LIFE_SECONDS = 600.0  # then the browser connects again


async def live(site: Site, request: Request) -> Response:
    if await site.operator_of_browser(request) is None:
        raise Problem(403, "you are not let in here; sign in again")
    if site.listener_count >= MAX_LISTENERS:
        raise Problem(503, f"{MAX_LISTENERS} pages listen already; reload this one by hand")
    id = request.query_params.get("id", "")
    if id and not is_id(id):
        raise Problem(404, "no execution has that id")
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_events(site, id, request), media_type="text/event-stream", headers=headers)


async def _events(site: Site, id: str, request: Request) -> AsyncIterator[str]:
    """Until who asked is let in no more, or the server ends; a browser then connects again."""
    stopping = stopping_of(request.scope)
    site.listener_count += 1
    try:
        known = await on_thread(look, site, id)
        yield "retry: 5000\n\n"
        for _ in range(round(LIFE_SECONDS / LOOK_SECONDS)):
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)
            if stopping.is_set() or not await _is_let_in(site, request):
                return
            now = await on_thread(look, site, id)
            yield ":\n\n" if now == known else "event: changed\ndata: 1\n\n"
            known = now
    finally:
        site.listener_count -= 1


async def _is_let_in(site: Site, request: Request) -> bool:
    """Also not where that cannot be told: when the browser connects again, it is answered why."""
    try:
        return await site.operator_of_browser(request) is not None
    except Exception:
        return False


def look(site: Site, id: str) -> str:
    """Another text when there is something to see. A database that does not answer changes nothing."""
    try:
        if not id:
            return site.counts_mark()
        found = site.engine.snapshot(id)
        return repr((found.status, found.epoch, found.record_count, found.cancel_requested, found.wake_at, found.gate))
    except HydraError as error:
        return type(error).__name__
