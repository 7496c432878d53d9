"""What waits in the database, for whoever scrapes: read by a thread of its own, on connections of its own.

    scrape ─► look() ─(waits READ_SECONDS at most)─► thread ─► store.stats()

Never asks more often than once in FRESH_SECONDS, nor for more than a share of the time where the answer takes long, and
never keeps a scrape waiting for a database that does not answer.
"""

from __future__ import annotations

import logging
import threading
import time

from hydra.errors import HydraError
from hydra.execution import Status
from hydra.observability.metrics import Metrics
from hydra.stores import open_store
from hydra.stores.store import Stats, Store

FRESH_SECONDS = 1.0
READ_SHARE = (
    0.1  # of the time, at most, goes to reading: with millions of open executions PostgreSQL counts for seconds
)
READ_SECONDS = 1.0
STALE_SECONDS = 15.0  # then it is not known any more
OPEN = (Status.PENDING, Status.RUNNING, Status.SLEEPING, Status.WAITING)

log = logging.getLogger("hydra.http")


class QueueWatch:
    """`look` from any thread sets the gauges. The thread starts with the first look."""

    def __init__(self, url: str, namespace: str, metrics: Metrics) -> None:
        self._store: Store = open_store(url, namespace)
        self._metrics = metrics
        self._asked = threading.Event()
        self._answered = threading.Condition()
        self._read_count = 0
        self._read_at = self._look_again_at = -STALE_SECONDS
        self._is_failing = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="hydra-queue-watch", daemon=True)

    def look(self) -> None:
        with self._answered:
            if time.monotonic() >= self._look_again_at:
                if not self._thread.is_alive():
                    self._thread.start()
                count = self._read_count
                self._asked.set()
                self._answered.wait_for(lambda: self._read_count != count, READ_SECONDS)
            if time.monotonic() > max(self._read_at, self._look_again_at) + STALE_SECONDS:
                for gauge in (self._metrics.queue_depth, self._metrics.queue_age, self._metrics.parked):
                    gauge.clear()

    def close(self) -> None:
        """A read under way ends with the process."""
        self._is_closed = True
        self._asked.set()

    def _run(self) -> None:
        while self._asked.wait() and not self._is_closed:
            self._asked.clear()
            began = time.monotonic()
            try:
                now = self._store.now()
                stats = self._store.stats(now)
            except HydraError as error:
                self._failed(error)
                continue
            ended = time.monotonic()
            self._metrics.store_operations.observe(ended - began, ("stats",))
            self._is_failing = False
            with self._answered:
                self._show(stats, now)
                self._read_at = ended
                self._look_again_at = ended + max(FRESH_SECONDS, (ended - began) / READ_SHARE)
                self._read_count += 1
                self._answered.notify_all()
        self._store.close()

    def _failed(self, error: HydraError) -> None:
        self._metrics.store_errors.add(("stats",))
        if not self._is_failing:
            log.warning("the database did not say what waits in it: %s", error)
        self._is_failing = True
        with self._answered:
            self._read_count += 1
            self._answered.notify_all()

    def _show(self, stats: Stats, now: int) -> None:
        totals: dict[str, int] = {}
        for counts in stats.counts.values():
            for status, count in counts.items():
                totals[status] = totals.get(status, 0) + count
        for status in OPEN:
            self._metrics.queue_depth.set(totals.get(status, 0), (status.value,))
        self._metrics.parked.set(totals.get(Status.PARKED, 0))
        due_at = stats.oldest_due_at
        self._metrics.queue_age.set(0 if due_at is None else max(0, now - due_at) / 1e6)
