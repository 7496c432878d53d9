"""What is to be done at an instant of boottime, earliest first; of two at one instant, the one that was asked first."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from hydra.body.step_call import NEVER_NS


class Timers:
    """`next_ns` is when the earliest is due; NEVER_NS without one."""

    def __init__(self) -> None:
        self.next_ns = NEVER_NS
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def call_at(self, at_ns: int, function: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (at_ns, self._count, function))
        self.next_ns = self._heap[0][0]

    def run(self, now_ns: int) -> None:
        """Call what is due, and what that makes due."""
        while self.next_ns <= now_ns:
            function = heapq.heappop(self._heap)[2]
            self.next_ns = self._heap[0][0] if self._heap else NEVER_NS
            function()

    def clear(self) -> None:
        self._heap.clear()
        self.next_ns = NEVER_NS
