"""A Unix-socket proxy before any server, which is slow or goes deaf (and closes nothing) while it is told to."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

Delay = Callable[[], float]  # seconds that the next piece of a reply is kept back


def at_once() -> float:
    return 0.0


def between(least: float, most: float, share: float = 1.0) -> Delay:
    """For a share of the replies, spread evenly over that many seconds."""
    chance = random.Random(1)
    return lambda: chance.uniform(least, most) if chance.random() < share else 0.0


class SlowProxy:
    """`delay` may be set at any time; `deafen` keeps back both directions, and new connections' too, until `answer`."""

    def __init__(self, path: Path, server_socket: Path) -> None:
        self.path = path
        self.delay: Delay = at_once
        self.reply_count = 0
        self._server_socket = server_socket
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(100)
        self._sockets: list[socket.socket] = []
        self._hears = threading.Event()
        self._hears.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def deafen(self) -> None:
        self._hears.clear()

    def answer(self) -> None:
        self._hears.set()

    def close(self) -> None:
        self._hears.set()
        self._listener.close()
        for each in self._sockets:
            _shut(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server_socket))
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            self._pass_on(client, server, at_once)
            self._pass_on(server, client, lambda: self.delay())

    def _pass_on(self, source: socket.socket, target: socket.socket, delay: Delay) -> None:
        pieces: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        threading.Thread(target=self._read, args=(source, delay, pieces), daemon=True).start()
        threading.Thread(target=self._write, args=(pieces, source, target), daemon=True).start()

    def _read(self, source: socket.socket, delay: Delay, pieces: SimpleQueue[tuple[float, bytes]]) -> None:
        data = b" "
        while data:
            try:
                data = source.recv(1 << 20)
            except OSError:
                data = b""
            pieces.put((time.monotonic() + delay(), data))
            self.reply_count += delay is not at_once

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
        _shut(source)
        _shut(target)


def _shut(target: socket.socket) -> None:
    try:
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
