"""The process that imports the app, once, and forks workers from it. It runs no execution and touches no database.

    supervisor ──exec──► zygote: import app ──Manifest or ImportFailed──► supervisor
               ──Fork + 5 descriptors──────► fork twice ──Forked(pid)───► supervisor, the worker's parent from then on

It stays single-threaded, since a fork copies only the thread that forks. It ends when the supervisor's socket closes.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec

from hydra import _core
from hydra.errors import HydraError
from hydra.frames import Unpacker, pack
from hydra.observability.logs import before_app
from hydra.worker.imported_app import ImportFailed, Manifest, describe_app, import_app, open_sockets
from hydra.worker.worker import worker_main

FORK_DESCRIPTORS = 5  # socket, worker page, lease page, lifeline, node lock
MAX_IMPORT_TRIES = 5  # of an app whose files change while it is imported
EXIT_HOOKS_SECONDS = 5.0  # for `atexit`, once a worker has done its work
MAX_REQUEST_BYTES = 4096
COLLECT_AFTER_COUNT = 10_000  # hundreds of executions come and go between two of the interpreter's usual 700

log = logging.getLogger("hydra.zygote")


class Order(msgspec.Struct, frozen=True):
    """How a zygote is to import the app; its one command-line argument, as JSON."""

    socket_fd: int
    supervisor_pid: int
    module: str
    log_format: str
    try_number: int = 1


class Forked(msgspec.Struct, tag=True, frozen=True):
    slot: int
    pid: int


class ForkRequest(msgspec.Struct, frozen=True):
    """Make a worker; `become` spends this zygote on it instead of forking."""

    slot: int
    concurrency: int
    namespace: str
    log_format: str
    url: str  # with its password, so it travels here and not in the arguments, which everybody may read
    transaction_connections: int
    become: bool
    place: int = 0  # on its node, as audit and log lines name it


FromZygote = Manifest | ImportFailed | Forked

decode_from_zygote = msgspec.msgpack.Decoder(FromZygote).decode
encode = msgspec.msgpack.Encoder().encode


def main() -> None:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    supervisor = socket.socket(fileno=order.socket_fd)
    supervisor.set_inheritable(False)
    _core.set_parent_death_signal(signal.SIGKILL)  # an import that never ends must not outlive its supervisor
    if os.getppid() != order.supervisor_pid:
        sys.exit(1)
    name_process("hydra-zygote")
    prepare_process(order.log_format)
    before = set(open_sockets())
    started_ns = time.time_ns()
    if (failed := import_app(order.module)) is not None:
        send(supervisor, failed)
        leave(2)
    try:
        manifest = describe_app(order.module, before)
    except HydraError as error:
        send(supervisor, ImportFailed(str(error), ""))
        leave(2)
    if order.try_number < MAX_IMPORT_TRIES and has_changed_since(manifest.files, started_ns):
        import_again(supervisor, order)
    send(supervisor, manifest)
    gc.collect()
    gc.freeze()  # the collector of a worker must not touch, and so copy, what all of them share
    try:
        serve(supervisor)
    except BaseException:
        traceback.print_exc()
        leave(1)
    leave(0)


def has_changed_since(files: list[str], instant_ns: int) -> bool:
    """Then what was imported may be neither what lay there before nor what lies there now, and has no name."""
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            if os.stat(file).st_ctime_ns >= instant_ns:
                return True
    return False


def import_again(supervisor: socket.socket, order: Order) -> NoReturn:
    """In a fresh interpreter, under the same pid."""
    log.warning("the app's files were changed while it was imported: importing it once more")
    supervisor.set_inheritable(True)
    again = msgspec.structs.replace(order, try_number=order.try_number + 1)
    arguments = ["-m", "hydra.worker.zygote", msgspec.json.encode(again).decode()]
    flush_streams()
    os.execv(sys.executable, [sys.executable, *arguments])


def leave(code: int) -> NoReturn:
    """What the app registered with `atexit` is for its workers."""
    flush_streams()
    os._exit(code)


def prepare_process(log_format: str) -> None:
    """Before the import, so that the app's own settings win."""
    gc.set_threshold(COLLECT_AFTER_COUNT)
    # Handlers, not SIG_IGN: that a step's subprocesses would inherit.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave_to_supervisor)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a kill -9 shall lose no line
    here = os.getcwd()
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)
    before_app(log_format)


