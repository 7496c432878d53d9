"""A supervisor's children as it holds them: a zygote, a worker. Each with its socket; neither knows the loop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import msgspec

from hydra import frames, identity
from hydra.clock import DatabaseClock, boottime_ns
from hydra.codec import encode
from hydra.execution import Record, RecordKind
from hydra.frames import FromWorker, ToWorker
from hydra.worker.page import Page
from hydra.worker.zygote import Fork, FromZygote, Order, decode_from_zygote

READ_BYTES = 1 << 18  # one read of a socket


class AppSettings(msgspec.Struct, frozen=True):
    """What every zygote and worker of a supervisor is made from."""

    module: str
    namespace: str
    concurrency: int
    log_format: str
    url: str
    transaction_connections: int
    is_imported_per_worker: bool  # `--spawn`


class Zygote:
    """A process that imports the app. `is_gone` once it was waited for."""

    def __init__(self, settings: AppSettings, node_id: str) -> None:
        self.started_at_ns = boottime_ns()
        self.socket, theirs = socket.socketpair()
        order = Order(theirs.fileno(), os.getpid(), settings.module, settings.log_format)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hydra.worker.zygote", msgspec.json.encode(order).decode()],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            process_group=0,  # a terminal's Ctrl-C is for the supervisor alone
            env={**os.environ, identity.NODE_VARIABLE: node_id},
        )
        theirs.close()
        self.is_gone = False
        self._unpacker = frames.Unpacker()

    def read(self) -> list[FromZygote] | None:
        """What it said; None when it is gone."""
        try:
            data = self.socket.recv(READ_BYTES)
        except ConnectionResetError:
            data = b""
        return [decode_from_zygote(batch) for batch in self._unpacker.feed(data)] if data else None

    def ask(self, request: Fork, descriptors: list[int]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it is gone: the worker's socket will say so
            socket.send_fds(self.socket, [frames.pack(msgspec.msgpack.encode(request))], descriptors)

    def close(self) -> None:
        """End it; the workers it forked live on."""
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.is_gone = True


class Worker:
    """One process, from the request for it until it is gone. `pid` is 0 until the zygote told it."""

    def __init__(self, slot: int, number: int, zygote: Zygote) -> None:
        self.slot = slot
        self.number = number
        self.zygote = zygote
        self.page = Page.create()
        self.socket, self.theirs = socket.socketpair()
        self.socket.setblocking(False)
        self.unpacker = frames.Unpacker()
        self.outgoing = bytearray()
        self.pid = 0
        self.pidfd = -1
        self.greeted_pid = 0  # from its Hello
        self.is_cut = False  # its socket was closed from its side
        self.kill_reason = ""

    def kill_group(self) -> None:
        """It is not waited for yet, so the pid and the group are still its own."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def send(self, batch: list[ToWorker]) -> None:
        self.outgoing += frames.pack(frames.encode_to_worker(batch))

    def receive(self) -> list[FromWorker] | None:
        """What has arrived; None at the end of its socket."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            return None
        return self._decode(data) if data else None

    def receive_rest(self) -> list[FromWorker]:
        """Of a dead one: everything it still sent (R22)."""
        received: list[FromWorker] = []
        with suppress(BlockingIOError, ConnectionResetError):
            while data := self.socket.recv(READ_BYTES):
                received += self._decode(data)
        return received

    def _decode(self, data: bytes) -> list[FromWorker]:
        return [frame for batch in self.unpacker.feed(data) for frame in frames.decode_from_worker(batch)]

    def wait(self) -> str:
        """Of a dead one: how it ended, in words."""
        ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        assert ended is not None
        if ended.si_code == os.CLD_EXITED:
            return f"exit code {ended.si_status}"
        return f"signal {signal.Signals(ended.si_status).name}"

    def flush(self) -> bool:
        """Write what the socket takes; whether some is left."""
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self.outgoing:
                del self.outgoing[: self.socket.send(self.outgoing)]
        return bool(self.outgoing)

    def is_in_step(self, place: int, token: int, deadline_ns: int) -> bool:
        wanted = (place, token, deadline_ns)
        return any((step.slot, step.token, step.deadline_ns) == wanted for step in self.page.running())

    def crashes(self, reason: str, clock: DatabaseClock) -> list[tuple[int, Record]]:
        """Of a dead one: the tries it was in, by token; the dispatcher numbers them."""
        payload, now = encode(reason), clock.now()
        return [
            (
                step.token,
                Record(
                    seq=0,
                    kind=RecordKind.CRASH,
                    branch=step.branch,
                    name=step.name,
                    ordinal=step.ordinal,
                    attempt=step.attempt,
                    digest=b"",
                    payload=payload,
                    started_at=step.started_ns // 1000 + clock.offset_us,
                    finished_at=now,
                ),
            )
            for step in self.page.running()
        ]

    def tokens_in_transactions(self) -> list[int]:
        """Of a dead one: what may have committed a record without telling."""
        return [step.token for step in self.page.running() if step.is_transaction]

    def close(self) -> None:
        self.socket.close()
        self.page.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
