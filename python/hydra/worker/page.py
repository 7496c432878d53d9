"""A worker's page: shared memory that tells the supervisor, alive or dead, which steps the worker is in.

The worker writes it, one slot per running step; `_core.Heartbeat` and the supervisor read it. The layout is drawn
in rust/core/src/heartbeat/page.rs. It survives any death of the worker short of the machine's.
"""

from __future__ import annotations

import mmap
import os
import weakref
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Self

from hydra import _core

MAGIC = 0x68796472
HEADER_BYTES = 128
SLOT_BYTES = 256
SLOT_COUNT = 64
_NAMES_BYTES = 216
_BRANCH_BYTES_MAX = 100
_NAME_CACHE_COUNT = 4096

_WORD = Struct("<Q")
# Everything of a slot but its token, which is written last.
_STEP = Struct("<QQIIHHI216s")
_SLOT = Struct("<QQQIIHHI216s")
_BEAT_AT = 8
_BUSY_AT = 16


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


class Page:
    """A page and its descriptor, which is handed to the worker and to `Heartbeat.watch`."""

    def __init__(self, fd: int, memory: mmap.mmap) -> None:
        self.fd = fd
        self._memory = memory
        self._offsets = range(HEADER_BYTES, len(memory), SLOT_BYTES)
        self._close_fd = weakref.finalize(self, os.close, fd) if fd >= 0 else None

    @classmethod
    def create(cls, slot_count: int = SLOT_COUNT) -> Self:
        fd, size = os.memfd_create("hydra-page", os.MFD_CLOEXEC), HEADER_BYTES + slot_count * SLOT_BYTES
        os.ftruncate(fd, size)
        return cls._begin(fd, mmap.mmap(fd, size))

    @classmethod
    def create_private(cls, slot_count: int = SLOT_COUNT) -> Self:
        """One that no other process can read: it takes no descriptor."""
        return cls._begin(-1, mmap.mmap(-1, HEADER_BYTES + slot_count * SLOT_BYTES))

    @classmethod
    def _begin(cls, fd: int, memory: mmap.mmap) -> Self:
        page = cls(fd, memory)
        _WORD.pack_into(memory, 0, MAGIC)
        return page

    @classmethod
    def attach(cls, fd: int) -> Self:
        """The page behind a descriptor, which belongs to it from now on."""
        page = cls(fd, mmap.mmap(fd, os.fstat(fd).st_size))
        if _WORD.unpack_from(page._memory, 0)[0] != MAGIC:
            raise ValueError(f"descriptor {fd} is not a worker's page")
        return page

    @property
    def slot_count(self) -> int:
        return len(self._offsets)

    def fileno(self) -> int:
        return self.fd

    def close(self) -> None:
        self._memory.close()
        if self._close_fd is not None:
            self._close_fd()

    def enter(
        self,
        slot: int,
        token: int,
        deadline_ns: int,
        branch: str,
        name: str,
        ordinal: int,
        attempt: int,
        is_transaction: bool = False,
    ) -> None:
        """A step begins; `deadline_ns` is an instant of `boottime_ns`, 0 for none."""
        at = self._offsets[slot]
        branch_length, name_length, names = _names(branch, name)
        _STEP.pack_into(
            self._memory,
            at + 8,
            _core.boottime_ns(),
            deadline_ns,
            ordinal,
            attempt,
            branch_length,
            name_length,
            is_transaction,
            names,
        )
        # Last, so that a token is never seen beside another step's name.
        _WORD.pack_into(self._memory, at, token)

    def leave(self, slot: int) -> None:
        """The slot's step ended."""
        _WORD.pack_into(self._memory, self._offsets[slot], 0)

    def set_busy(self, since_ns: int) -> None:
        """Since when the hub has been busy with one thing; 0 when idle."""
        _WORD.pack_into(self._memory, _BUSY_AT, since_ns)

    def busy_since_ns(self) -> int:
        since_ns: int = _WORD.unpack_from(self._memory, _BUSY_AT)[0]
        return since_ns

    def beats(self) -> int:
        """How often the worker's native thread has beaten."""
        count: int = _WORD.unpack_from(self._memory, _BEAT_AT)[0]
        return count

    def running(self) -> list[RunningStep]:
        """The steps that the worker is in, or was in when it died."""
        found = []
        for slot, at in enumerate(self._offsets):
            fields = _SLOT.unpack_from(self._memory, at)
            token, started_ns, deadline_ns, ordinal, attempt, branch_length, name_length, flag, names = fields
            if token:
                branch = names[:branch_length].decode(errors="ignore")
                name = names[branch_length : branch_length + name_length].decode(errors="ignore")
                found.append(
                    RunningStep(slot, token, branch, name, ordinal, attempt, started_ns, deadline_ns, bool(flag))
                )
        return found


@lru_cache(maxsize=_NAME_CACHE_COUNT)
def _names(branch: str, name: str) -> tuple[int, int, bytes]:
    """The lengths and the bytes of both, cut to fit between characters."""
    branch_bytes = _cut(branch, _BRANCH_BYTES_MAX)
    name_bytes = _cut(name, _NAMES_BYTES - len(branch_bytes))
    return len(branch_bytes), len(name_bytes), branch_bytes + name_bytes


def _cut(text: str, size: int) -> bytes:
    return text.encode(errors="replace")[:size].decode(errors="ignore").encode()
