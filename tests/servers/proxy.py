"""A Unix-socket proxy in front of a PostgreSQL server that loses replies, holds requests back and cuts connections."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

READY_FOR_QUERY = b"Z\x00\x00\x00\x05"


class Proxy:
    """Passes everything on until told otherwise; what it is told holds for what clients send from then on."""

    def __init__(self, folder: Path, server_socket: Path) -> None:
        self.folder = folder
        self._server_socket = server_socket
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / server_socket.name))
        self._listener.listen()
        self._sockets: list[socket.socket] = []
        self._open = threading.Event()
        self._open.set()
        self._lose_reply = self._lose_request = False
        self._fatal = b""
        self._losing: set[socket.socket] = set()  # clients whose next reply is lost
        self.lost = threading.Event()  # a reply or request was lost
        self.held = threading.Event()  # a request is being held back
        threading.Thread(target=self._accept, daemon=True).start()

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
            _shut(client)

    def close(self) -> None:
        self._open.set()
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
            server.connect(str(self._server_socket))
            self._sockets += [client, server]
            threading.Thread(target=self._send_requests, args=(client, server), daemon=True).start()
            threading.Thread(target=self._send_replies, args=(server, client), daemon=True).start()

    def _send_requests(self, client: socket.socket, server: socket.socket) -> None:
        while data := _receive(client):
            if self._lose_request:
                self._lose_request = False
                _shut(client)
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
        _shut(server)

    def _send_replies(self, server: socket.socket, client: socket.socket) -> None:
        reply = b""
        while data := _receive(server):
            if self._lose_reply or client in self._losing:
                reply += data
                if READY_FOR_QUERY in reply:
                    self._lose_reply = False
                    _shut(client)
                    self.lost.set()
                continue
            try:
                client.sendall(data)
            except OSError:
                break
        _shut(client)


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


def _shut(target: socket.socket) -> None:
    try:
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
