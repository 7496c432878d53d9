"""Notices commits by SQLite's `data_version`, not the ones of this store itself. A hint: never says what changed."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time

from hydra.stores.sqlite.database import Database, abandoned
from hydra.stores.sqlite.failures import explained

QUICK_POLL_SECONDS = 0.002
SLOW_POLL_SECONDS = 0.004
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
        self._connection: sqlite3.Connection | None = None
        self._polling = False
        self._state: tuple[int | None, int] | None = None
        self._change_count = 0
        self._changed_at = 0.0

    def wait(self, timeout_seconds: float) -> bool:
        """True as soon as something was committed since this thread's last call; its first call is told so at once."""
        if os.getpid() != self._process_id:
            abandoned.append(self._connection)
            self._start()
        deadline = time.monotonic() + timeout_seconds
        with self._news:
            if self._state is None:
                self._state = self._read_state()
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
            if self._connection is not None and not self._polling:
                self._connection.close()
                self._connection = None

    def _poll(self, remaining: float) -> None:
        """One look, and a pause before it that grows on a quiet database. Called and left with the condition held."""
        quick = time.monotonic() - self._changed_at < QUICK_SECONDS
        pause = (QUICK_POLL_SECONDS if quick else SLOW_POLL_SECONDS) * random.uniform(0.75, 1.25)
        self._news.release()
        try:
            time.sleep(min(pause, remaining))
        finally:
            self._news.acquire()
        state = self._read_state()
        if state != self._state:
            self._state = state
            self._change_count += 1
            self._changed_at = time.monotonic()

    def _read_state(self) -> tuple[int | None, int]:
        """What differs after a commit of others; a store that has not written yet asks a connection of its own."""
        others_count = self._database.others_changes()
        if others_count is not None:
            return others_count, 0
        with explained(self._database.path):
            if self._connection is None:
                self._connection = self._database.connect()
            return None, self._connection.execute("pragma data_version").fetchone()[0]
