"""A Unix socket before a server's: what the proxies of the tests have in common. What passes is theirs to say."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

PIECE_BYTES = 1 << 20


class UnixProxy:
    """Listens from the end of `__init__` on: a subclass is ready before it calls that."""

    def __init__(self, path: Path, server_socket: Path) -> None:
        self.path = path
        self._server_socket = server_socket
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(100)
        self._sockets: list[socket.socket] = []  # each client's, and after it the server's for that client
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Both sides see their connections end."""
        for each in self._sockets:
            shut(each)

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
            self._connected(client, server)

    def _connected(self, client: socket.socket, server: socket.socket) -> None:
        for run, source, target in ((self._send_requests, client, server), (self._send_replies, server, client)):
            threading.Thread(target=run, args=(source, target), daemon=True).start()

    def _send_requests(self, client: socket.socket, server: socket.socket) -> None:
        raise NotImplementedError

    def _send_replies(self, server: socket.socket, client: socket.socket) -> None:
        raise NotImplementedError


def receive(source: socket.socket) -> bytes:
    """The next piece; empty at the connection's end, however it comes."""
    try:
        return source.recv(PIECE_BYTES)
    except OSError:
        return b""


def shut(target: socket.socket) -> None:
    try:
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
