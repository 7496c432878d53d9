"""Who this node is, and what the kernel says of another: host, boot, pid, start time, lock file, remaining processes.

A node holds an flock on a file of its own: beside the SQLite file, or among the user's temporary files when the
database is a server. Its workers share that open file, so whoever can take the lock knows that every process of that
node is gone (R3); where the file cannot be seen, time alone tells. Never touches the database.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import select
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hydra.execution import NodeInfo

NODE_VARIABLE = "HYDRA_NODE"
KILL_WAIT_SECONDS = 2.0  # for all that were killed together to be gone
WAL_WRITE_LOCK_BYTE = 120  # of the -shm file; fixed by SQLite's file format


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started_ticks(pid: int) -> int:
    """When the process started, in clock ticks after boot; 0 when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])


def person() -> str:
    """Who gives an order, as far as this host knows: `ana@host`."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def describe_node(
    node_id: str,
    *,
    code_version: str,
    workers: int,
    lock_path: str,
    labels: tuple[str, ...] = (),
    places: int = 0,
) -> NodeInfo:
    """This process as a node."""
    pid = os.getpid()
    return NodeInfo(
        id=node_id,
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=pid,
        pid_started=started_ticks(pid),
        code_version=code_version,
        workers=workers,
        lock_path=lock_path,
        labels=labels,
        places=places,
    )


def lock_prefix(database: str | None) -> str:
    """Where the nodes of this host keep their lock files; `database` is the SQLite file, None for a server."""
    return os.path.abspath(database) if database else os.path.join(user_folder(), "server")


def user_folder() -> str:
    """A folder among the host's temporary files in which nobody else can put anything."""
    path = os.path.join(tempfile.gettempdir(), f"hydra-{os.getuid()}")
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "it is not a folder that only this user can write", path)
    return path


def lock_path(prefix: str, node_id: str) -> str:
    """The lock file of a node, found by its name so that nobody trusts a path from a row."""
    return f"{prefix}-hydra-node-{node_id}"


class NodeLock:
    """The lock file a living node holds; `fd` is inherited by its workers."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Give up this process's share; the lock ends with the last process that holds it."""
        os.close(self.fd)


def remove_lock(path: str) -> None:
    """And what the node's workers have left beside it."""
    for each in [*page_paths(path), path]:
        with suppress(FileNotFoundError):
            os.unlink(each)


def page_path(lock_path: str, number: int) -> str:
    """The page of a worker of the node that holds that lock."""
    return f"{lock_path}.page-{number}"


def page_paths(lock_path: str) -> list[str]:
    folder, name = os.path.split(lock_path)
    try:
        found = os.listdir(folder or ".")
    except OSError:
        return []
    return sorted(os.path.join(folder, each) for each in found if each.startswith(f"{name}.page-"))


def is_abandoned(path: str) -> bool:
    """Whether the lock file exists and no process holds it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False  # guard R3: a lock file that a process holds is not abandoned
    else:
        return True
    finally:
        os.close(fd)


def wait_readable(descriptors: list[int], seconds: float | None = None) -> set[int]:
    """Those with something to read, or whose process has ended; empty when the time is over.

    Not `select`, which refuses descriptors from 1,024 on: a program, or a supervisor of many workers, may have them.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(None if seconds is None else 1000 * seconds)}


class Remains(NamedTuple):
    """What was left of a node here: pids that were killed, that live on in spite of it, and that are another user's."""

    killed: list[int]
    living: list[int]
    foreign: list[int]


def kill_processes(node_id: str, supervisor_pid: int = 0, supervisor_started: int = 0) -> Remains:
    """SIGKILL every process of this host that a node's zygote started, and wait until they are gone (R3).

    The supervisor itself does not carry the mark: it may only be stopped, and will find itself refused. One whose mark
    cannot be read is of the node if it is a child of that supervisor.
    """
    parent = supervisor_pid if supervisor_pid and started_ticks(supervisor_pid) == supervisor_started else 0
    deadline = time.monotonic() + KILL_WAIT_SECONDS
    killed: set[int] = set()
    while True:
        own, foreign = _processes_of(node_id, parent)
        if not own or time.monotonic() >= deadline:
            return Remains(sorted(killed), own, foreign)
        killed |= set(own)
        pidfds = []
        for pid in own:
            with suppress(OSError):
                pidfds.append(os.pidfd_open(pid))
                signal.pidfd_send_signal(pidfds[-1], signal.SIGKILL)
        waiting = list(pidfds)
        while waiting and (seconds := deadline - time.monotonic()) > 0:
            gone = wait_readable(waiting, seconds)
            waiting = [pidfd for pidfd in waiting if pidfd not in gone]
        for pidfd in pidfds:
            os.close(pidfd)


def _processes_of(node_id: str, parent: int) -> tuple[list[int], list[int]]:
    """Those that carry the node's mark, and another user's that are children of its supervisor."""
    mark = f"{NODE_VARIABLE}={node_id}".encode()
    own, foreign = [], []
    for pid in _pids():
        if pid == os.getpid():
            continue
        try:
            with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
                environment = file.read()
            if mark in environment and mark in environment.split(b"\0"):
                own.append(pid)
        except PermissionError:
            if parent and _parent_of(pid) == parent:
                foreign.append(pid)
        except OSError:
            continue
    return own, foreign


def _parent_of(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


def write_lock_holder(database: str) -> int | None:
    """The pid that holds the SQLite write lock, by the kernel's table: opening the file would drop our own locks."""
    try:
        shared = os.stat(f"{database}-shm")
    except FileNotFoundError:
        return None
    for fields in _locks("POSIX", shared):
        first, last = int(fields[6]), fields[7]
        if first <= WAL_WRITE_LOCK_BYTE and (last == "EOF" or int(last) >= WAL_WRITE_LOCK_BYTE):
            return int(fields[4])
    return None


def is_held_by_stopped(descriptor: int) -> bool:
    """Whether the flock of that file belongs to a process that stands still (SIGSTOP, a debugger), so far as one sees
    it here: one of another container, or on a kernel that does not tell, seems to move."""
    try:
        for fields in _locks("FLOCK", os.fstat(descriptor)):
            text = Path(f"/proc/{int(fields[4])}/stat").read_text()
            return text.rpartition(")")[2].split()[0] in ("T", "t")
    except OSError:
        return False
    return False


def _locks(kind: str, file: os.stat_result) -> Iterator[list[str]]:
    """The lines of the kernel's table about write locks that are held on that file."""
    name = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1:4] == [kind, "ADVISORY", "WRITE"] and fields[5] == name:
            yield fields


def kill_process(pid: int, pid_started: int) -> bool:
    """SIGKILL exactly the process that started then."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if pid == os.getpid() or started_ticks(pid) != pid_started:
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return True
    finally:
        os.close(pidfd)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
