"""Notices commits by SQLite's `data_version`, not the ones of this store itself. A hint: never says what changed.

A node is told while something is ready. The doorbell calls a few of many nodes; the others look a little later.
"""

from __future__ import annotations

import os
import random
import select
import time
from collections.abc import Callable

from hydra import _core
from hydra.interruptions import let_out
from hydra.locks import RLock
from hydra.stores.lookout import Lookout
from hydra.stores.sqlite.database import Database
from hydra.stores.sqlite.lock import BELL_SUFFIX

PAUSE_SECONDS = 0.001  # at least so long between two changes that are told
OWN_PAUSE_SECONDS = 0.00025  # after a ring for this program's own commit, doubled while no other comes between
MAX_OWN_PAUSE_SECONDS = 0.004
QUICK_POLL_SECONDS = 0.002
SLOW_POLL_SECONDS = 0.004
HEARING_POLL_SECONDS = 0.02  # with an ear on the doorbell, which hydra's own writers ring
NEWS_BYTES = 4096
CALLED_COUNT = 4  # nodes that look at once when it rings: some are busy
QUICK_SECONDS = 5.0  # after a change, how long the polls stay quick


class Watch:
    """One thread polls for all that wait; each thread learns of every change since it last returned."""

    def __init__(self, database: Database, read_due: Callable[[], tuple[bool, int | None]]) -> None:
        """`read_due`: whether something is ready, and when the next timer is due."""
        self._database = database
        self._read_due = read_due
        self.is_node = False
        self.is_listening = False  # something that this node runs waits for a message, and is told of none by itself
        self.node_count = 1  # alive, as last seen
        self._start()

    def _start(self) -> None:
        self._process_id = os.getpid()
        self._mutex = RLock()
        self._lookout = Lookout()
        self._others_count: int | None = None
        self._changed_at = 0.0
        self._listens_at = 0.0  # a ring before then waits until then
        self._own_pause_seconds = OWN_PAUSE_SECONDS
        self._look_at = 0.0
        self._due_at: int | None = None
        self._bell = -1

    def wait(self, timeout_seconds: float) -> bool:
        """True as soon as something was committed since this thread's last call; its first call is told so at once."""
        if os.getpid() != self._process_id:
            self._silence()
            self._start()
        deadline = time.monotonic() + timeout_seconds
        with self._mutex:
            if self._others_count is None:
                self._others_count = self._database.others_changes()
        return self._lookout.wait(deadline - time.monotonic(), self._poll)

    def close(self) -> None:
        with self._mutex:
            if not self._lookout.is_taken:
                self._silence()

    def _poll(self, remaining: float) -> None:
        """One look, and a pause before it that grows on a quiet database."""
        is_rung = self._listen(max(0.0, min(self._look_at - time.monotonic(), remaining)))
        if time.monotonic() < self._look_at and not (is_rung and self._is_called()):
            return
        self._look_at = time.monotonic() + self._pause_seconds() * random.uniform(0.75, 1.25)
        others_count = self._database.others_changes()
        if others_count != self._others_count:
            if self._is_news():  # which may fail; then the change is still to be told
                self._lookout.tell()
            self._others_count = others_count
            self._changed_at = time.monotonic()
            self._listens_at = self._changed_at + PAUSE_SECONDS
            self._own_pause_seconds = OWN_PAUSE_SECONDS
        elif is_rung:
            self._listens_at = time.monotonic() + self._own_pause_seconds
            self._own_pause_seconds = min(2 * self._own_pause_seconds, MAX_OWN_PAUSE_SECONDS)

    def _pause_seconds(self) -> float:
        if self._bell >= 0:
            return HEARING_POLL_SECONDS
        return QUICK_POLL_SECONDS if time.monotonic() - self._changed_at < QUICK_SECONDS else SLOW_POLL_SECONDS

    def _is_news(self) -> bool:
        """For a node what others took already is none, nor is a timer for most of many nodes."""
        if not self.is_node or self.is_listening:
            return True
        before = self._due_at
        is_ready, self._due_at = self._read_due()
        return is_ready or (self._due_at != before and self._is_called())

    def _is_called(self) -> bool:
        return not self.is_node or self.is_listening or random.random() * self.node_count < CALLED_COUNT

    def _listen(self, seconds: float) -> bool:
        """Until it rings; whether it did. Not everybody rings, and not all may listen: time passing will do."""
        if self._bell < 0:
            try:
                self._bell = _core.listen(f"{self._database.path}{BELL_SUFFIX}")
            except OSError as error:
                let_out(error)
                time.sleep(seconds)
                return False
        ears = select.poll()
        ears.register(self._bell, select.POLLIN)
        if not ears.poll(seconds * 1000):
            return False
        os.read(self._bell, NEWS_BYTES)
        time.sleep(max(0.0, self._listens_at - time.monotonic()))
        return True

    def _silence(self) -> None:
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1
