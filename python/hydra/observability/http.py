"""A small HTTP server on a thread of its own: GET, a few paths, plain answers. Knows nothing of what it shows.

uvicorn and Starlette do the work; `Connection` bounds what a client may cost. No answer waits for another client. What
waits for something else is told when the server ends, and answers then.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Scope
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from hydra.errors import ConfigError

MAX_CONNECTIONS = 256  # the one that has waited longest for its client's request makes room for a new one
READ_SECONDS = 5.0  # for a client to say what it wants
ANSWER_SECONDS = 30.0  # for a client to have taken the answer
MAX_HEAD_BYTES = 16_384
BACKLOG = 128
CLOSE_SECONDS = 5.0  # for the thread to end
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
STOPPING = "hydra.stopping"  # in the state of a request's scope: an event, set when the server ends
NO_TOKENS: Mapping[str, str] = MappingProxyType({})

_ADDRESS = re.compile(r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})")

log = logging.getLogger("hydra.http")


class HttpPage(NamedTuple):
    """What a path answers."""

    body: bytes
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an IPv6 address stands in brackets, port 0 takes any that is free."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65_535:
        raise ConfigError(f"`{text}` is not an address to listen on; write `HOST:PORT`, such as `127.0.0.1:9700`")
    return found["bracketed"] or found["host"], int(found["port"])


def listen(host: str, port: int) -> socket.socket:
    """A socket on which clients may come; ConfigError, in a sentence, where that cannot be."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(place[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise ConfigError(f"cannot listen on `{address}`: {_reason(error)}") from error


def config_of(app: Any, connection: type[Connection]) -> Config:
    """How uvicorn serves `app`: bounded, and without a word of its own."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its own comings and goings are nobody's business
    return Config(
        app,
        http=connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whoever comes says nothing true of itself by a header
        headers=[("connection", "close")],  # one answer each: a client that keeps still costs nothing
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_graceful_shutdown=1,
    )


class EndingServer(Server):
    """Tells requests that wait when it ends, and gives them a second to answer."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state[STOPPING] = asyncio.Event()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state[STOPPING].set()
        await super().shutdown(sockets)


def stopping_of(scope: Scope) -> asyncio.Event:
    """Set when the server of a request ends; never, where it is another server than ours."""
    found: asyncio.Event | None = scope.get("state", {}).get(STOPPING)
    return found or asyncio.Event()


class HttpServer:
    """Answers between `start` and `close`, to whoever comes to the socket.

    Pages are made on the server's own thread, but for those in `slow`, which others need not wait for. Those that have
    a token are shown to whoever brings it (`Authorization: Bearer TOKEN`). `rest` answers all other paths."""

    def __init__(
        self,
        listening: socket.socket,
        pages: Mapping[str, Callable[[], HttpPage]],
        slow: Collection[str] = (),
        tokens: Mapping[str, str] = NO_TOKENS,
        rest: ASGIApp | None = None,
        connection: type[Connection] | None = None,
    ) -> None:
        self._socket = listening
        self._place = listening.getsockname()[:2]
        known: list[BaseRoute] = [
            Route(path, _endpoint(path, show, path in slow, tokens.get(path, ""))) for path, show in pages.items()
        ]
        if rest is not None:
            known.append(Mount("/", rest))
        app = Starlette(routes=known, exception_handlers={404: _nothing_here(pages)})
        self._server = EndingServer(config_of(app, connection or Connection))
        self._thread = threading.Thread(target=self._serve, name="hydra-http", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._place
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.should_exit = True
            self._thread.join(CLOSE_SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException:
            log.exception("nothing is answered over HTTP any more")


class Connection(H11Protocol):
    """One request and its answer, each within its time."""

    _timer: asyncio.TimerHandle | None = None
    _made_at = 0.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._made_at = self.loop.time()
        self._timer = self.loop.call_later(READ_SECONDS, self._look)
        if len(self.connections) > MAX_CONNECTIONS:
            idle = [each for each in self.connections if isinstance(each, Connection) and each.is_idle]
            min(idle, key=lambda each: each._made_at).hang_up()

    @property
    def is_idle(self) -> bool:
        return self.cycle is None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self.is_idle:
            self.hang_up()
        else:
            self._timer = self.loop.call_later(ANSWER_SECONDS, self.hang_up)

    def hang_up(self) -> None:
        self.connections.discard(self)
        self.transport.abort()


def check_token(token: str, what: str) -> str:
    """One that a header can carry. ConfigError else."""
    if not token.isascii() or not token.isprintable() or token != token.strip():
        raise ConfigError(f"{what} must be of printable ASCII characters, without spaces around; make another one")
    return token


def _endpoint(
    path: str, show: Callable[[], HttpPage], is_slow: bool, token: str
) -> Callable[[Request], Awaitable[Response]]:
    def make() -> HttpPage:
        try:
            return show()
        except Exception:
            log.exception("`%s` could not be shown", path)
            sentence = b"this page could not be made; the log has the traceback\n"
            return HttpPage(sentence, status=HTTPStatus.INTERNAL_SERVER_ERROR)

    async def answer(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if token and not hmac.compare_digest(given, f"Bearer {token}".encode()):
            sentence = f"`{path}` needs its token; send `Authorization: Bearer TOKEN`\n"
            return Response(sentence, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"}, media_type=TEXT)
        page = await run_in_threadpool(make) if is_slow else make()
        return Response(page.body, page.status, media_type=page.content_type)

    return answer


def _nothing_here(pages: Collection[str]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, __: Exception) -> Response:
        return Response(f"nothing is here; there is {', '.join(pages)}\n", HTTPStatus.NOT_FOUND, media_type=TEXT)

    return answer


def _reason(error: OSError) -> str:
    """Without what Python adds of its own; look-ups of names have numbers of theirs."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
