"""What is asked before anything else of a request: whose host it names, which page sent it, how large it is.

It answers what it refuses, and gives every answer its headers. It knows nothing of what lies behind it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hydra.dashboard.problems import problem_answer

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
MAX_PATH_LENGTH = 2_000
MAX_QUERY_LENGTH = 16_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with `no-referrer` a browser sends no `Origin` that could be compared
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """`hosts`: names under which it may be asked for; empty: any, where tokens or the app around it keep others out."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
                return
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await problem_answer(*refused)(scope, receive, send_guarded)
            return
        await self.app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or (self._hosts and host_name(host) not in self._hosts):
            return 421, f"this page is not that of `{host:.100}`; ask for it by a name that it was started with"
        if len(scope["path"]) > MAX_PATH_LENGTH or len(scope["query_string"]) > MAX_QUERY_LENGTH:
            return 414, "the address is too long"
        if scope["method"] not in SAFE_METHODS and not is_of_this_page(headers, host):
            return 403, "the order came from another page than this one; nothing was done"
        return None


def is_of_this_page(headers: Headers, host: str) -> bool:
    """Whether no browser says that another page sent it. A program that is no browser says nothing."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return False
    return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def host_name(host: str) -> str:
    """Of `HOST:PORT`, `HOST` or `[ADDRESS]:PORT`; "" where it is neither."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


class TooLarge(Exception):
    """A request's body is larger than what it may be."""


async def read_body(receive: Any, headers: Headers, max_bytes: int) -> bytes:
    """At most so much; TooLarge beyond it, as soon as that is known."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise TooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(body)
