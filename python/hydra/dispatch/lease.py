"""Until when this node may act, and when it may say that it lives (R4, R5). Reads no clock.

A beat is sent only while the commits move: a node that beats but cannot write would hold its work for ever.
"""

from __future__ import annotations

# guard R3: beats come more often than a third of the TTL
BEATS_PER_TTL = 5  # peers count a gap over TTL/3 between their own beats as a gap in what they saw (R3)
JOURNAL_STILL_PER_TTL = 3
MARGIN_PER_TTL = 10


class Lease:
    def __init__(self, ttl_ns: int, now_ns: int) -> None:
        self._ttl_ns = ttl_ns
        self.deadline_ns = 0
        self.beat_at_ns = now_ns
        self.is_beating = False
        self._moved_at_ns = now_ns

    def begin(self, sent_ns: int, now_ns: int) -> int:
        """A new registration; returns its first deadline."""
        self.deadline_ns = 0
        self.is_beating = False
        self.beat_at_ns = sent_ns + self._ttl_ns // BEATS_PER_TTL
        self._moved_at_ns = now_ns
        return self.extend(sent_ns)

    def extend(self, sent_ns: int) -> int:
        """Counted from a reading of the clock before the beat was sent, so that nobody acts before it ends."""
        # guard R5: the deadline leaves a margin
        self.deadline_ns = max(self.deadline_ns, sent_ns + self._ttl_ns - self._ttl_ns // MARGIN_PER_TTL)
        return self.deadline_ns

    def end(self) -> None:
        self.deadline_ns = 0
        self.is_beating = False

    def journal_moved(self, now_ns: int) -> None:
        """A commit was written, or there is nothing to write."""
        self._moved_at_ns = now_ns

    def may_beat(self, now_ns: int) -> bool:
        # guard R4: no beat while the journal stands still
        return not self.is_beating and now_ns - self._moved_at_ns <= self._ttl_ns // JOURNAL_STILL_PER_TTL

    def beat(self, now_ns: int) -> None:
        self.is_beating = True
        self.beat_at_ns = now_ns + self._ttl_ns // BEATS_PER_TTL

    def answered(self) -> None:
        self.is_beating = False

    def failed(self, next_at_ns: int) -> None:
        """No answer: the next one is sent then, or when it is due anyway."""
        self.is_beating = False
        self.beat_at_ns = min(self.beat_at_ns, next_at_ns)
