"""The first zygote of a supervisor that was forked from a warm process, as a fork, too: importing hydra is most of it.

    supervisor ──fork, before it does anything──► waits ──order, socket, environment──► zygote
               ──exec─────────────────────────────────────────────────────────────────► every later one

It has what the warm process has imported. One that needs another environment at its start is started as usual. Peers
find what remains of a dead node by the environment with which a process was started: that is the warm process's, in
whose memory each zygote writes its node's id where there is room for one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from hydra.identity import NODE_VARIABLE
from hydra.node import processes
from hydra.worker import zygote

from tests.support.warm import MESSAGE_BYTES, NO_NODE, READ_LATER, SUPERVISOR, read_at_start


class Waiting:
    """A child that waits to be a zygote; as `subprocess.Popen`, as far as supervisors ask, once it is one."""

    def __init__(self) -> None:
        self.returncode: int | None = None
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            self._socket.close()
            become_zygote(theirs)
        os.setpgid(self.pid, self.pid)
        theirs.close()

    def order(self, order: str, descriptor: int, environment: Mapping[str, str]) -> None:
        request = {"order": order, "environment": dict(environment)}
        socket.send_fds(self._socket, [json.dumps(request).encode()], [descriptor])
        self._socket.close()

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def become_zygote(orders: socket.socket) -> NoReturn:
    code = 1
    try:
        os.setpgid(0, 0)
        message, descriptors, _, _ = socket.recv_fds(orders, MESSAGE_BYTES, 1)
        orders.close()
        if not message:
            os._exit(0)
        request = json.loads(message)
        order = msgspec.json.decode(request["order"], type=zygote.Order)
        os.environ.clear()
        os.environ.update(request["environment"])
        order = msgspec.structs.replace(order, socket_fd=descriptors[0])
        sys.argv = [zygote.__file__, msgspec.json.encode(order).decode()]
        mark_process(os.environ[NODE_VARIABLE])
        sys.path[:1] = [os.getcwd(), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        sys.modules["__main__"] = sys.modules["__mp_main__"] = zygote
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]  # or they were the app's code; what the app needs of them, it imports
        zygote.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        zygote.flush_streams()
        os._exit(code)


def mark_process(node_id: str) -> None:
    """As `/proc/…/environ` shows it."""
    name = f"{NODE_VARIABLE}=".encode()
    start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[47:49])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        place = memory.read(end - start).index(name + NO_NODE.encode() + b"\0")
        memory.seek(start + place + len(name))
        memory.write(node_id.encode())


class FirstIsWaiting:
    """In the place of `subprocess`, in a supervisor."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self, started_with: Mapping[str, str]) -> None:
        """`started_with`: what the interpreter read of its environment."""
        self._started_with = started_with
        self._waiting: Waiting | None = Waiting()

    def Popen(
        self, command: Sequence[str], *, pass_fds: Sequence[int], env: Mapping[str, str], **options: Any
    ) -> Waiting | subprocess.Popen[bytes]:
        waiting, self._waiting = self._waiting, None
        is_alike = read_at_start(env, READ_LATER[SUPERVISOR]) == self._started_with
        if waiting is None or not is_alike or len(env[NODE_VARIABLE]) != len(NO_NODE):
            return subprocess.Popen(command, pass_fds=pass_fds, env=env, **options)
        waiting.order(command[-1], pass_fds[0], env)
        return waiting


def install(started_with: Mapping[str, str]) -> None:
    """In a supervisor, before it does anything."""
    processes.subprocess = FirstIsWaiting(started_with)  # type: ignore[assignment]
