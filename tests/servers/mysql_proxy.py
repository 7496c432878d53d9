"""A Unix-socket proxy in front of a MySQL server that loses the reply to a COMMIT, or a COMMIT itself."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from tests.servers.unix_proxy import UnixProxy, receive, shut

COMMIT = b"commit"


class MysqlProxy(UnixProxy):
    """Passes everything on until told otherwise; then the next request that ends with COMMIT meets its fate."""

    def __init__(self, path: Path, server_socket: Path) -> None:
        self._lose_reply = self._lose_request = False
        self._fatal = b""
        self._losing: set[socket.socket] = set()
        self.lost = threading.Event()
        super().__init__(path, server_socket)

    def lose_next_reply(self) -> None:
        """The next COMMIT is carried out; then the client's connection breaks."""
        self._lose_reply = True

    def lose_reply_to(self, statement: bytes) -> None:
        """The same, once somebody sends exactly this statement and no other with it."""
        self._fatal = statement

    def lose_next_request(self) -> None:
        """The client's connection breaks before the server hears of the next COMMIT."""
        self._lose_request = True

    def lead_to(self, server_socket: Path) -> None:
        """The address moves: clients see their connections end, and find another server."""
        self._server_socket = server_socket
        self.cut()

    def _send_requests(self, client: socket.socket, server: socket.socket) -> None:
        while data := receive(client):
            if self._fatal and data[5:] == self._fatal:  # after the packet's header and the command's byte
                self._fatal = b""
                self._losing.add(client)
            if data.endswith(COMMIT):
                if self._lose_request:
                    self._lose_request = False
                    shut(client)
                    self.lost.set()
                    break
                if self._lose_reply:
                    self._lose_reply = False
                    self._losing.add(client)
            try:
                server.sendall(data)
            except OSError:
                break
        shut(server)

    def _send_replies(self, server: socket.socket, client: socket.socket) -> None:
        while data := receive(server):
            if client in self._losing:
                shut(client)
                self.lost.set()
                break
            try:
                client.sendall(data)
            except OSError:
                break
        shut(client)
