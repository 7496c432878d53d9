"""Whether a step is quick enough to run inline on the hub: learned from its runs, unlearned by one bad one."""

from __future__ import annotations

SAMPLES_MINIMUM = 1_000
QUICK_US = 1_000
MAX_SLOW_PERCENT = 1


class Pace:
    """Of one step in one worker. A step with a time-out, or an async one, never runs inline."""

    __slots__ = ("_sample_count", "_slow_count", "is_inline", "may_learn")

    def __init__(self, may_learn: bool) -> None:
        self.is_inline = False
        self.may_learn = may_learn
        self._sample_count = 0
        self._slow_count = 0

    def observe(self, duration_us: int, has_switched: bool) -> None:
        """`has_switched`: the thread gave up its CPU of its own will, so the step waited for something."""
        is_slow = duration_us >= QUICK_US
        if has_switched or (is_slow and self.is_inline):
            self.is_inline = False
            self._sample_count = self._slow_count = 0
            return
        self._sample_count += 1
        self._slow_count += is_slow
        if self._sample_count >= SAMPLES_MINIMUM:
            self.is_inline = self._slow_count * 100 < self._sample_count * MAX_SLOW_PERCENT
            self._sample_count = self._slow_count = 0
