"""The forked process that runs user code: frames in, the hub, frames out. It decides nothing; only `@transaction`
steps open the database.

It ends by Drain (exit 0), with its supervisor (end of file, or the lifeline), or by the supervisor's SIGKILL.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from contextvars import Context
from types import FrameType
from typing import Any

from hydra import config
from hydra._core import Lifeline
from hydra.body import fork_guard
from hydra.body.transactions import Transactions
from hydra.clock import LeasePage
from hydra.definitions import Process
from hydra.frames import FromWorker, Hello, ToWorker, Unpacker, decode_to_worker, encode_from_worker, pack
from hydra.identity import NODE_VARIABLE
from hydra.logging import Filter as LogFilter
from hydra.logging import OwnProcess
from hydra.object_store import object_store_of
from hydra.observability.logs import after_app
from hydra.stores import open_store
from hydra.worker.body_watch import BodyWatch
from hydra.worker.hooks import run_start_hooks, run_stop_hooks
from hydra.worker.hub import Hub
from hydra.worker.page import Page
from hydra.workflow import registry

READ_BYTES = 1 << 18


class SupervisorSocket:
    """The hub's way to its supervisor."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._unpacker = Unpacker()

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> list[ToWorker] | None:
        try:
            data = self._socket.recv(READ_BYTES)
        except ConnectionResetError:
            return None
        if not data:
            return None
        return [frame for batch in self._unpacker.feed(data) for frame in decode_to_worker(batch)]

    def send(self, frames: list[FromWorker]) -> None:
        self._socket.sendall(pack(encode_from_worker(frames)))


def worker_main(
    sock: socket.socket,
    page_fd: int,
    lease_fd: int,
    lifeline_fd: int,
    concurrency: int,
    namespace: str,
    url: str,
    transaction_connections: int,
    log_format: str,
    place: int,
) -> None:
    """Serve until drained or until the supervisor is gone. The zygote has set up signals, streams and logging."""
    lifeline = Lifeline(lifeline_fd, page_fd)
    fork_guard.watch()
    node = os.environ[NODE_VARIABLE]
    OwnProcess.node, OwnProcess.worker = node, place
    run_start_hooks()
    after_app(log_format, LogFilter())
    Process.is_worker = True
    set_handlers_apart()
    supervisor = SupervisorSocket(sock)
    lease = LeasePage(lease_fd)
    transactions = Transactions(
        lambda: open_store(url, namespace),
        node,
        lease.session,
        lease.now,
        transaction_connections,
        may_kill=True,
    )
    page = Page.attach(page_fd)
    objects = object_store_of(config.offload(None), namespace, config.payload_keys(None))
    hub = Hub(registry, supervisor.send, lease, page, concurrency, namespace, transactions, node, place, objects)
    BodyWatch(hub, page).start()
    with suppress(BrokenPipeError, ConnectionResetError):
        supervisor.send([Hello(os.getpid())])
        hub.run(supervisor)
    page.set_busy(0)  # the hub has ended; hooks that take long are no stall
    run_stop_hooks()
    del lifeline


def set_handlers_apart() -> None:
    """The app's signal handlers run in whatever body the signal finds on this thread; they shall not call as it."""
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler) and handler is not signal.default_int_handler:
            signal.signal(number, Apart(handler))


class Apart:
    """A signal handler in a context of its own."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        Context().run(self._handler, number, frame)
