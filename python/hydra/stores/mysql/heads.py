"""Where each workflow's queue begins: spares claims the rows that are gone but that some old snapshot still holds.

While a transaction somewhere stays open InnoDB keeps every claimed row, marked as deleted, before the first that is
ready; a look from the start then reads them all. So most looks start where the last ones found something, and a look
from the start, which misses nothing, may take no more than a share of the time. Where a look that started later found
too little, the watch is told when to hint at another.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from hydra.stores.mysql.statements import literal

FULL_LOOK_SHARE = 0.05  # of the time; a quick look is thus never held back
MAX_PAUSE_SECONDS = 1.0  # between two looks from the start, however slow they are
MAX_PRIORITIES = 100  # remembered for a workflow; with more, each look is from the start


class Heads:
    def __init__(self) -> None:
        self._heads: dict[str, dict[int, tuple[int, bytes]]] = {}
        self._full_look_at: dict[str, float] = {}
        self._bounded: set[str] = set()  # whose last look was not from the start
        self._look_again_at: float | None = None

    def bounds(self, workflow: str) -> str:
        """The condition on the next look at this workflow's queue."""
        heads = self._heads.get(workflow, {})
        if self._full_look_due(workflow) or len(heads) > MAX_PRIORITIES:
            self._bounded.discard(workflow)
            return "true"
        self._bounded.add(workflow)
        ranges = [
            f"negated_priority = {priority} and run_at = {run_at} and id >= {literal(id)}"
            f" or negated_priority = {priority} and run_at > {run_at}"
            for priority, (run_at, id) in sorted(heads.items())
        ]
        return f"({' or '.join(ranges)})" if ranges else "false"

    def saw(self, workflow: str, found: Iterable[tuple[int, int, bytes]], seconds: float) -> None:
        """What the look gave, (negated priority, run at, id) in order, and how long it took."""
        heads = self._heads.setdefault(workflow, {})
        seen: set[int] = set()
        for priority, run_at, id in found:
            if priority not in seen:
                seen.add(priority)
                heads[priority] = run_at, id
        if self._full_look_due(workflow):
            pause = min(seconds / FULL_LOOK_SHARE, MAX_PAUSE_SECONDS)
            self._full_look_at[workflow] = time.monotonic() + pause

    def came_up_short(self, workflows: Iterable[str]) -> None:
        """Fewer were found than wanted: what a look from the start would have found must not be forgotten."""
        bounded = self._bounded.intersection(workflows)
        if bounded:
            self._look_again_at = min(self._full_look_at[name] for name in bounded)

    def look_again_seconds(self) -> float | None:
        """How long until a claim may find what the last one did not look for; 0 is told once."""
        if self._look_again_at is None:
            return None
        seconds = max(0.0, self._look_again_at - time.monotonic())
        if not seconds:
            self._look_again_at = None
        return seconds

    def _full_look_due(self, workflow: str) -> bool:
        return time.monotonic() >= self._full_look_at.get(workflow, 0.0)
