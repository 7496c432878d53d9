"""A Unix-socket proxy before any server, which is slow or goes deaf (and closes nothing) while it is told to."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from tests.servers.unix_proxy import UnixProxy, receive, shut

Delay = Callable[[], float]  # seconds that the next piece of a reply is kept back


def at_once() -> float:
    return 0.0


def between(least: float, most: float) -> Delay:
    """Spread evenly over that many seconds."""
    chance = random.Random(1)
    return lambda: chance.uniform(least, most)


class SlowProxy(UnixProxy):
    """`delay` may be set at any time; `deafen` keeps back both directions, and new connections' too, until `answer`."""

    def __init__(self, path: Path, server_socket: Path) -> None:
        self.delay: Delay = at_once
        self._hears = threading.Event()
        self._hears.set()
        super().__init__(path, server_socket)

    def deafen(self) -> None:
        self._hears.clear()

    def answer(self) -> None:
        self._hears.set()

    def close(self) -> None:
        self._hears.set()
        super().close()

    def _connected(self, client: socket.socket, server: socket.socket) -> None:
        self._pass_on(client, server, at_once)
        self._pass_on(server, client, lambda: self.delay())

    def _pass_on(self, source: socket.socket, target: socket.socket, delay: Delay) -> None:
        pieces: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        threading.Thread(target=self._read, args=(source, delay, pieces), daemon=True).start()
        threading.Thread(target=self._write, args=(pieces, source, target), daemon=True).start()

    def _read(self, source: socket.socket, delay: Delay, pieces: SimpleQueue[tuple[float, bytes]]) -> None:
        data = b" "
        while data:
            data = receive(source)
            pieces.put((time.monotonic() + delay(), data))

    def _write(self, pieces: SimpleQueue[tuple[float, bytes]], source: socket.socket, target: socket.socket) -> None:
        while True:
            due_at, data = pieces.get()
            time.sleep(max(0.0, due_at - time.monotonic()))
            self._hears.wait()
            if not data:
                break
            try:
                target.sendall(data)
            except OSError:
                break
        shut(source)
        shut(target)
