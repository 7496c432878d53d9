"""When to ask the database for work, and for how much. Knows nothing of workers beyond their free places.

An idle node asks at once. A busy one asks for a few places together, because a claim costs the database nearly the
same for one execution as for many. Where many ended since it last asked, it takes as many more than it has places for.
"""

from __future__ import annotations

from random import Random

from hydra.dispatch.slots import NEVER_NS

CLAIM_MAX = 1000
LINGER_NS = 3_000_000  # how long a few free places wait for more of them
BATCH_SHARE = 8  # an eighth of all places free is worth a claim at once
POLL_MIN_NS = 100_000_000
POLL_MAX_NS = 2_000_000_000
EMPTY_PAUSE_NS = 500_000  # after a claim that brought nothing, doubled while they follow each other, jittered
EMPTY_PAUSE_MAX_NS = 20_000_000
EMPTY_ROW_NS = 200_000_000  # claims further apart than this do not follow each other


class Claims:
    def __init__(self, random: Random, now_ns: int) -> None:
        self._random = random
        self._poll_ns = POLL_MIN_NS
        self._empty_count = 0  # claims in a row that brought nothing
        self._empty_at_ns = 0
        self._is_hinted = False
        self._is_failing = False
        self._free_since_ns = NEVER_NS
        self._not_before_ns = 0
        self.poll_at_ns = now_ns
        self.asked = 0  # under way
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
        return not self.asked and now_ns >= self.poll_at_ns and now_ns >= self._not_before_ns

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
        return min(wanted, CLAIM_MAX)

    def send(self, count: int) -> None:
        self.asked = count
        self._ended_count = 0
        self._free_since_ns = NEVER_NS

    def answered(self, count: int, now_ns: int) -> None:
        full = count >= self.asked
        self.asked = 0
        self._is_failing = False
        if count:
            self._empty_count = 0
            self._poll_ns = POLL_MIN_NS
        else:
            self._pause(now_ns)
            self._poll_ns = min(self._poll_ns * 2, POLL_MAX_NS)
        self.poll_at_ns = now_ns if full else now_ns + self._jittered(self._poll_ns)
        if self._is_hinted:
            self._is_hinted = False
            self.poll_at_ns = now_ns

    def failed(self, now_ns: int) -> bool:
        """It brought nothing, not even an answer; True when it is the first in a row."""
        was_failing, self._is_failing = self._is_failing, True
        self.asked = 0
        self._poll_ns = min(self._poll_ns * 2, POLL_MAX_NS)
        self.poll_at_ns = now_ns + self._jittered(self._poll_ns)
        return not was_failing

    def recovered(self, now_ns: int) -> None:
        """The database answered something else: no reason to wait any longer after a failure."""
        if self._is_failing:
            self._is_failing = False
            self.expect(now_ns)

    @property
    def wake_ns(self) -> int:
        if self._free_since_ns != NEVER_NS:
            return self._free_since_ns + LINGER_NS
        return max(self.poll_at_ns, self._not_before_ns)

    def _pause(self, now_ns: int) -> None:
        """Hints that lead to nothing, one upon the other, are not worth a claim each."""
        follows = now_ns - self._empty_at_ns < EMPTY_ROW_NS
        self._empty_count = self._empty_count + 1 if follows else 0
        self._empty_at_ns = now_ns
        pause_ns = min(EMPTY_PAUSE_NS << min(self._empty_count, 10), EMPTY_PAUSE_MAX_NS)
        self._not_before_ns = now_ns + self._jittered(pause_ns)

    def _jittered(self, duration_ns: int) -> int:
        return int(duration_ns * (0.75 + 0.5 * self._random.random()))
