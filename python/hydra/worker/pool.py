"""Threads that run the steps which may block: one is started only when all others are busy, and ends when it has been
idle for long.

A pool of no threads runs each step where it is submitted, on the hub's own thread: for tests (`hydra.testing`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from hydra.body.step_call import StepCall

IDLE_SECONDS = 60.0  # what a thread keeps open (a database connection, say) is not kept for ever


class Pool:
    """`submit` and `finished_one` are for the hub's thread; `perform` is called in the pool's threads."""

    def __init__(self, size: int, perform: Callable[[StepCall], None], idle_seconds: float = IDLE_SECONDS) -> None:
        self._size = size
        self._perform = perform
        self._idle_seconds = idle_seconds
        self._queue: SimpleQueue[StepCall | None] = SimpleQueue()
        self._lock = threading.Lock()  # a thread that leaves, and a call that counts on it, one after the other
        self._thread_count = 0
        self._started_count = 0
        self._call_count = 0  # submitted and not yet finished

    @property
    def thread_count(self) -> int:
        return self._thread_count

    def submit(self, call: StepCall) -> None:
        with self._lock:
            self._call_count += 1
            is_needed = self._call_count > self._thread_count and self._thread_count < self._size
            self._thread_count += is_needed
        if not self._size:
            self._perform(call)
            return
        if is_needed:
            self._started_count += 1
            threading.Thread(target=self._work, name=f"hydra-step-{self._started_count}", daemon=True).start()
        self._queue.put(call)

    def finished_one(self) -> None:
        self._call_count -= 1

    def close(self) -> None:
        """Threads end after what they run now."""
        for _ in range(self._thread_count):
            self._queue.put(None)

    def _work(self) -> None:
        while True:
            try:
                call = self._queue.get(timeout=self._idle_seconds)
            except Empty:
                if self._may_leave():
                    return
                continue
            if call is None:
                return
            self._perform(call)
            del call  # it holds the step's arguments and result

    def _may_leave(self) -> bool:
        """Whether those that stay are enough for the calls under way."""
        with self._lock:
            if self._call_count >= self._thread_count:
                return False
            self._thread_count -= 1
            return True
