"""Notices commits by the tallies' counters. A hint: never says what changed.

    commit ──► bells of this host ──► a few of the nodes look at once ──► something is ready ──► told
    time passes: all together look at a steady rate, however many ──┘

Hydra's own writers on the same host ring. Who looks and finds that others took it already is told nothing.
"""

from __future__ import annotations

import hashlib
import os
import random
import select
import threading
import time
from collections.abc import Callable
from functools import partial

from hydra import _core
from hydra.identity import user_folder
from hydra.interruptions import let_out
from hydra.stores.mysql.heads import Heads
from hydra.stores.mysql.tallies import ANYTHING, NEW_WORK

POLL_SECONDS = 0.02  # between two looks, for each node alive
MIN_POLL_SECONDS = 0.01
MAX_POLL_SECONDS = 1.0
JITTER = 0.25
PAUSE_SECONDS = 0.002  # at least so long between two looks, however often it rings
NEWS_BYTES = 4096
CALLED_COUNT = 4  # nodes of this host that look at once for one execution: some are busy
OPENING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
MUCH_WORK = "much"  # the bell for more than one; all look


class Bells:
    """Files of this user on this host for one database and namespace: who commits opens them, who waits is told so by
    the kernel. They lie where nobody else can put anything in their place.

    Other users do not ring, and not everybody may listen; servers with databases of one name share bells. Both cost a
    look.
    """

    def __init__(self, database: str, namespace: str) -> None:
        name = hashlib.sha256(f"{database}/{namespace}".encode()).hexdigest()[:16]
        self._path = ""
        try:
            self._path = os.path.join(user_folder(), f"bell-{name}")
            for kind in (ANYTHING, NEW_WORK, MUCH_WORK):
                os.close(os.open(self._path + kind, OPENING | os.O_CREAT, 0o600))
        except OSError as error:
            let_out(error)

    def ring(self, due_count: int) -> None:
        """After a commit that made so many due. Must not fail what was committed."""
        work = () if not due_count else (NEW_WORK,) if due_count == 1 else (MUCH_WORK,)
        for kind in (ANYTHING, *work):
            try:
                os.close(os.open(self._path + kind, OPENING))
            except OSError as error:
                let_out(error)

    def listen(self, kind: str) -> int:
        """A descriptor that is readable when it rang; -1 where there is no listening."""
        try:
            return _core.listen(self._path + kind)
        except OSError as error:
            let_out(error)
            return -1


class Watch:
    """`read` gives what is another after every transaction of a kind, and the number of nodes alive; `read_due` whether
    something is ready, and when the next timer is due."""

    def __init__(
        self,
        bells: Bells,
        heads: Heads,
        read: Callable[[str], tuple[object, int]],
        read_due: Callable[[], tuple[bool, int]],
    ) -> None:
        self.kind = ANYTHING
        self.is_listening = False  # something that this node runs waits for a message, and is told of none by itself
        self._bells = bells
        self._heads = heads
        self._read = read
        self._read_due = read_due
        self._own = threading.local()

    def wait(self, timeout_seconds: float) -> bool:
        """True as soon as something was committed since this thread's last call; its first call is told so at once."""
        deadline = time.monotonic() + timeout_seconds
        watcher = self._watcher()
        while True:
            if time.monotonic() >= watcher.look_at and self._look(watcher):
                return True
            again = self._heads.look_again_seconds()
            if again == 0:
                return True
            now = time.monotonic()
            if now >= deadline:
                return False
            seconds = min(watcher.look_at, deadline) - now
            if watcher.ear.listen(seconds if again is None else min(seconds, again), partial(self._is_called, watcher)):
                watcher.look_at = 0.0

    def _look(self, watcher: Watcher) -> bool:
        """Whether it is told of a change. What others took already is none, nor is a timer for most of many nodes."""
        state, watcher.node_count = self._read(self.kind)
        pause = min(max(MIN_POLL_SECONDS, POLL_SECONDS * watcher.node_count), MAX_POLL_SECONDS)
        watcher.look_at = time.monotonic() + pause * random.uniform(1 - JITTER, 1 + JITTER)
        if state == watcher.state:
            return False
        is_told = watcher.state is None or self.kind == ANYTHING or self.is_listening or self._is_work(watcher)
        watcher.state = state  # only now: a look that failed has told nobody
        return is_told

    def _is_work(self, watcher: Watcher) -> bool:
        due_before = watcher.due_at
        is_ready, watcher.due_at = self._read_due()
        return is_ready or (watcher.due_at != due_before and watcher.is_called())

    def _is_called(self, watcher: Watcher) -> bool:
        return self.is_listening or watcher.is_called()

    def _watcher(self) -> Watcher:
        """This thread's and this process's own: an ear carried over a fork would hear for its parent, too."""
        watcher: Watcher | None = getattr(self._own, "watcher", None)
        if watcher is None or watcher.kind != self.kind or watcher.process_id != os.getpid():
            watcher = self._own.watcher = Watcher(self._bells, self.kind)
        return watcher


class Watcher:
    """What a thread that waits has seen."""

    def __init__(self, bells: Bells, kind: str) -> None:
        self.process_id = os.getpid()
        self.kind = kind
        self.ear = Ear(bells, kind)
        self.state: object = None
        self.due_at = 0
        self.node_count = 1
        self.look_at = 0.0

    def is_called(self) -> bool:
        return random.random() * self.node_count < CALLED_COUNT


class Ear:
    """Closed with the thread that listens."""

    def __init__(self, bells: Bells, kind: str) -> None:
        self._one = bells.listen(kind)
        self._many = bells.listen(MUCH_WORK) if kind == NEW_WORK else -1
        self._poll = select.poll()
        for fd in self._fds:
            self._poll.register(fd, select.POLLIN)
        self._is_called_for_all = kind == ANYTHING

    @property
    def _fds(self) -> list[int]:
        return [fd for fd in (self._one, self._many) if fd >= 0]

    def listen(self, seconds: float, is_called: Callable[[], bool]) -> bool:
        """Until it rings, at most so long; whether that concerns this thread. A ring before the call counts."""
        started = time.monotonic()
        rung = [fd for fd, _ in self._poll.poll(max(0.0, seconds) * 1000)]
        for fd in rung:
            os.read(fd, NEWS_BYTES)
        if not rung:
            return False
        time.sleep(max(0.0, min(PAUSE_SECONDS, seconds) - (time.monotonic() - started)))
        return self._is_called_for_all or self._many in rung or is_called()

    def __del__(self) -> None:
        for fd in self._fds:
            os.close(fd)
