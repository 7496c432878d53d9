"""A Unix-socket proxy in front of a PostgreSQL server that loses replies, holds requests back and cuts connections."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from tests.servers.unix_proxy import UnixProxy, receive, shut

READY_FOR_QUERY = b"Z\x00\x00\x00\x05"


class Proxy(UnixProxy):
    """Passes everything on until told otherwise; what it is told holds for what clients send from then on."""

    def __init__(self, folder: Path, server_socket: Path) -> None:
        self.folder = folder
        self._open = threading.Event()
        self._open.set()
        self._lose_reply = self._lose_request = False
        self._fatal = b""
        self._losing: set[socket.socket] = set()  # clients whose next reply is lost
        self.lost = threading.Event()  # a reply or request was lost
        self.held = threading.Event()  # a request is being held back
        super().__init__(folder / server_socket.name, server_socket)

    def lose_next_reply(self) -> None:
        """The next request reaches the server and is carried out; then the client's connection breaks."""
        self.lost.clear()
        self._lose_reply = True

    def lose_reply_to(self, request: bytes) -> None:
        """The same, once somebody sends exactly this."""
        self.lost.clear()
        self._fatal = request

    def lose_next_request(self) -> None:
        """The client's connection breaks before the server hears of the next request."""
        self.lost.clear()
        self._lose_request = True

    def hold_requests(self) -> None:
        """The server hears nothing more until `release`."""
        self.held.clear()
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def cut_clients(self) -> None:
        """Clients see their connections end; what is held back still reaches the server at `release`."""
        for client in self._sockets[::2]:
            shut(client)

    def close(self) -> None:
        self._open.set()
        super().close()

    def _send_requests(self, client: socket.socket, server: socket.socket) -> None:
        while data := receive(client):
            if self._lose_request:
                self._lose_request = False
                shut(client)
                self.lost.set()
                break
            if self._fatal and data == self._fatal:
                self._fatal = b""
                self._losing.add(client)
            if not self._open.is_set():
                self.held.set()
                self._open.wait()
            try:
                server.sendall(data)
            except OSError:
                break
        shut(server)

    def _send_replies(self, server: socket.socket, client: socket.socket) -> None:
        reply = b""
        while data := receive(server):
            if self._lose_reply or client in self._losing:
                reply += data
                if READY_FOR_QUERY in reply:
                    self._lose_reply = False
                    shut(client)
                    self.lost.set()
                continue
            try:
                client.sendall(data)
            except OSError:
                break
        shut(client)
