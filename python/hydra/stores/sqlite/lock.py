"""Writers of one file take turns, across threads and processes, before they ask SQLite for its lock.

    turn (flock) ──► write (flock) ──► turn released ──► BEGIN IMMEDIATE … COMMIT ──► write released

SQLite's own waiting sleeps and starves (seconds, measured). Whoever holds `turn` is next, so a writer that comes back
at once waits behind it. Both locks only make the waiting fair: SQLite's lock alone keeps the data right, so a stopped
process that sits on one of them is passed by after a while.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from contextlib import suppress

BELL_SUFFIX = "-hydra-turn"  # who writes has this file, so it serves as the doorbell, too
TURN_PATIENCE_SECONDS = 0.5
WRITE_PATIENCE_SECONDS = 2.0
NEXT_POLL_SECONDS = 0.00005
QUEUED_POLL_SECONDS = 0.0005


class WriteQueue:
    """The two lock files beside one database."""

    def __init__(self, path: str) -> None:
        self._bell = f"{path}{BELL_SUFFIX}"
        self._turn = _open(self._bell)
        self._write = _open(f"{path}-hydra-lock")

    def acquire(self, deadline: float) -> None:
        """Wait for a fair turn, at most until `deadline` (time.monotonic) and never for ever."""
        took_turn = _poll(self._turn, QUEUED_POLL_SECONDS, min(deadline, time.monotonic() + TURN_PATIENCE_SECONDS))
        _poll(self._write, NEXT_POLL_SECONDS, min(deadline, time.monotonic() + WRITE_PATIENCE_SECONDS))
        if took_turn:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def release(self) -> None:
        fcntl.flock(self._write, fcntl.LOCK_UN)

    def ring(self) -> None:
        """Wake those who listen for commits on this host; a hint, which must not fail what was committed."""
        with suppress(OSError):
            os.close(os.open(self._bell, os.O_RDONLY | os.O_CLOEXEC))

    def close(self) -> None:
        """Also right after a fork, in the child: the parent's locks live on in the parent's descriptors."""
        os.close(self._turn)
        os.close(self._write)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _poll(fd: int, interval_seconds: float, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        time.sleep(interval_seconds * random.uniform(0.5, 1.5))
