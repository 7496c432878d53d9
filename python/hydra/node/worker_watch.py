"""What the native watchdog sees of the workers: one that is silent, a hub that is busy with one thing, a step overdue.

It looks at their pages and tells the dispatcher; whether a worker is killed for it is decided there.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
from functools import partial

from hydra._core import Watchdog
from hydra.clock import boottime_ns
from hydra.dispatch.events import BodyOverdue, StepOverdue, WorkerSilent, WorkerStalled
from hydra.node.node import Node
from hydra.node.processes import Worker

SILENT_AFTER_NS = 3_000_000_000  # a worker whose native thread does not beat is stopped or frozen
STALLED_AFTER_NS = 2_000_000_000  # a hub that is busy with one thing
STALLED_LOOK_NS = 50_000_000  # between looks whether it goes on
OVERDUE_GRACE_NS = 1_000_000_000  # past its time-out a step is the worker's own business for that long

log = logging.getLogger("hydra.supervisor")


class WorkerWatch:
    """From a worker's first frame to its end, by its slot."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._workers: dict[int, Worker] = {}
        self._watchdog = Watchdog()
        self._watchdog.start()
        node.selector.register(self._watchdog.fileno(), selectors.EVENT_READ, self._noticed)

    def watch(self, worker: Worker) -> None:
        self._workers[worker.slot] = worker
        self._watchdog.watch(worker.slot, worker.page.fd, SILENT_AFTER_NS, STALLED_AFTER_NS)

    def unwatch(self, worker: Worker) -> None:
        self._workers.pop(worker.slot, None)
        self._watchdog.unwatch(worker.slot)

    def close(self) -> None:
        self._watchdog.close()

    def _noticed(self) -> None:
        for kind, key, token, due_ns, _ in self._watchdog.due():
            if kind == Watchdog.SILENT:
                self._node.feed(WorkerSilent(key))
            elif kind == Watchdog.STALLED:
                self._stalled(self._workers[key])
            elif kind == Watchdog.OVERDUE:
                slot, place = divmod(key, Watchdog.MAX_SLOTS_PER_WORKER)
                worker = self._workers[slot]
                self._node.call_at(due_ns + OVERDUE_GRACE_NS, partial(self._overdue, worker, place, token, due_ns))

    def _overdue(self, worker: Worker, place: int, token: int, deadline_ns: int) -> None:
        """The worker had its chance to end the step by itself."""
        if self._workers.get(worker.slot) is worker and worker.is_in_step(place, token, deadline_ns):
            self._node.feed(StepOverdue(worker.slot, token))

    def _stalled(self, worker: Worker) -> None:
        standing = worker.page.standing()
        log.warning("worker %d (pid %d) is busy with one thing for long; its stack follows", worker.slot, worker.pid)
        os.kill(worker.pid, signal.SIGUSR1)
        self._node.feed(WorkerStalled(worker.slot, True))
        self._look_again(worker, standing)

    def _look_again(self, worker: Worker, standing: tuple[int, int]) -> None:
        """It goes on once whatever stood still has changed."""
        if self._workers.get(worker.slot) is not worker:
            return
        now = worker.page.standing()
        if any(word and word == before for word, before in zip(now, standing, strict=True)):
            if token := worker.page.overdue_body():
                self._node.feed(BodyOverdue(worker.slot, token))
                return
            self._node.call_at(boottime_ns() + STALLED_LOOK_NS, partial(self._look_again, worker, standing))
        else:
            log.info("worker %d goes on", worker.slot)
            self._node.feed(WorkerStalled(worker.slot, False))
