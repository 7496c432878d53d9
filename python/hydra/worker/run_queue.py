"""The strands that are ready to run, in their order, and those that are done and kept for what comes next.

    start ──► ready ──► runs ──► set aside, until resumed ──► ready …
                ▲         └────► done: rests ──┐
                └──────────────────────────────┘

All of it happens on the hub's thread, whose own greenlet is the parent of every strand.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextvars import Context

from greenlet import getcurrent, greenlet

from hydra.body.strand import Strand

MAX_UNSTAMPED = 32  # strands that are resumed under one reading of the clock
MAX_RESTING = 64  # strands that are kept for what comes next

log = logging.getLogger("hydra.worker")


class RunQueue:
    """`resumed_count`: while it stands, one strand runs, or none does."""

    def __init__(self, new_context: Callable[[], Context]) -> None:
        self.ready: deque[Strand] = deque()
        self.resumed_count = 0
        self._new_context = new_context
        self._resting: list[Strand] = []
        self._abandoned: list[Strand] = []
        self._greenlet: greenlet = getcurrent()

    def adopt(self) -> None:
        """From now on strands run on this thread."""
        self._greenlet = getcurrent()

    def run(self, pause: Callable[[], None]) -> None:
        """Until nothing is ready; `pause` is called once in a while."""
        ready, count = self.ready, self.resumed_count
        while ready:
            self.resumed_count = count = count + 1
            ready.popleft().switch()
            if count % MAX_UNSTAMPED == 0:
                pause()

    def close(self) -> None:
        """The strands that rest end: no collector sees what the frames of a greenlet that is set aside hold."""
        while self._resting:
            self._resting.pop().switch()

    def start(self, run: Callable[[], None], context: Context | None = None) -> Strand:
        strand = self._resting.pop() if self._resting else Strand(self._greenlet, self._rest)
        strand.work = run
        strand.gr_context = context or self._new_context()
        self.ready.append(strand)
        return strand

    def resume(self, strand: Strand) -> None:
        if strand.is_waiting:
            strand.is_waiting = False
            if strand.waits_in is not None:
                strand.waits_in.woken_count += 1
            self.ready.append(strand)

    def resume_next(self, strand: Strand) -> None:
        if strand.is_waiting:
            self.resume(strand)
            self.ready.appendleft(self.ready.pop())

    def abandon(self, strand: Strand) -> None:
        """Kept for ever: collecting a greenlet would resume its code once more."""
        self._abandoned.append(strand)
        log.warning("a workflow's body catches hydra.Interrupt and goes on; it is set aside until this worker ends")

    def _rest(self, strand: Strand) -> bool:
        """Keep a strand that is done, for what comes next."""
        if len(self._resting) >= MAX_RESTING:
            return False
        self._resting.append(strand)
        return True
