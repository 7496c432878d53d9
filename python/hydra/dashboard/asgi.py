"""The app: every path of the page and of the API, and what is answered when something goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hydra.blocks import asynccontextmanager
from hydra.client.async_engine import AsyncEngine
from hydra.client.engine import Engine
from hydra.dashboard import api, detail, limits, listing, live, orders, overview
from hydra.dashboard.access import Role, TokenFile, parse_tokens
from hydra.dashboard.guard import Guard
from hydra.dashboard.problems import Problem, code_of, problem_answer
from hydra.dashboard.rendering import static_file
from hydra.dashboard.site import (
    SESSION,
    WRONG_TOKEN_SECONDS,
    Authorize,
    Site,
    Visit,
    first,
    order,
    page,
    read_form,
)
from hydra.errors import ConfigError, HydraError

MIN_SECRET_LENGTH = 20
STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

log = logging.getLogger("hydra.dashboard")


def app(
    engine: Engine | AsyncEngine | str | None = None,
    *,
    tokens: str | Path | Sequence[str] | None = None,
    authorize: Authorize | None = None,
    hosts: Collection[str] = (),
    secret: str | None = None,
) -> ASGIApp:
    """The page and the HTTP API as an ASGI app, by itself or mounted in another one.

        app = Starlette(routes=[Mount("/hydra", hydra.dashboard.app(engine, tokens="/run/secrets/hydra-tokens"))])

    Args:
        engine: an engine, whose closing is yours; or a database's URL, by default `$HYDRA_DB`.
        tokens: the path of a file of tokens, or its lines: `ana admin TOKEN`. See `hydra dashboard --help`.
        authorize: in place of tokens, or beside them: called with the Starlette request, it gives an `Operator`, or
            None for whoever is not let in. It may be a coroutine function.
        hosts: names under which it may be asked for, such as `hydra.example.com`; empty: any.
            Who comes through a proxy looks as if from this host: `authorize` must ask for more than that.
        secret: of at least 20 characters, by which forms and sessions are known again. Where several processes serve
            the page without tokens they need one. With tokens all that have the same tokens know each other's sessions
            unless one is given: another for each process ends them with it.

    Raises:
        ConfigError: nobody says who may come in (give `tokens` or `authorize`), Jinja2 is missing, the file of tokens
            cannot be read, or the engine's URL cannot be.
    """
    if tokens is None and authorize is None:
        raise ConfigError("the page needs `tokens` or `authorize`, so that not everybody may give orders")
    if secret is not None and len(secret) < MIN_SECRET_LENGTH:
        raise ConfigError(f"`secret` must have at least {MIN_SECRET_LENGTH} characters")
    known = TokenFile(tokens) if isinstance(tokens, str | Path) else None
    listed = None if tokens is None or isinstance(tokens, str | Path) else parse_tokens("\n".join(tokens), "`tokens`")
    own = engine if engine is not None and not isinstance(engine, str) else Engine(engine, migrate=False)
    site = Site(own.engine if isinstance(own, AsyncEngine) else own, known or listed, authorize, secret)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        if own is not engine:
            site.engine.close()

    starlette = Starlette(
        routes=[*_page_routes(site), *api.routes(site)],
        exception_handlers={
            Problem: partial(_say, site),
            HydraError: partial(_say, site),
            HTTPException: partial(_say, site),
            Exception: partial(_fail, site),
        },
        lifespan=life,
    )
    starlette.router.redirect_slashes = False
    return Guard(starlette, hosts)  # outside all of it: an answer to a bug has its headers, too


def _page_routes(site: Site) -> list[Route]:
    shown = {
        "/": overview.show_overview,
        "/executions": listing.list_executions,
        "/executions/{id}": detail.show_execution,
        "/errors": listing.list_errors,
        "/schedules": overview.show_schedules,
        "/nodes": overview.show_nodes,
        "/limits": limits.show_limits,
        "/acts": listing.list_acts,
        "/act": orders.confirm,
    }
    given = {
        "/executions/{id}": (orders.give_order, Role.OPERATE),
        "/act": (orders.give_many, Role.OPERATE),
        "/commands": (orders.give_command, Role.ADMIN),
    }
    return [
        *(Route(path, page(site, show), methods=["GET"]) for path, show in shown.items()),
        *(Route(path, order(site, give, role), methods=["POST"]) for path, (give, role) in given.items()),
        Route("/login", partial(_show_login, site), methods=["GET"]),
        Route("/login", partial(_login, site), methods=["POST"]),
        Route("/logout", partial(_logout, site), methods=["POST"]),
        Route("/live", partial(live.live, site), methods=["GET"]),
        *(Route(f"/static/{name}", partial(_static, name, kind), methods=["GET"]) for name, kind in STATIC.items()),
    ]


async def _static(name: str, kind: str, _: Request) -> Response:
    return Response(static_file(name), media_type=kind, headers={"cache-control": "max-age=300"})


async def _show_login(site: Site, request: Request) -> Response:
    if not site.has_tokens:
        return RedirectResponse(request.scope.get("root_path", "") + "/", 303)
    return Visit(site, request, None).show("login.html", problem=None)


async def _login(site: Site, request: Request) -> Response:
    visit = Visit(site, request, None)
    form = await read_form(request)
    visit.check_mark(form)
    operator = site.tokens().holder(first(form, "token"))
    if operator is None:
        await asyncio.sleep(WRONG_TOKEN_SECONDS)
        return visit.show("login.html", 403, problem="no such token is known; look it up, and try again")
    answer = visit.go("/")
    visit.set_cookie(answer, SESSION, site.open_session(operator.name), None)
    return answer


async def _logout(site: Site, request: Request) -> Response:
    operator = await site.operator_of_browser(request)
    visit = Visit(site, request, operator)
    visit.check_mark(await read_form(request))
    site.end_session(request)
    answer = visit.go("/login")
    visit.set_cookie(answer, SESSION, "", 0)
    return answer


async def _say(site: Site, request: Request, error: Exception) -> Response:
    """A sentence: as a page for a browser, as a problem for a program."""
    headers = None
    if isinstance(error, HydraError):
        status, sentence = code_of(error), str(error)
    elif isinstance(error, Problem):
        status, sentence, headers = error.status, str(error), error.headers
    else:
        assert isinstance(error, HTTPException)
        status, headers = error.status_code, dict(error.headers or {})
        sentence = {404: "nothing is here", 405: "this cannot be done here that way"}.get(status, error.detail)
    return await _show_error(site, request, status, sentence, headers)


async def _fail(site: Site, request: Request, _: Exception) -> Response:
    """A bug: its traceback is in the log, which Starlette's server writes, and nothing of it in the answer."""
    log.error("`%s %s` failed", request.method, request.url.path)
    return await _show_error(site, request, 500, "this could not be shown; the log has the traceback", None)


async def _show_error(
    site: Site, request: Request, status: int, sentence: str, headers: dict[str, str] | None
) -> Response:
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    if path.startswith(api.PREFIX) or "text/html" not in request.headers.get("accept", ""):
        return problem_answer(status, sentence, headers)
    operator = None if status == 500 else await site.operator_of_browser(request)
    return Visit(site, request, operator).show("problem.html", status, sentence=sentence)
