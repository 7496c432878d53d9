"""Supervisors of tests as forks of a process that has imported hydra: half of what one's start costs is imports.

    test process ── socket: a request, the log, a pipe ──► warm process, one thread ── fork ──► supervisor
         ▲                                                          │ waits for it
         └────────────── pipe: its pid, at last its wait status ◄───┘

What the interpreter or the loader reads of its environment at its start is the warm process's own: a supervisor that
needs another, or a prefix, is started by itself (`can_start`).
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUEST_BYTES = 1 << 18
INTEGER = struct.Struct("i")
READ_AT_START = ("PYTHON", "LD_", "FAKETIME", "GLIBC_", "MALLOC_", "LC_", "LANG", "TZ")
READ_LATER = ("PYTHONPATH",)  # for the processes that it starts: a supervisor imports no app


def read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in environment.items() if name.startswith(READ_AT_START) and name not in READ_LATER
    }


class WarmProcess:
    """The test process's end of it."""

    def __init__(self) -> None:
        self._environment = read_at_start(os.environ)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.warm"], cwd=ROOT, stdin=theirs, start_new_session=True
        )
        theirs.close()

    def can_start(self, environment: Mapping[str, str]) -> bool:
        return self._process.poll() is None and read_at_start(environment) == self._environment

    def start(self, settings: str, log: int, folder: Path, environment: Mapping[str, str]) -> Forked:
        """A supervisor with this environment, the log its output."""
        ours, theirs = os.pipe()
        request = {"settings": settings, "folder": str(folder), "environment": dict(environment)}
        socket.send_fds(self._socket, [json.dumps(request).encode()], [log, theirs])
        os.close(theirs)
        return Forked(ours)


@functools.cache
def warm_process() -> WarmProcess:
    """The one of this test process; it ends with it."""
    return WarmProcess()


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
                raise subprocess.TimeoutExpired(f"supervisor {self.pid}", timeout or 0)
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
            raise RuntimeError("the process that tests fork supervisors from is gone")
        (number,) = INTEGER.unpack(data)
        return int(number)


def serve(orders: socket.socket) -> str | None:
    """Until the test process is gone. Returns in each supervisor, too: its settings."""
    pipes: dict[int, tuple[int, int]] = {}  # of each supervisor, by its pidfd; with its pid
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
        message, descriptors, _, _ = socket.recv_fds(orders, REQUEST_BYTES, 2)
        if not message:
            return None
        log, pipe = descriptors
        request = json.loads(message)
        pid = os.fork()
        if pid == 0:
            become_supervisor(log, request["folder"], request["environment"])
            return str(request["settings"])
        os.write(pipe, INTEGER.pack(pid))
        pipes[os.pidfd_open(pid)] = pid, pipe
        os.close(log)


def become_supervisor(log: int, folder: str, environment: dict[str, str]) -> None:
    os.setsid()
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)


def main() -> int:
    import hydra.node.monitor
    import hydra.stores.mysql
    import hydra.stores.postgres  # noqa: F401 - what a supervisor imports only if it is asked for it

    from tests.processes import launch

    gc.collect()
    gc.freeze()
    settings = serve(socket.socket(fileno=os.dup(0)))
    return 0 if settings is None else launch.run(settings)


if __name__ == "__main__":
    sys.exit(main())
