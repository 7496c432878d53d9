"""A worker's page: shared memory that tells the supervisor, alive or dead, which steps the worker is in, and which have
ended without being durable yet.

    slot:  token u64 (0: free), started_ns u64, deadline_ns u64 (0: none), ordinal u32, attempt u32,
           branch_length u16, name_length u16, is_transaction u16, more u16, execution 16 bytes, epoch u32,
           durable u32, digest of the arguments 16 bytes, 176 bytes: branch, then name
           what does not fit stands in slot number `more - 1` (0: none):
    more:  0 u64, the next one u16, 246 bytes

The worker writes it (`_core.PageSlots`), one slot per running step, and lets it grow when all are taken;
`_core.Watchdog` and the supervisor read it. Where it is a file, it survives every process of its node: a peer reads
what had been under way.
"""

from __future__ import annotations

import mmap
import os
import threading
import weakref
from dataclasses import dataclass
from struct import Struct
from typing import Self
from uuid import UUID

from hydra import _core

MAGIC = 0x68796472
HEADER_BYTES = 128
SLOT_BYTES = 256
SLOT_COUNT = 64  # to begin with
MAX_SLOT_COUNT = _core.Watchdog.MAX_SLOTS_PER_WORKER - 1
DIGEST_BYTES = 16
_NAMES_BYTES = 176
_MORE_BYTES = 246

_WORD = Struct("<Q")
# Everything of a slot but its token, which is written last; `_core.PageSlots` writes it.
_STEP = Struct(f"<QQIIHHHH16sII16s{_NAMES_BYTES}s")
_MORE = Struct(f"<H{_MORE_BYTES}s")
_BEAT_AT = 8
_BUSY_AT = 16
_ACCUSED_AT = 24
_WORK_AT = 32
_DEADLINE_AT = 16  # in a slot


@dataclass(frozen=True, slots=True)
class RunningStep:
    slot: int
    token: int
    branch: str
    name: str
    ordinal: int
    attempt: int
    started_ns: int
    deadline_ns: int
    is_transaction: bool
    digest: bytes = b""  # of the arguments, where it is known
    execution: str = str(UUID(int=0))
    epoch: int = 0
    durable_seq: int = 0  # the last record that the database had confirmed when it began


