"""Makes servers that listen on Unix sockets reachable over TCP: `relay.py PORT=PATH …`, in the namespace it runs in.

Prints one line when it listens. Closes each side when the other one ends.
"""

from __future__ import annotations

import socket
import sys
import threading


def serve(port: int, path: str) -> None:
    listener = socket.create_server(("0.0.0.0", port), backlog=100)
    threading.Thread(target=_accept, args=(listener, path), daemon=True).start()


def _accept(listener: socket.socket, path: str) -> None:
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(path)
        except OSError:
            client.close()
            continue
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        port, _, path = argument.partition("=")
        serve(int(port), path)
    print("listening", flush=True)
    threading.Event().wait()
