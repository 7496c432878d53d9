"""Supervisors and commands of tests as forks of a process that has imported hydra: most of their start is imports.

    test process ── socket: a request, streams, a pipe ──► warm process, one thread ── fork ──► supervisor, command
         ▲                                                          │ waits for it
         └────────────── pipe: its pid, at last its wait status ◄───┘

What the interpreter or the loader reads of its environment at its start is the warm process's own: what needs another,
or a prefix, is started by itself (`can_start`).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from hydra.identity import NODE_VARIABLE
from hydra.node.processes import HASH_SEED, hash_seed

ROOT = Path(__file__).resolve().parents[2]
MESSAGE_BYTES = 1 << 18
INTEGER = struct.Struct("i")
READ_AT_START = ("PYTHON", "LD_", "FAKETIME", "GLIBC_", "MALLOC_", "LC_", "LANG", "TZ")
SUPERVISOR, COMMAND = "supervisor", "command"
READ_LATER: dict[str, tuple[str, ...]] = {
    SUPERVISOR: ("PYTHONPATH",),  # for the processes that it starts: a supervisor imports no app
    COMMAND: (),
}
NO_NODE = "0" * 36  # room for a node's id: see `warm_zygote`
SET: dict[str, dict[str, str]] = {
    SUPERVISOR: {HASH_SEED: hash_seed("default"), NODE_VARIABLE: NO_NODE},  # as its zygotes have them
    COMMAND: {},
}


def read_at_start(environment: Mapping[str, str], but: Sequence[str] = ()) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_START) and name not in but}


class WarmProcess:
    """The test process's end of it."""

    def __init__(self, kind: str) -> None:
        self._read_later = READ_LATER[kind]
        self._environment = read_at_start(os.environ, self._read_later)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm", kind],
            cwd=ROOT,
            stdin=theirs,
            env=SET[kind] | os.environ,
            start_new_session=True,
        )
        theirs.close()

    def can_start(self, environment: Mapping[str, str]) -> bool:
        return self._process.poll() is None and read_at_start(environment, self._read_later) == self._environment

    def start(
        self, arguments: Sequence[str], streams: Sequence[int], folder: Path, environment: Mapping[str, str]
    ) -> Forked:
        """One with this environment; its input, its output and its errors."""
        ours, theirs = os.pipe()
        request = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
        socket.send_fds(self._socket, [json.dumps(request).encode()], [*streams, theirs])
        os.close(theirs)
        return Forked(ours)


@functools.cache
def warm_process(kind: str = SUPERVISOR) -> WarmProcess:
    """The one of this test process; it ends with it."""
    return WarmProcess(kind)


def hydra_command(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], *, input: str = "", timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """`python -m hydra.cli …` to its end."""
    command = [sys.executable, "-m", "hydra.cli", *arguments]
    warm = warm_process(COMMAND)
    if not warm.can_start(environment):
        return subprocess.run(
            command, cwd=folder, env=environment, input=input, capture_output=True, text=True, timeout=timeout
        )
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        given.write(input.encode())
        given.seek(0)
        process = warm.start(arguments, [each.fileno() for each in (given, output, errors)], folder, environment)
        try:
            process.wait(timeout)
        finally:
            process.kill()
        texts = [io.TextIOWrapper(each).read() for each in (output, errors) if each.seek(0) == 0]
    return subprocess.CompletedProcess(command, process.returncode or 0, *texts)


def readable(descriptors: Iterable[int], timeout: float | None = None) -> set[int]:
    """Those with something to read, or at their end. Unlike `select`, any descriptor will do, not only those < 1024."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(None if timeout is None else timeout * 1000)}


class Forked:
    """As `subprocess.Popen`, as far as tests ask."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self.pid = self._read()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and readable([self._pipe], 0):
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not readable([self._pipe], timeout):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        self.returncode = os.waitstatus_to_exitcode(self._read())
        os.close(self._pipe)

    def _read(self) -> int:
        data = os.read(self._pipe, INTEGER.size)
        if not data:
            raise RuntimeError("the process that tests fork others from is gone")
        (number,) = INTEGER.unpack(data)
        return int(number)


def serve(orders: socket.socket) -> list[str] | None:
    """Until the test process is gone. Returns in each process that it forks, too: its arguments."""
    pipes: dict[int, tuple[int, int]] = {}  # of each fork, by its pidfd; with its pid
    while True:
        ready = readable([orders.fileno(), *pipes])
        for pidfd in ready & set(pipes):
            pid, pipe = pipes.pop(pidfd)
            with contextlib.suppress(BrokenPipeError):  # nobody wants to know
                os.write(pipe, INTEGER.pack(os.waitpid(pid, 0)[1]))
            os.close(pipe)
            os.close(pidfd)
        if orders.fileno() not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(orders, MESSAGE_BYTES, 4)
        if not message:
            return None
        *streams, pipe = descriptors
        request = json.loads(message)
        pid = os.fork()
        if pid == 0:
            become(streams, request["folder"], request["environment"])
            return list(request["arguments"])
        os.write(pipe, INTEGER.pack(pid))
        pipes[os.pidfd_open(pid)] = pid, pipe
        for stream in streams:
            os.close(stream)


def become(streams: list[int], folder: str, environment: dict[str, str]) -> None:
    os.setsid()
    os.chdir(folder)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)


def import_what_commands_import() -> None:
    """Each as soon as it needs it."""

    import rich.console
    import rich.progress
    import rich.table  # noqa: F401


def serve_supervisors() -> None:
    import_what_commands_import()
    import hydra.node.monitor
    import hydra.stores.mysql
    import hydra.stores.postgres  # noqa: F401 - what a supervisor imports only if it is asked for it

    from tests.processes import launch
    from tests.support import warm_zygote

    started_with = read_at_start(os.environ, READ_LATER[SUPERVISOR])
    gc.collect()
    gc.freeze()
    arguments = serve(socket.socket(fileno=os.dup(0)))
    if arguments is not None:
        warm_zygote.install(started_with)
        is_command = arguments[0] == "start"
        end_quickly(partial(run_command, arguments) if is_command else partial(launch.run, *arguments))


def serve_commands() -> None:
    import_what_commands_import()
    gc.collect()
    gc.freeze()
    arguments = serve(socket.socket(fileno=os.dup(0)))
    if arguments is not None:
        end_quickly(partial(run_command, arguments))


def run_command(arguments: list[str]) -> None:
    sys.argv[1:] = arguments
    sys.path[0] = os.getcwd()
    runpy.run_module("hydra.cli", run_name="__main__", alter_sys=True)


def end_quickly(main: Callable[[], int | None]) -> NoReturn:
    """Where it ends with a code, as the interpreter ends, but taking apart nothing of what was forked: that would copy
    it first, and take longer than most commands do."""
    try:
        code: object = main()
    except SystemExit as end:
        code = end.code
    if code is None or isinstance(code, int):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        with contextlib.suppress(Exception):
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code or 0)
    sys.exit(code)  # what is amiss, the interpreter says


if __name__ == "__main__":
    serve_commands() if sys.argv[1:] == [COMMAND] else serve_supervisors()
