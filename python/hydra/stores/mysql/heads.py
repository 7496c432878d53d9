"""Where each workflow's queue begins: spares claims the rows that are gone but that some old snapshot still holds.

    from the start ──(the quickest of five is slow, and far slower than the quickest past the head)──► past the head
          ▲                                                                                                  │
          └───────────────(a look from the start, once in a while, is quick; or nothing is gained)───────────┘

While a transaction somewhere stays open InnoDB keeps every claimed row, marked as deleted, before the first that is
ready; a look from the start reads them all. A look past the head misses new priorities and what came late with an early
start, so looks from the start, which miss nothing, still get their share of the time, and the watch is told when to
hint at one. (A look between the known priorities would read them all, too: a range ends at the first row that is not
marked.) The quickest of a few looks counts, since a busy machine makes some of either kind slow.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterable

from hydra.stores.mysql.statements import literal

SLOW_SECONDS = 0.001  # half of what the rest of a claim costs; what takes longer is compared with a look past the head
GAIN = 2.5  # how much faster it must be past it
LOOKS = 5  # of either kind, the last ones, of which the quickest counts; without a gain each so manieth is compared
FULL_LOOK_SHARE = 0.05  # of the time
MAX_PAUSE_SECONDS = 1.0  # between two looks from the start, however slow they are
MAX_PRIORITIES = 100  # remembered for a workflow; with more, each look is from the start


class Heads:
    def __init__(self) -> None:
        self._heads: dict[str, dict[int, tuple[int, bytes]]] = {}
        self._full: deque[float] = deque(maxlen=LOOKS)
        self._bounded: deque[float] = deque(maxlen=LOOKS)
        self._slow_looks = itertools.count()
        self._full_look_at = 0.0
        self._look_again_at: float | None = None
        self.is_idle = False  # the last look found nothing

    def is_full_look_due(self) -> bool:
        return not self._pays() or time.monotonic() >= self._full_look_at

    def bounds(self, workflow: str) -> str:
        """The condition on a look past this workflow's head."""
        heads = self._heads.get(workflow, {})
        if len(heads) > MAX_PRIORITIES:
            return "true"
        ranges = [
            f"negated_priority = {priority} and run_at = {run_at} and id >= {literal(id)}"
            f" or negated_priority = {priority} and run_at > {run_at}"
            for priority, (run_at, id) in sorted(heads.items())
        ]
        return f"({' or '.join(ranges)})" if ranges else "false"

    def saw(self, workflow: str, found: Iterable[tuple[int, int, bytes]]) -> None:
        """What a look gave, (negated priority, run at, id) in order."""
        heads = self._heads.setdefault(workflow, {})
        seen: set[int] = set()
        for priority, run_at, id in found:
            if priority not in seen:
                seen.add(priority)
                heads[priority] = run_at, id

    def looked(self, seconds: float) -> bool:
        """How long a look from the start took; whether to compare it with one past the head."""
        self._full.append(seconds)
        self._full_look_at = time.monotonic() + min(seconds / FULL_LOOK_SHARE, MAX_PAUSE_SECONDS)
        if not self._is_slow():
            self._bounded.clear()
            return False
        return len(self._bounded) < LOOKS or next(self._slow_looks) % LOOKS == 0

    def looked_past(self, seconds: float) -> None:
        """How long a look past the head took."""
        self._bounded.append(seconds)

    def came_up_short(self) -> None:
        """A look past the head found fewer than wanted: what it passed over must not be forgotten."""
        self._look_again_at = self._full_look_at

    def look_again_seconds(self) -> float | None:
        """How long until a claim may find what the last one passed over; 0 is told once."""
        if self._look_again_at is None:
            return None
        seconds = max(0.0, self._look_again_at - time.monotonic())
        if not seconds:
            self._look_again_at = None
        return seconds

    def _is_slow(self) -> bool:
        return len(self._full) == LOOKS and min(self._full) > SLOW_SECONDS

    def _pays(self) -> bool:
        return self._is_slow() and len(self._bounded) == LOOKS and min(self._full) > GAIN * min(self._bounded)
