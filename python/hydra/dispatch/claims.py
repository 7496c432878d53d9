"""When to ask the database for work, and for how much. Knows nothing of workers beyond their free places.

An idle node asks at once. A busy one asks for a few places together, because a claim costs the database nearly the
same for one execution as for many. Where many ended since it last asked, it takes as many more than it has places for.
"""

from __future__ import annotations

from random import Random

from hydra.dispatch.claim_limit import ClaimLimit
from hydra.dispatch.slots import NEVER_NS

MAX_CLAIM = 1000
LINGER_NS = 3_000_000  # how long a few free places wait for more of them
BATCH_SHARE = 8  # an eighth of all places free is worth a claim at once
POLL_MIN_NS = 100_000_000
MAX_POLL_NS = 2_000_000_000
EMPTY_PAUSE_NS = 500_000  # after a claim that brought nothing, doubled while they follow each other, jittered
MAX_EMPTY_PAUSE_NS = 20_000_000
EMPTY_ROW_NS = 200_000_000  # claims further apart than this do not follow each other


class Claims:
    def __init__(self, random: Random, now_ns: int) -> None:
        self._random = random
        self._poll_ns = POLL_MIN_NS
        self._empty_count = 0  # claims in a row that brought nothing
        self._empty_at_ns = 0
        self._is_hinted = False
        self._free_since_ns = NEVER_NS
        self._not_before_ns = 0
        self.poll_at_ns = now_ns
        self.asked = 0  # under way
        self._limit = ClaimLimit()
        self._sent_ns = 0
        self._slow_until_ns = 0  # a slow database gets a pause after each claim, whatever there may be to claim
        self._ended_count = 0  # since the last claim was sent

    def begin(self, now_ns: int) -> None:
        """A new registration: nothing is under way."""
        self.asked = 0
        self._is_hinted = False
        self.expect(now_ns)

    def expect(self, now_ns: int) -> None:
        """There may be work that no hint will tell of."""
        self.poll_at_ns = now_ns
        self._not_before_ns = 0

    def ended(self, count: int, now_ns: int) -> None:
        """Executions ended, and may have made others due: their commit and the next claim leave together."""
        self._ended_count += count
        self.expect(now_ns)

    def handed_back(self, now_ns: int) -> None:
        """A worker could not run what it was given: another node may take it before this one asks again."""
        self._not_before_ns = now_ns + self._jittered(POLL_MIN_NS)

    def hint(self, now_ns: int) -> None:
        """The database changed, perhaps by this node's own writing."""
        if self.asked:
            self._is_hinted = True
        else:
            self.poll_at_ns = min(self.poll_at_ns, now_ns)

    def is_due(self, now_ns: int) -> bool:
        return not self.asked and now_ns >= max(self.poll_at_ns, self._not_before_ns, self._slow_until_ns)

    def count(self, free: int, capacity: int, now_ns: int) -> int:
        """How many to ask for now; 0 to wait until `wake_ns`."""
        wanted = free
        if self._ended_count * BATCH_SHARE >= capacity:
            wanted = min(free + self._ended_count, free + capacity)
        if wanted <= 0:
            self._free_since_ns = NEVER_NS
            return 0
        self._free_since_ns = min(self._free_since_ns, now_ns)
        if wanted * BATCH_SHARE < capacity and now_ns - self._free_since_ns < LINGER_NS:
            return 0
        return min(self._limit.allowed(wanted, capacity), MAX_CLAIM)

    def send(self, count: int, now_ns: int) -> None:
        self.asked = count
        self._sent_ns = now_ns
        self._ended_count = 0
        self._free_since_ns = NEVER_NS

    def answered(self, count: int, now_ns: int) -> None:
        full = count >= self.asked
        self.asked = 0
        self._limit = self._limit.after(now_ns - self._sent_ns)
        if count:
            self._empty_count = 0
            self._poll_ns = POLL_MIN_NS
        else:
            self._pause(now_ns)
            self._poll_ns = min(self._poll_ns * 2, MAX_POLL_NS)
        self.poll_at_ns = now_ns if full else now_ns + self._jittered(self._poll_ns)
        if self._is_hinted:
            self._is_hinted = False
            self.poll_at_ns = now_ns
        self._slow_until_ns = now_ns + self._limit.pause_ns

    def failed(self, now_ns: int) -> None:
        """It brought nothing, not even an answer; the circuit says when to ask again."""
        self.asked = 0
        self.expect(now_ns)

    @property
    def wake_ns(self) -> int:
        if self._free_since_ns != NEVER_NS:
            return max(self._free_since_ns + LINGER_NS, self._slow_until_ns)
        return max(self.poll_at_ns, self._not_before_ns, self._slow_until_ns)

    def _pause(self, now_ns: int) -> None:
        """Hints that lead to nothing, one upon the other, are not worth a claim each."""
        follows = now_ns - self._empty_at_ns < EMPTY_ROW_NS
        self._empty_count = self._empty_count + 1 if follows else 0
        self._empty_at_ns = now_ns
        pause_ns = min(EMPTY_PAUSE_NS << min(self._empty_count, 10), MAX_EMPTY_PAUSE_NS)
        self._not_before_ns = now_ns + self._jittered(pause_ns)

    def _jittered(self, duration_ns: int) -> int:
        return int(duration_ns * (0.75 + 0.5 * self._random.random()))
