"""Notices commits by SQLite's `data_version`, not the ones of this store itself. A hint: never says what changed."""

from __future__ import annotations

import os
import random
import select
import threading
import time

from hydra import _core
from hydra.stores.sqlite.database import Database
from hydra.stores.sqlite.lock import BELL_SUFFIX

PAUSE_SECONDS = 0.001  # at least so long between two changes that are told
QUICK_POLL_SECONDS = 0.002
SLOW_POLL_SECONDS = 0.004
HEARING_POLL_SECONDS = 0.02  # with an ear on the doorbell, which hydra's own writers ring
NEWS_BYTES = 4096
QUICK_SECONDS = 5.0  # after a change, how long the polls stay quick


class Watch:
    """One thread polls for all that wait; each thread learns of every change since it last returned."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._start()

    def _start(self) -> None:
        self._process_id = os.getpid()
        self._news = threading.Condition()
        self._seen = threading.local()
        self._polling = False
        self._others_count: int | None = None
        self._change_count = 0
        self._changed_at = 0.0
        self._bell = -1

    def wait(self, timeout_seconds: float) -> bool:
        """True as soon as something was committed since this thread's last call; its first call is told so at once."""
        if os.getpid() != self._process_id:
            self._silence()
            self._start()
        deadline = time.monotonic() + timeout_seconds
        with self._news:
            if self._others_count is None:
                self._others_count = self._database.others_changes()
            while self._change_count == getattr(self._seen, "change_count", -1):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                if self._polling:
                    self._news.wait(remaining)
                    continue
                self._polling = True
                try:
                    self._poll(remaining)
                finally:
                    self._polling = False
                    self._news.notify_all()
            self._seen.change_count = self._change_count
            return True

    def close(self) -> None:
        with self._news:
            if not self._polling:
                self._silence()

    def _poll(self, remaining: float) -> None:
        """One look, and a pause before it that grows on a quiet database. Called and left with the condition held."""
        quick = time.monotonic() - self._changed_at < QUICK_SECONDS
        deaf_pause = QUICK_POLL_SECONDS if quick else SLOW_POLL_SECONDS
        pause = (deaf_pause if self._bell < 0 else HEARING_POLL_SECONDS) * random.uniform(0.75, 1.25)
        self._news.release()
        try:
            self._listen(min(pause, remaining))
        finally:
            self._news.acquire()
        others_count = self._database.others_changes()
        if others_count != self._others_count:
            self._others_count = others_count
            self._change_count += 1
            self._changed_at = time.monotonic()

    def _listen(self, seconds: float) -> None:
        """Until the doorbell rings. Not everybody rings, and not every process may listen: time passing is enough."""
        if self._bell < 0:
            try:
                self._bell = _core.listen(f"{self._database.path}{BELL_SUFFIX}")
            except OSError:
                time.sleep(seconds)
                return
        ears = select.poll()
        ears.register(self._bell, select.POLLIN)
        if ears.poll(seconds * 1000):
            os.read(self._bell, NEWS_BYTES)
            time.sleep(max(0.0, self._changed_at + PAUSE_SECONDS - time.monotonic()))

    def _silence(self) -> None:
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1
