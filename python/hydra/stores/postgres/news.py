"""Tells other processes that the database holds news, after the commit and coalesced: one thread, one connection.

A NOTIFY in a writer's transaction holds a lock of the whole server until its commit is on disk, costing three
quarters of the throughput. A notification is a hint: losing one costs a poll's delay, so nothing
is retried and no error leaves this module.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import weakref
from collections import Counter

import psycopg
from psycopg.rows import TupleRow

from hydra.condition import Condition, NoThread, start
from hydra.errors import HydraError
from hydra.stores.postgres.database import Database

READY, DONE = "ready", "done"  # something may be claimed; something may have ended

INTERVAL_SECONDS = 0.01  # at most a hundred notifications a second, whatever the load
OUTAGE_PAUSE_SECONDS = 1.0
IDLE_SECONDS = 60.0  # then thread and connection go until there is news again
SETTINGS = {"synchronous_commit": "off", "statement_timeout": "5s"}

log = logging.getLogger("hydra.store")


def channel(namespace: str, kind: str) -> str:
    return f"hydra_{kind}_{hashlib.sha256(namespace.encode()).hexdigest()[:16]}"


class Announcer:
    """`announce` costs a lock and no I/O."""

    def __init__(self, database: Database, namespace: str) -> None:
        self._database = database
        self._channels = {kind: channel(namespace, kind) for kind in (READY, DONE)}
        self._start()
        _announcers.add(self)

    def _start(self) -> None:
        self._news = Condition()
        self._mutex = self._news.lock
        self._counts: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.session_pid = 0  # of the connection in use, as its notifications name it

    def announce(self, kind: str, count: int = 1) -> None:
        """`count` executions are ready, or done."""
        with self._mutex:
            if self._closed:
                return
            self._counts[kind] += count
            if self._thread is not None and self._thread.is_alive():  # its start may have been interrupted
                self._news.notify_all()
            else:
                self._thread = threading.Thread(target=self._run, name="hydra-announcer", daemon=True)
                try:
                    start(self._thread)
                except NoThread as error:  # what was written is written, and whoever looks finds it
                    log.debug("nobody was told of news: %s", error)

    def close(self) -> None:
        with self._mutex:
            self._closed = True
            self._news.notify_all()

    def _run(self) -> None:
        connection: psycopg.Connection[TupleRow] | None = None
        while counts := self._next():
            try:
                if connection is None or connection.closed:
                    connection = self._database.connect(SETTINGS)
                    self.session_pid = connection.info.backend_pid
                for kind, count in sorted(counts.items()):
                    connection.execute("select pg_notify(%s, %s)", [self._channels[kind], str(count)])
            except (HydraError, psycopg.Error) as error:
                log.debug("nobody was told of news: %s", error)
                if connection is not None:
                    connection.close()
                time.sleep(OUTAGE_PAUSE_SECONDS)
            time.sleep(INTERVAL_SECONDS)
        if connection is not None:
            connection.close()

    def _next(self) -> Counter[str]:
        """Everything there is to tell; empty when this thread shall end."""
        self._news.wait_for(lambda: self._counts or self._closed, IDLE_SECONDS)
        with self._mutex:
            counts, self._counts = self._counts, Counter()
            if self._closed or not counts:
                self._thread = None
                return Counter()
            return counts


_announcers: weakref.WeakSet[Announcer] = weakref.WeakSet()


def _forget_threads() -> None:
    for announcer in list(_announcers):
        announcer._start()


os.register_at_fork(after_in_child=_forget_threads)