def leave_to_supervisor(number: int, frame: FrameType | None) -> None:
    """A terminal or service manager signals every process; only the supervisor decides what it means."""


def serve(supervisor: socket.socket) -> None:
    """Fork on request until the supervisor is gone."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(supervisor, MAX_REQUEST_BYTES, FORK_DESCRIPTORS)
        if not data:
            return
        (batch,) = Unpacker().feed(data)
        request = msgspec.msgpack.decode(batch, type=ForkRequest)
        if request.become:
            os.setpgid(0, 0)
            send(supervisor, Forked(request.slot, os.getpid()))
            become_worker(supervisor, request, descriptors)
        try:
            send(supervisor, Forked(request.slot, fork_worker(supervisor, request, descriptors)))
        except OSError as error:
            log.error("worker %d could not be forked: %s", request.slot, error)
            send(supervisor, Forked(request.slot, 0))
        for descriptor in descriptors:
            os.close(descriptor)


def fork_worker(supervisor: socket.socket, request: ForkRequest, descriptors: list[int]) -> int:
    """Fork twice: the middle process ends at once, so that the supervisor (a subreaper) becomes the worker's parent."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        try:
            pid = os.fork()
            if pid == 0:
                os.close(reader)
                os.close(writer)
                os.setpgid(0, 0)
                become_worker(supervisor, request, descriptors)
            os.setpgid(pid, pid)  # here too, so that the group exists when the supervisor hears of the pid
            os.write(writer, pid.to_bytes(4, "little"))
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        pid = int.from_bytes(pipe.read(4), "little")  # 0: the fork failed; the closed descriptors tell the supervisor
    os.waitpid(middle, 0)
    return pid


def become_worker(supervisor: socket.socket, request: ForkRequest, descriptors: list[int]) -> NoReturn:
    """Never returns into the zygote's frames."""
    code = 1
    try:
        supervisor.close()
        name_process(f"hydra-worker-{request.slot}")
        sock, page_fd, lease_fd, lifeline_fd = descriptors[:4]  # the fifth, the lock, stays open while we live
        own = socket.socket(fileno=sock)
        worker_main(
            own,
            page_fd,
            lease_fd,
            lifeline_fd,
            request.concurrency,
            request.namespace,
            request.url,
            request.transaction_connections,
            request.log_format,
            request.place,
        )
        code = 0
        run_exit_hooks()
    except BaseException:
        traceback.print_exc()
    finally:
        flush_streams()
        os._exit(code)


def run_exit_hooks() -> None:
    """What the app and its libraries registered with `atexit`, `logging.shutdown` among it; within bounds."""
    late = threading.Timer(EXIT_HOOKS_SECONDS, give_up_exit_hooks)
    late.daemon = True
    late.start()
    atexit._run_exitfuncs()
    logging.shutdown()
    late.cancel()


def give_up_exit_hooks() -> None:
    with contextlib.suppress(Exception):
        print(f"what is registered with `atexit` took longer than {EXIT_HOOKS_SECONDS:g} s", file=sys.stderr)
    os._exit(0)


def flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the app may have closed them
            stream.flush()


def name_process(name: str) -> None:
    """What `ps` and `top` show; the kernel keeps 15 characters."""
    Path("/proc/self/comm").write_text(name)


def send(supervisor: socket.socket, message: FromZygote) -> None:
    supervisor.sendall(pack(encode(message)))


if __name__ == "__main__":
    main()
