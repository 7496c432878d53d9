"""Writers of one file take turns, across threads and processes, before they ask SQLite for its lock.

    turn (flock) ──► write (flock) ──► turn released ──► BEGIN IMMEDIATE … COMMIT ──► write released

SQLite's own waiting sleeps and starves (seconds, measured). Whoever holds `turn` is next, so a writer that comes back
at once waits behind it. Both locks only make the waiting fair: SQLite's lock alone keeps the data right, so a process
that sits on one of them is passed by: at once where the kernel says that it is stopped, else after a while. Whoever
passed one by on `write` keeps `turn` in its place.
"""

from __future__ import annotations

import fcntl
import os
import random
import time

from hydra.identity import is_held_by_stopped
from hydra.interruptions import let_out

BELL_SUFFIX = "-hydra-turn"  # who writes has this file, so it serves as the doorbell, too
TURN_PATIENCE_SECONDS = 0.5
WRITE_PATIENCE_SECONDS = 2.0
NEXT_POLL_SECONDS = 0.00005
QUEUED_POLL_SECONDS = 0.0005
MAX_QUEUED_POLL_SECONDS = 0.05
QUEUED_POLLS = 20  # in as long as one has to wait of late: a hundred who wait ask no more often together than ten
STOPPED_LOOK_SECONDS = 0.05  # until the first look at the holder; until each further one twice as long


class WriteQueue:
    """The two lock files beside one database."""

    def __init__(self, path: str) -> None:
        self._bell = f"{path}{BELL_SUFFIX}"
        self._turn = _open(self._bell)
        self._write = _open(f"{path}-hydra-lock")
        self._queued_poll_seconds = QUEUED_POLL_SECONDS
        self._keeps_turn = False  # in place of the lock that somebody sits on
        self._passed: set[int] = set()  # descriptors of locks that a stopped process had last time

    def acquire(self, deadline: float) -> None:
        """Wait for a fair turn, at most until `deadline` (time.monotonic) and never for ever."""
        now = time.monotonic()
        self._keeps_turn = True  # perhaps; said first, so that who is interrupted lets go of it
        is_next = self._poll(self._turn, self._queued_poll_seconds, min(deadline, now + TURN_PATIENCE_SECONDS))
        self._learn(time.monotonic() - now)
        pause = NEXT_POLL_SECONDS if is_next else self._queued_poll_seconds
        if self._poll(self._write, pause, min(deadline, time.monotonic() + WRITE_PATIENCE_SECONDS)):
            fcntl.flock(self._turn, fcntl.LOCK_UN)
            self._keeps_turn = False

    def release(self) -> None:
        fcntl.flock(self._write, fcntl.LOCK_UN)
        if self._keeps_turn:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def ring(self) -> None:
        """Wake those who listen for commits on this host; a hint, which must not fail what was committed."""
        try:
            os.close(os.open(self._bell, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            let_out(error)

    def _poll(self, fd: int, interval_seconds: float, deadline: float) -> bool:
        """Whether it was had. What a stopped process held last time is looked at first: no wait for each write."""
        look_at, pause = 0.0, STOPPED_LOOK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._passed.discard(fd)
                return True
            except BlockingIOError:
                now = time.monotonic()
                if now >= deadline:
                    return False
                look_at = look_at or now + (0.0 if fd in self._passed else STOPPED_LOOK_SECONDS)
                if now >= look_at:
                    if is_held_by_stopped(fd):
                        self._passed.add(fd)
                        return False
                    pause *= 2
                    look_at = now + pause
            time.sleep(interval_seconds * random.uniform(0.5, 1.5))

    def _learn(self, waited_seconds: float) -> None:
        """How long it took to be the next tells how many wait, and so how often each of them has to ask."""
        learned = (self._queued_poll_seconds + waited_seconds / QUEUED_POLLS) / 2
        self._queued_poll_seconds = min(MAX_QUEUED_POLL_SECONDS, max(QUEUED_POLL_SECONDS, learned))

    def close(self) -> None:
        """Also right after a fork, in the child: the parent's locks live on in the parent's descriptors."""
        os.close(self._turn)
        os.close(self._write)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
