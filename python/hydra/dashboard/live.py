"""Server-sent events: a browser is told that something changed, no more, and asks for the page again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hydra.dashboard.problems import Problem
from hydra.dashboard.site import Site
from hydra.dashboard.threads import on_thread
from hydra.errors import HydraError
from hydra.keys import is_id

MAX_LISTENERS = 50  # of one app in one process; more are told to reload by hand
LOOK_SECONDS = 2.0
LIFE_SECONDS = 600.0  # then the browser connects again, and its right to look is asked again


async def live(site: Site, request: Request) -> Response:
    if await site.operator_of_browser(request) is None:
        raise Problem(403, "you are not let in here; sign in again")
    if site.listener_count >= MAX_LISTENERS:
        raise Problem(503, f"{MAX_LISTENERS} pages listen already; reload this one by hand")
    id = request.query_params.get("id", "")
    if id and not is_id(id):
        raise Problem(404, "no execution has that id")
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_events(site, id), media_type="text/event-stream", headers=headers)


async def _events(site: Site, id: str) -> AsyncIterator[str]:
    site.listener_count += 1
    try:
        known = await on_thread(look, site, id)
        yield "retry: 5000\n\n"
        for _ in range(round(LIFE_SECONDS / LOOK_SECONDS)):
            await asyncio.sleep(LOOK_SECONDS)
            now = await on_thread(look, site, id)
            yield ":\n\n" if now == known else "event: changed\ndata: 1\n\n"
            known = now
    finally:
        site.listener_count -= 1


def look(site: Site, id: str) -> str:
    """Another text when there is something to see. A database that does not answer changes nothing."""
    try:
        if not id:
            return site.counts_mark()
        found = site.engine.snapshot(id)
        return repr((found.status, found.epoch, found.record_count, found.cancel_requested, found.wake_at, found.gate))
    except HydraError as error:
        return type(error).__name__
