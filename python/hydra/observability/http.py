"""A small HTTP server on threads of its own: GET, a few paths, plain answers. Knows nothing of what it shows."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from hydra.errors import ConfigError

REQUESTS_MAX = 16  # answered at a time; further ones are hung up on
READ_SECONDS = 5.0  # for a client to say what it wants
ACCEPT_PAUSE_SECONDS = 0.1
LOOK_SECONDS = 0.25  # how long `close` may wait for the listener
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

_ADDRESS = re.compile(r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})")

log = logging.getLogger("hydra.http")

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Page(NamedTuple):
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


class HttpServer:
    """Listens from the start, answers between `start` and `close`. ConfigError where it cannot listen."""

    def __init__(self, address: str, pages: Mapping[str, Callable[[], Page]]) -> None:
        host, port = parse_address(address)
        self._pages = pages
        try:
            family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self._server = _Server(family, place[:2])
        except OSError as error:
            raise ConfigError(f"cannot listen on `{address}`: {error.strerror or error}") from error
        self._server.set_app(self._answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(LOOK_SECONDS,), name="hydra-http", daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        page = self._page(environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/")
        headers = [("Content-Type", page.content_type), ("Content-Length", str(len(page.body)))]
        start_response(f"{page.status.value} {page.status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [page.body]

    def _page(self, method: str, path: str) -> Page:
        if method not in ("GET", "HEAD"):
            return Page(b"only GET is answered here\n", status=HTTPStatus.METHOD_NOT_ALLOWED)
        show = self._pages.get(path)
        if show is None:
            return Page(f"nothing is here; there is {', '.join(self._pages)}\n".encode(), status=HTTPStatus.NOT_FOUND)
        try:
            return show()
        except Exception:
            log.exception("`%s` could not be shown", path)
            return Page(
                b"this page could not be made; the log has the traceback\n", status=HTTPStatus.INTERNAL_SERVER_ERROR
            )


class _Handler(WSGIRequestHandler):
    timeout = READ_SECONDS

    def log_message(self, format: str, *arguments: object) -> None:
        """A line for each scrape would drown the rest."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, family: socket.AddressFamily, place: Any) -> None:
        self.address_family = family
        self._free = threading.BoundedSemaphore(REQUESTS_MAX)
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        """Without the name look-up of the standard library's, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError:  # no descriptor is left, and the client still waits: not again at once
            time.sleep(ACCEPT_PAUSE_SECONDS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client went away", exc_info=True)
