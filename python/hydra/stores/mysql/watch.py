"""Notices commits by the tallies' counters. A hint: never says what changed.

All nodes together look at a steady rate, however many they are; hydra's own writers on the same host ring a doorbell.
"""

from __future__ import annotations

import hashlib
import os
import random
import select
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from hydra import _core
from hydra.stores.mysql.heads import Heads
from hydra.stores.mysql.tallies import ANYTHING

POLL_SECONDS = 0.02  # between two looks, for each node alive
MIN_POLL_SECONDS = 0.01
MAX_POLL_SECONDS = 0.5
JITTER = 0.25
PAUSE_SECONDS = 0.002  # at least so long between two looks, however often it rings
NEWS_BYTES = 4096


class Bell:
    """A file of this host for one database and namespace: who commits opens it, who waits is told so by the kernel.

    Not everybody rings and not everybody may listen; servers with databases of one name share a bell. Both cost a look.
    """

    def __init__(self, database: str, namespace: str) -> None:
        name = hashlib.sha256(f"{database}/{namespace}".encode()).hexdigest()[:16]
        self._path = os.path.join(tempfile.gettempdir(), f"hydra-bell-{name}")
        with suppress(OSError):
            os.close(os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))

    def ring(self) -> None:
        """Must not fail what was committed."""
        with suppress(OSError):
            os.close(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC))

    def listen(self) -> int:
        """A descriptor that is readable when it rang; -1 where there is no listening."""
        try:
            return _core.listen(self._path)
        except OSError:
            return -1


class Watch:
    """`read` gives what is another after every transaction of a kind, and the number of nodes alive."""

    def __init__(self, bell: Bell, heads: Heads, read: Callable[[str], tuple[object, int]]) -> None:
        self.kind = ANYTHING
        self._bell = bell
        self._heads = heads
        self._read = read
        self._own = threading.local()

    def wait(self, timeout_seconds: float) -> bool:
        """True as soon as something was committed since this thread's last call; its first call is told so at once."""
        deadline = time.monotonic() + timeout_seconds
        ear = self._ear()
        while True:
            state, node_count = self._read(self.kind)
            if state != getattr(self._own, "state", None):
                self._own.state = state
                return True
            again = self._heads.look_again_seconds()
            if again == 0:
                return True
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            pause = min(max(MIN_POLL_SECONDS, POLL_SECONDS * node_count), MAX_POLL_SECONDS)
            ear.listen(min(pause * random.uniform(1 - JITTER, 1 + JITTER), remaining, again or remaining))

    def _ear(self) -> Ear:
        """This thread's and this process's own: an ear carried over a fork would hear for its parent, too."""
        ear: Ear | None = getattr(self._own, "ear", None)
        if ear is None or ear.process_id != os.getpid():
            ear = self._own.ear = Ear(self._bell)
        return ear


class Ear:
    """Closed with the thread that listens."""

    def __init__(self, bell: Bell) -> None:
        self.process_id = os.getpid()
        self._fd = bell.listen()
        self._poll = select.poll()
        if self._fd >= 0:
            self._poll.register(self._fd, select.POLLIN)

    def listen(self, seconds: float) -> None:
        """Until it rings, at most so long. A ring before the call counts, too."""
        started = time.monotonic()
        if self._poll.poll(seconds * 1000):
            os.read(self._fd, NEWS_BYTES)
            time.sleep(max(0.0, min(PAUSE_SECONDS, seconds) - (time.monotonic() - started)))

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