class Page(_core.PageSlots):
    """A page and its descriptor, which is handed to the worker and to `Watchdog.watch`."""

    def __init__(self, fd: int, memory: mmap.mmap) -> None:
        self.fd = fd
        self._memory = memory
        self.add_free(0, (len(memory) - HEADER_BYTES) // SLOT_BYTES)
        self._growing = threading.Lock()
        self._close_fd = weakref.finalize(self, os.close, fd) if fd >= 0 else None

    @classmethod
    def create(cls, slot_count: int = SLOT_COUNT, path: str | None = None) -> Self:
        """Of no name, or a new file."""
        if path is None:
            fd = os.memfd_create("hydra-page", os.MFD_CLOEXEC)
        else:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        size = HEADER_BYTES + slot_count * SLOT_BYTES
        os.posix_fallocate(fd, 0, size)  # a disk that fills up later must not kill who writes here
        return cls._begin(fd, mmap.mmap(fd, size))

    @classmethod
    def create_private(cls, slot_count: int = SLOT_COUNT) -> Self:
        """One that no other process can read: it takes no descriptor."""
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        return cls._begin(-1, mmap.mmap(-1, HEADER_BYTES + slot_count * SLOT_BYTES, flags=private))

    @classmethod
    def _begin(cls, fd: int, memory: mmap.mmap) -> Self:
        page = cls(fd, memory)
        _WORD.pack_into(memory, 0, MAGIC)
        return page

    @classmethod
    def attach(cls, fd: int) -> Self:
        """The page behind a descriptor, which belongs to it from now on."""
        size = os.fstat(fd).st_size
        if size < HEADER_BYTES:
            raise ValueError(f"descriptor {fd} is not a worker's page")
        page = cls(fd, mmap.mmap(fd, size))
        if _WORD.unpack_from(page._memory, 0)[0] != MAGIC:
            raise ValueError(f"descriptor {fd} is not a worker's page")
        return page

    def fileno(self) -> int:
        return self.fd

    def close(self) -> None:
        self._memory.close()
        if self._close_fd is not None:
            self._close_fd()

    def set_deadline(self, slot: int, deadline_ns: int) -> None:
        """The step there has said that it goes on."""
        _WORD.pack_into(self._memory, HEADER_BYTES + slot * SLOT_BYTES + _DEADLINE_AT, deadline_ns)

    def set_busy(self, since_ns: int) -> None:
        """Since when the hub has been busy with one thing; 0 when idle."""
        _WORD.pack_into(self._memory, _BUSY_AT, since_ns)

    def busy_since_ns(self) -> int:
        since_ns: int = _WORD.unpack_from(self._memory, _BUSY_AT)[0]
        return since_ns

    def mark_overdue_body(self, token: int) -> None:
        """Of this dispatch the body holds up the hub for longer than it may."""
        _WORD.pack_into(self._memory, _ACCUSED_AT, token)

    def overdue_body(self) -> int:
        """The token of that; 0 for none."""
        token: int = _WORD.unpack_from(self._memory, _ACCUSED_AT)[0]
        return token

    def standing(self) -> tuple[int, int]:
        """What stays the same while the worker is busy with one thing: the hub's word, and the payload under way."""
        work: int = _WORD.unpack_from(self._memory, _WORK_AT)[0]
        return self.busy_since_ns(), work

    def beats(self) -> int:
        """How often the worker's native thread has beaten."""
        count: int = _WORD.unpack_from(self._memory, _BEAT_AT)[0]
        return count

    def running(self) -> list[RunningStep]:
        """The steps that the worker is in, or was in when it died, and those that ended and are not durable yet."""
        memory = bytes(self._memory) if self.fd < 0 else os.pread(self.fd, os.fstat(self.fd).st_size, 0)
        return running_in(memory)

    def grow(self) -> bool:
        """Twice as many slots; whether there are free ones now."""
        with self._growing:
            if self.has_free:
                return True  # another thread was first
            slot_count = (len(self._memory) - HEADER_BYTES) // SLOT_BYTES
            new_count = min(max(2 * slot_count, 1), MAX_SLOT_COUNT)
            if new_count == slot_count:
                return False
            size = HEADER_BYTES + new_count * SLOT_BYTES
            try:
                if self.fd >= 0:
                    os.posix_fallocate(self.fd, 0, size)
                self._memory.resize(size)
            except OSError:  # no memory is left
                return False
            self.add_free(slot_count, new_count)
            return True


def read_page(path: str) -> list[RunningStep]:
    """Which steps a worker was in that left its page behind; none where the file is no page."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        memory = os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)
    is_page = len(memory) >= HEADER_BYTES and _WORD.unpack_from(memory, 0)[0] == MAGIC
    return running_in(memory) if is_page else []


def running_in(memory: bytes) -> list[RunningStep]:
    found = []
    for slot, at in enumerate(range(HEADER_BYTES, len(memory) - SLOT_BYTES + 1, SLOT_BYTES)):
        (token,) = _WORD.unpack_from(memory, at)
        if not token:
            continue
        fields = _STEP.unpack_from(memory, at + 8)
        started_ns, deadline_ns, ordinal, attempt, branch_length, name_length, flag, more, *others = fields
        id, epoch, durable_seq, digest, names = others
        names += _rest(memory, more, branch_length + name_length - len(names))
        found.append(
            RunningStep(
                slot,
                token,
                names[:branch_length].decode(errors="ignore"),
                names[branch_length : branch_length + name_length].decode(errors="ignore"),
                ordinal,
                attempt,
                started_ns,
                deadline_ns,
                bool(flag),
                digest if any(digest) else b"",
                str(UUID(bytes=id)),
                epoch,
                durable_seq,
            )
        )
    return found


def _rest(memory: bytes, more: int, size: int) -> bytes:
    """The names' bytes from further slots on."""
    text = b""
    while more and size > len(text):
        at = HEADER_BYTES + (more - 1) * SLOT_BYTES
        if at + SLOT_BYTES > len(memory):
            break
        more, part = _MORE.unpack_from(memory, at + 8)
        text += part
    return text
