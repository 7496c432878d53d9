"""One worker's place: whether it is up, what it runs, whether it may take more, when it must be killed or started.

    empty ──► starting ──► up ──(recycle, drain: no new work)──► dying ──► empty

Decides nothing about executions, and kills nothing by itself.
"""

from __future__ import annotations

from enum import Enum

from hydra.dispatch.held import NOWHERE, Held

NEVER_NS = 1 << 62
START_MAX_NS = 120_000_000_000
SPAWN_BACKOFF_NS = 100_000_000
SPAWN_BACKOFF_MAX_NS = 10_000_000_000
QUICK_DEATH_NS = 10_000_000_000  # a worker that lived longer, or recorded anything, starts its slot's back-off anew


class State(Enum):
    EMPTY = "empty"
    STARTING = "starting"
    UP = "up"
    DYING = "dying"


class Slot:
    """`limit` is how many executions its worker may run now; those with a cap lower it (G7)."""

    def __init__(self, number: int, concurrency: int, is_wanted: bool) -> None:
        self.number = number
        self.is_wanted = is_wanted  # of the present code; after a reload the other half of the slots is
        self.spawn_at_ns = 0
        self._concurrency = concurrency
        self._quick_death_count = 0
        self._clear()

    def _clear(self) -> None:
        self.state = State.EMPTY
        self.runs: dict[int, Held] = {}
        self.limit = self._concurrency
        self.is_stalled = False
        self.is_draining = False
        self.is_excused = False  # killed for a reason that is no execution's fault
        self.has_progressed = False
        self.kill_at_ns = NEVER_NS
        self.kill_reason = ""
        self.culprits: set[int] = set()
        self._started_at_ns = 0

    @property
    def is_usable(self) -> bool:
        return self.state is State.UP and self.is_wanted and not self.is_closing and not self.is_stalled

    @property
    def is_closing(self) -> bool:
        return self.is_draining or self.kill_at_ns != NEVER_NS

    @property
    def free_count(self) -> int:
        return max(0, self.limit - len(self.runs))

    def start(self, now_ns: int) -> None:
        self.state = State.STARTING
        self._started_at_ns = now_ns
        self.close(now_ns + START_MAX_NS, "it did not start in time")

    def greet(self) -> None:
        self.state = State.UP
        self.kill_at_ns = NEVER_NS

    def add(self, token: int, held: Held) -> None:
        held.token = token
        held.slot = self.number
        self.runs[token] = held
        self.limit = min(self.limit, held.cap)

    def remove(self, held: Held) -> None:
        del self.runs[held.token]
        held.slot = NOWHERE
        if held.cap < self._concurrency:
            self.measure()

    def measure(self) -> None:
        """Find the limit anew, after an execution with a cap left or recorded something."""
        self.limit = min((held.cap for held in self.runs.values()), default=self._concurrency)

    def close(self, at_ns: int, reason: str) -> None:
        """No new work; the kill comes at `at_ns`, or when only the culprits are left."""
        if at_ns < self.kill_at_ns:
            self.kill_at_ns = at_ns
            self.kill_reason = reason

    def must_die(self, now_ns: int) -> bool:
        if now_ns >= self.kill_at_ns:
            return self.state is not State.DYING
        if self.state is not State.UP or self.is_draining or not self.is_closing:
            return False
        return self.culprits.issuperset(self.runs) if self.culprits else len(self.runs) <= 1

    def bury(self, now_ns: int) -> None:
        """Its worker is gone. Dying again and again without progress costs a pause."""
        is_quick = not self.has_progressed and now_ns - self._started_at_ns < QUICK_DEATH_NS and not self.is_excused
        self._quick_death_count = self._quick_death_count + 1 if is_quick else 0
        self.spawn_at_ns = now_ns
        if self._quick_death_count > 1:
            doublings = min(self._quick_death_count - 2, 10)
            self.spawn_at_ns += min(SPAWN_BACKOFF_NS << doublings, SPAWN_BACKOFF_MAX_NS)
        self._clear()
