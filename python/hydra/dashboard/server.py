"""The page on a socket: by itself until a signal (`hydra dashboard`), or with a node (`hydra start --http`).

Who may come where is the same for both. Bounds what a client may cost.
"""

from __future__ import annotations

import ipaddress
import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager  # noqa: TID251  it is uvicorn's method

from starlette.types import ASGIApp

from hydra import identity
from hydra.client.engine import Engine
from hydra.dashboard.access import Operator, Role, TokenFile
from hydra.dashboard.asgi import app
from hydra.errors import ConfigError
from hydra.observability.http import Connection, EndingServer, config_of, listen

READ_ANSWER_SECONDS = 60.0  # for a client to have taken a page
ORDER_SECONDS = 900.0  # for an act on many to be done
LIVE_PATH = "/live"


class PageConnection(Connection):
    """As of the server of metrics; orders may take longer, and what follows along may stay."""

    def _look(self) -> None:
        if self.is_idle:
            self.hang_up()
        elif not self.scope["path"].endswith(LIVE_PATH):
            seconds = READ_ANSWER_SECONDS if self.scope["method"] == "GET" else ORDER_SECONDS
            self._timer = self.loop.call_later(seconds, self.hang_up)


class PageServer(EndingServer):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal ends it, and is no error."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    engine: Engine,
    host: str,
    port: int,
    token_file: str | None,
    hosts: Sequence[str],
    announce: Callable[[str], object],
) -> None:
    """Until SIGINT or SIGTERM.

    Raises:
        ConfigError: as of `page_at`; or the address is taken.
    """
    with listen(host, port) as listening:
        address, taken_port = listening.getsockname()[:2]
        page = page_at(listening, engine, host, token_file, hosts, announce)
        server = PageServer(config_of(page, PageConnection))
        shown = f"[{address}]" if ":" in address else address
        announce(f"the page is at http://{shown}:{taken_port}")
        server.run(sockets=[listening])


def is_loopback(listening: socket.socket) -> bool:
    """Whether nobody comes there but from this host."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def page_at(
    listening: socket.socket,
    engine: Engine,
    host: str,
    token_file: str | None,
    hosts: Sequence[str],
    announce: Callable[[str], object],
) -> ASGIApp:
    """The page for whoever may come to that socket, which `host` was asked for.

    Raises:
        ConfigError: there are no tokens, and the address is not the host's own or a proxy may ask; the tokens cannot
            be read; Jinja2 is missing.
    """
    is_local = is_loopback(listening)
    if token_file is None and not is_local:
        raise ConfigError(
            f"`{host}` can be reached from elsewhere, so the page needs `--token-file`; or listen on 127.0.0.1"
        )
    if token_file is not None and TokenFile(token_file).is_readable_by_others():
        announce(f"warning: everybody on this host can read `{token_file}`; `chmod 600` it")
    if token_file is None and hosts:
        raise ConfigError(f"`{hosts[0]}` lets others in through a proxy, so `--allow-host` needs `--token-file`")
    me = Operator(identity.person(), Role.ADMIN)
    authorize = None if token_file is not None else lambda _: me
    names = [host, *hosts, *(("localhost", "127.0.0.1", "::1") if is_local else ())]
    own = secrets.token_hex(32)  # one process: what signs out here, or ends with it, is out
    return app(engine, tokens=token_file, authorize=authorize, hosts=names if is_local or hosts else (), secret=own)
