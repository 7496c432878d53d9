"""Where each workflow's queue begins: spares claims the rows that are gone but that some old snapshot still holds.

    from the start ──(slow, and ten times slower than past the head, three times in a row)──► past the head
          ▲                                                                                        │
          └────────────────────(a look from the start, once in a while, is quick)──────────────────┘

While a transaction somewhere stays open InnoDB keeps every claimed row, marked as deleted, before the first that is
ready; a look from the start reads them all. Past the head a look finds new priorities, but may miss what came late with
an early start, so looks from the start, which miss nothing, still get their share of the time, and the watch is told
when to hint at one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from hydra.stores.mysql.statements import literal

SLOW_SECONDS = 0.005  # a look that takes longer is compared with one past the head
SLOW_RATIO = 10.0
SLOW_LOOKS = 3  # in a row: a busy machine makes any look slow, but not this one each time
FULL_LOOK_SHARE = 0.05  # of the time
MAX_PAUSE_SECONDS = 1.0  # between two looks from the start, however slow they are
MAX_PRIORITIES = 100  # remembered for a workflow; with more, each look is from the start


class Heads:
    def __init__(self) -> None:
        self._heads: dict[str, dict[int, tuple[int, bytes]]] = {}
        self._slow_looks = 0
        self._full_look_at = 0.0
        self._look_again_at: float | None = None
        self.is_idle = False  # the last look found nothing

    def is_full_look_due(self) -> bool:
        return self._slow_looks < SLOW_LOOKS or time.monotonic() >= self._full_look_at

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

    def gaps(self, workflow: str) -> list[str]:
        """Conditions on what lies between the known priorities, above and below them."""
        known = sorted(self._heads.get(workflow, {}))
        if len(known) > MAX_PRIORITIES:
            return []
        begins = ["true", *(f"negated_priority > {priority}" for priority in known)]
        ends = [*(f"negated_priority < {priority}" for priority in known), "true"]
        return [f"{begin} and {end}" for begin, end in zip(begins, ends, strict=True)]

    def saw(self, workflow: str, found: Iterable[tuple[int, int, bytes]]) -> None:
        """What a look gave, (negated priority, run at, id) in order."""
        heads = self._heads.setdefault(workflow, {})
        seen: set[int] = set()
        for priority, run_at, id in found:
            if priority not in seen:
                seen.add(priority)
                heads[priority] = run_at, id

    def compare(self, full_seconds: float, bounded_seconds: float) -> None:
        """How long a look from the start took, and the same look past the head."""
        is_slow = full_seconds > SLOW_SECONDS and full_seconds > SLOW_RATIO * bounded_seconds
        self._slow_looks = self._slow_looks + 1 if is_slow else 0
        self._full_look_at = time.monotonic() + min(full_seconds / FULL_LOOK_SHARE, MAX_PAUSE_SECONDS)

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
