"""Threads that run the steps which may block: one is started only when all others are busy.

A pool of no threads runs each step where it is submitted, on the hub's own thread: for tests (`hydra.testing`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from hydra.body.step_call import StepCall


class Pool:
    """`submit` and `finished_one` are for the hub's thread; `perform` is called in the pool's threads."""

    def __init__(self, size: int, perform: Callable[[StepCall], None]) -> None:
        self._size = size
        self._perform = perform
        self._queue: SimpleQueue[StepCall | None] = SimpleQueue()
        self._thread_count = 0
        self._call_count = 0  # submitted and not yet finished

    def submit(self, call: StepCall) -> None:
        self._call_count += 1
        if not self._size:
            self._perform(call)
            return
        if self._call_count > self._thread_count and self._thread_count < self._size:
            self._thread_count += 1
            threading.Thread(target=self._work, name=f"hydra-step-{self._thread_count}", daemon=True).start()
        self._queue.put(call)

    def finished_one(self) -> None:
        self._call_count -= 1

    def close(self) -> None:
        """Threads end after what they run now."""
        for _ in range(self._thread_count):
            self._queue.put(None)

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            self._perform(call)
            del call  # it holds the step's arguments and result
