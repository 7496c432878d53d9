"""How much a node claims at a time, and how soon again, by how long claims take. Pure.

After Netflix's `concurrency-limits` (Gradient2Limit): the limit shrinks by how much longer a call takes than calls took
over the long run, at most to a half, and grows by a constant. A far but healthy database is its own measure, and so is
not throttled; one that becomes slow gets smaller claims, and fewer of them. What takes less than QUICK_NS is never
slow: a claim of many executions takes longer than one of a few, and must not be punished for it.
"""

from __future__ import annotations

import msgspec

QUICK_NS = 100_000_000
TOLERANCE = 2.0  # how many times longer than usual a claim may take
MIN_GRADIENT = 0.5
GROWTH_PER_CAPACITY = 16  # a claim that was quick adds a sixteenth of all places
USUAL_WEIGHT = 1 / 100  # of one claim in the long run
MAX_PAUSE_NS = 1_000_000_000


class ClaimLimit(msgspec.Struct, frozen=True):
    """`share` is the part of all places that one claim may ask for; above 1 where ends are foreseen."""

    share: float = 2.0
    usual_ns: float = QUICK_NS
    pause_ns: int = 0  # before the next claim, from the answer of the last one

    def after(self, took_ns: int) -> ClaimLimit:
        """The limit after a claim that took so long."""
        took = max(took_ns, QUICK_NS)
        # guard G7: a claim that takes longer than usual makes the next one smaller
        gradient = max(MIN_GRADIENT, min(1.0, TOLERANCE * self.usual_ns / took))
        share = min(2.0, self.share * gradient + 1 / GROWTH_PER_CAPACITY)
        usual_ns = self.usual_ns + (took - self.usual_ns) * USUAL_WEIGHT
        is_slow = gradient < 1.0
        return ClaimLimit(share, usual_ns, min(took_ns, MAX_PAUSE_NS) if is_slow else 0)

    def allowed(self, wanted: int, capacity: int) -> int:
        """Of those that there are places for; one at least."""
        return min(wanted, max(1, int(self.share * capacity)))
