"""Where a claim starts to read each workflow's queue: at its head, or past what an old snapshot makes it walk over.

    from the head ──(slow eight times)──► on trial ──(twice as fast)──► past the dead
          ▲                                  │                               │
          └───────────────(no gain)──────────┴──────────(no longer pays)─────┘

Rows that are gone stay in the index while any transaction of the server is older than they are, and every claim from
the head visits each of them again. A place is a hint and may skip work that came late, so a claim from the head, which
sees everything, still gets a tenth of the time. Pure: time passed in.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Sequence

SLOW_SECONDS = 0.005  # a claim from the head that takes longer may be walking over the dead
ROW_SECONDS = 0.0001  # what each row that is taken may cost beside
TRIAL_COUNT = 8
GAIN = 2.0  # how much faster it must be past them
HEAD_SHARE = 0.1  # of the time that claims take
HEAD_INTERVAL_SECONDS = 1.0  # a head is read at least so often
SLACK_US = 50_000  # submissions reach the database in another order than their instants
DEAF_SECONDS = 30.0  # after a trial without gain

Place = tuple[int, int]  # minus the priority, and the instant it became due: the order of the queue
HEAD: Place = (-(1 << 62), 0)


class Heads:
    """One node's places, one for each workflow."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._at_head: deque[float] = deque(maxlen=TRIAL_COUNT)
        self._past: deque[float] = deque(maxlen=TRIAL_COUNT)
        self._is_past = False
        self._is_trial = False
        self._head_read_at = 0.0
        self._head_seconds = 0.0
        self._deaf_until = 0.0

    def choose(self, workflows: Sequence[str], now: float) -> list[Place]:
        """Where this claim starts, by workflow."""
        if self._is_past and not self._is_head_due(now):
            return [self._places.get(workflow, HEAD) for workflow in workflows]
        return [HEAD] * len(workflows)

    def learn(
        self, places: Sequence[Place], claimed: Iterable[tuple[str, int, int]], seconds: float, now: float
    ) -> None:
        """What such a claim took, as (workflow, priority, run_at), and how long."""
        heads: dict[str, Place] = {}
        for workflow, priority, run_at in claimed:
            seconds -= ROW_SECONDS
            heads[workflow] = min(heads.get(workflow, (-priority, run_at)), (-priority, run_at))
        self._places.update({workflow: (rank, run_at - SLACK_US) for workflow, (rank, run_at) in heads.items()})
        if any(place != HEAD for place in places):
            self._past.append(seconds)
        else:
            self._at_head.append(seconds)
            self._head_read_at, self._head_seconds = now, seconds
        self._decide(now)

    def _decide(self, now: float) -> None:
        if not self._is_past:
            slow = len(self._at_head) == TRIAL_COUNT and min(self._at_head) > SLOW_SECONDS
            if slow and now >= self._deaf_until:
                self._is_past = self._is_trial = True
                self._past.clear()
        elif len(self._past) == TRIAL_COUNT:
            pays = statistics.median(self._at_head) > GAIN * statistics.median(self._past)
            if not pays:
                self._is_past = False
                self._at_head.clear()
                self._deaf_until = now + DEAF_SECONDS if self._is_trial else 0.0
            self._is_trial = False

    def _is_head_due(self, now: float) -> bool:
        pause = self._head_seconds / HEAD_SHARE
        return not self._is_trial and now - self._head_read_at >= min(pause, HEAD_INTERVAL_SECONDS)
