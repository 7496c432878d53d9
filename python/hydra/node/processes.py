"""A supervisor's children as it holds them: a zygote, a worker. Each with its socket; neither knows the loop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import zlib
from contextlib import suppress

import msgspec

from hydra import frames, identity
from hydra.clock import DatabaseClock, boottime_ns
from hydra.codec import encode, encode_failure
from hydra.dispatch.worker_ends import WorkerEnd
from hydra.errors import StepTimeout
from hydra.execution import UNJUDGED, Record, RecordKind
from hydra.frames import FromWorker, ToWorker
from hydra.worker.imported_app import ImportFailed, Manifest
from hydra.worker.page import Page
from hydra.worker.zygote import ForkRequest, FromZygote, Order, decode_from_zygote

READ_BYTES = 1 << 18  # one read of a socket
HASH_SEED = "PYTHONHASHSEED"


class AppSettings(msgspec.Struct, frozen=True):
    """What every zygote and worker of a supervisor is made from."""

    module: str
    namespace: str
    concurrency: int
    log_format: str
    url: str
    transaction_connections: int
    is_imported_per_worker: bool  # `--spawn`
    worker_memory_bytes: int = 0  # 0: any


def hash_seed(namespace: str) -> str:
    """The same in every worker of a namespace, on every host: so a body goes through a set of texts in the same order
    wherever it goes on. A seed that the user has set wins."""
    return str(zlib.crc32(namespace.encode()))


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
            env={HASH_SEED: hash_seed(settings.namespace), **os.environ, identity.NODE_VARIABLE: node_id},
        )
        theirs.close()
        self.is_gone = False
        self.manifest: Manifest | None = None  # once it has imported the app
        self.has_failed = False  # the app does not import
        self._unpacker = frames.Unpacker()

    def read(self) -> list[FromZygote] | None:
        """What it said; None when it is gone."""
        try:
            data = self.socket.recv(READ_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            return None
        said = [decode_from_zygote(batch) for batch in self._unpacker.feed(data)]
        for message in said:
            if isinstance(message, Manifest):
                self.manifest = message
            elif isinstance(message, ImportFailed):
                self.has_failed = True
        return said

    def ask(self, request: ForkRequest, descriptors: list[int]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it is gone: the worker's socket will say so
            socket.send_fds(self.socket, [frames.pack(msgspec.msgpack.encode(request))], descriptors)

    def close(self) -> None:
        """End it; the workers it forked live on."""
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.is_gone = True

    @property
    def ending(self) -> str:
        """Of one that is gone, in words."""
        code = self.process.returncode
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"


class Worker:
    """One process, from the wish for it until it is gone. `pid` is 0 until the zygote told it.

    `is_asked`: its zygote, which has to import the app first, was asked for it."""

    def __init__(self, slot: int, number: int, zygote: Zygote, page_path: str | None = None) -> None:
        self.slot = slot
        self.number = number
        self.zygote = zygote
        self.page, self._page_path = new_page(page_path)
        self.socket, self.theirs = socket.socketpair()
        self.socket.setblocking(False)
        self.unpacker = frames.Unpacker()
        self.outgoing = bytearray()
        self.is_asked = False
        self.pid = 0
        self.pidfd = -1
        self.hello_pid = 0  # from its Hello
        self.is_cut = False  # its socket was closed from its side
        self.kill_reason: WorkerEnd | None = None
        self.is_outgrown = False  # it takes more memory than it may
        self.overdue: set[tuple[int, int]] = set()  # (token, deadline) of steps that ran past their time-out

    def kill_group(self) -> None:
        """It is not waited for yet, so the pid and the group are still its own."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # guard R22: a dead worker's process group is killed

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

    def wait(self) -> WorkerEnd:
        """Of a dead one: how it ended."""
        ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        assert ended is not None
        if ended.si_code == os.CLD_EXITED:
            return WorkerEnd.of_exit_code(ended.si_status)
        return WorkerEnd.of_signal(ended.si_status)

    def flush(self) -> bool:
        """Write what the socket takes; whether some is left."""
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self.outgoing:
                del self.outgoing[: self.socket.send(self.outgoing)]
        return bool(self.outgoing)

    def is_in_step(self, place: int, token: int, deadline_ns: int) -> bool:
        """Whether it still is, past its time-out; then that is how this try ends, whatever ends it."""
        wanted = (place, token, deadline_ns)
        is_overdue = any((step.slot, step.token, step.deadline_ns) == wanted for step in self.page.running())
        if is_overdue:
            self.overdue.add((token, deadline_ns))
        return is_overdue

    def crashes(self, reason: WorkerEnd, clock: DatabaseClock) -> list[tuple[int, Record]]:
        """Of a dead one: the tries it was in, by token; the dispatcher numbers them."""
        crash, now = encode(reason.sentence), clock.now()
        tries = []
        for step in self.page.running():
            kind, payload, due_at = RecordKind.CRASH, crash, 0
            if (step.token, step.deadline_ns) in self.overdue:
                sentence = f"step `{step.name}` ran past its limit, could not be stopped, and was killed"
                kind, payload, due_at = RecordKind.TRY, encode_failure(StepTimeout(sentence)), UNJUDGED
            record = Record(
                seq=0,
                kind=kind,
                branch=step.branch,
                name=step.name,
                ordinal=step.ordinal,
                attempt=step.attempt,
                digest=step.digest,
                payload=payload,
                started_at=step.started_ns // 1000 + clock.offset_us,
                finished_at=now,
                due_at=due_at,
            )
            tries.append((step.token, record))
        return tries

    def tokens_in_transactions(self) -> list[int]:
        """Of a dead one: what may have committed a record without telling."""
        return [step.token for step in self.page.running() if step.is_transaction]

    def close(self) -> None:
        self.socket.close()
        self.theirs.close()
        self.page.close()
        if self._page_path is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._page_path)
        if self.pidfd >= 0:
            os.close(self.pidfd)


def new_page(path: str | None) -> tuple[Page, str | None]:
    """In a file where one can be made, for whoever declares this node dead."""
    if path is not None:
        with suppress(OSError):
            return Page.create(path=path), path
    return Page.create(), None
