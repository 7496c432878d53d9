"""What waits in the database, for whoever scrapes: read by a thread of its own, on connections of its own.

    scrape ─► look() ─(waits READ_SECONDS at most)─► thread ─► store.stats()

Never asks more often than once in FRESH_SECONDS, nor for more than a share of the time where the answer takes long, and
never keeps a scrape waiting for a database that does not answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

from hydra.errors import HydraError
from hydra.execution import Status
from hydra.observability.metrics import Metrics
from hydra.stores import open_store
from hydra.stores.loads import demands
from hydra.stores.pauses import PauseKind
from hydra.stores.stats import Stats
from hydra.stores.store import Store

FRESH_SECONDS = 1.0
READ_SHARE = (
    0.1  # of the time, at most, goes to reading: with millions of open executions PostgreSQL counts for seconds
)
READ_SECONDS = 1.0
RATE_US = 60_000_000  # over which it is counted how many executions end
MAX_LOOKS = 100
STALE_SECONDS = 15.0  # then it is not known any more
EVERYTHING = "*"  # in place of a workflow, where the namespace is paused
OPEN = (Status.PENDING, Status.RUNNING, Status.SLEEPING, Status.WAITING)

log = logging.getLogger("hydra.http")


class QueueWatch:
    """`look` from any thread sets the gauges. The thread starts with the first look."""

    def __init__(self, url: str, namespace: str, metrics: Metrics) -> None:
        self._store: Store = open_store(url, namespace)
        self._metrics = metrics
        self._gauges = (
            metrics.queue_depth,
            metrics.executions_kept,
            metrics.queue_age,
            metrics.parked,
            metrics.paused,
            metrics.backlog,
            metrics.backlog_age,
            metrics.backlog_drain,
            metrics.utilization,
            metrics.label_backlog,
            metrics.label_backlog_age,
            metrics.label_backlog_drain,
            metrics.label_utilization,
            metrics.unserved,
            metrics.label_unserved,
        )
        self._looks: deque[tuple[int, Stats]] = deque()  # of the last minute, and one before it
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
                for gauge in self._gauges:
                    gauge.clear()

    @property
    def connection_count(self) -> int:
        return self._store.connection_count

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
        kept = {(name, status): count for name, counts in stats.counts.items() for status, count in counts.items()}
        self._metrics.executions_kept.replace({labels: count for labels, count in kept.items() if count})
        totals: dict[str, int] = {}
        for counts in stats.counts.values():
            for status, count in counts.items():
                totals[status] = totals.get(status, 0) + count
        for status in OPEN:
            self._metrics.queue_depth.set(totals.get(status, 0), (status.value,))
        self._metrics.parked.set(totals.get(Status.PARKED, 0))
        self._show_demands(stats, now)
        paused = [pause for pause in stats.pauses if pause.kind != PauseKind.NODE]
        self._metrics.paused.replace({(pause.name or EVERYTHING,): 1 for pause in paused})
        self._metrics.unserved.replace({(name,): count for name, count in stats.unclaimed.items()})
        self._metrics.label_unserved.replace({(name,): count for name, count in stats.unserved_labels.items()})
        due_at = stats.oldest_due_at
        self._metrics.queue_age.set(0 if due_at is None else max(0, now - due_at) / 1e6)

    def _show_demands(self, stats: Stats, now: int) -> None:
        while len(self._looks) > 1 and (self._looks[1][0] <= now - RATE_US or len(self._looks) >= MAX_LOOKS):
            self._looks.popleft()
        before_at, before = self._looks[0] if self._looks else (now, None)
        self._looks.append((now, stats))
        found = demands(stats, now, before, (now - before_at) / 1e6)
        m = self._metrics
        for each, backlog, age, drain, used in (
            (found.workflows, m.backlog, m.backlog_age, m.backlog_drain, m.utilization),
            (found.labels, m.label_backlog, m.label_backlog_age, m.label_backlog_drain, m.label_utilization),
        ):
            backlog.replace({(name,): demand.backlog for name, demand in each.items()})
            age.replace({(name,): demand.oldest_age_seconds for name, demand in each.items()})
            seconds = {(name,): demand.drain_seconds for name, demand in each.items()}
            drain.replace({name: value for name, value in seconds.items() if value is not None})
            ratios = {(name,): demand.utilization for name, demand in each.items()}
            used.replace({name: ratio for name, ratio in ratios.items() if ratio is not None})
