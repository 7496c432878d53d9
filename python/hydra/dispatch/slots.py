"""One worker's place: whether it is up, what it runs, whether it may take more, when it must be killed or started.

    empty ──► starting ──► up ──(recycle, drain: no new work)──► dying ──► empty

Decides nothing about executions, and kills nothing by itself.
"""

from __future__ import annotations

from enum import Enum

from hydra.circuit_breaker import CircuitBreaker, CircuitSettings, CircuitState, Permit
from hydra.dispatch.owned import NOWHERE, OwnedExecution
from hydra.dispatch.worker_ends import NOT_NEEDED, NOT_STARTED, WorkerEnd

NEVER_NS = 1 << 62
MAX_START_NS = 120_000_000_000
QUICK_DEATH_NS = 10_000_000_000  # a worker that lived longer, or recorded anything, is good
PROBE_PLACES = 2  # executions that a worker gets after others in its place died, before it recorded anything


class State(Enum):
    EMPTY = "empty"
    STARTING = "starting"
    UP = "up"
    DYING = "dying"


class Slot:
    """`limit` is how many executions its worker may run now; those with a cap lower it (G7).

    Each worker is one call through the circuit of its place: good once it recorded anything or lived for a while.
    """

    def __init__(self, number: int, concurrency: int, is_wanted: bool, circuit: CircuitSettings) -> None:
        self.number = number
        self.is_wanted = is_wanted  # of the present code; after a reload the other half of the slots is
        self.breaker = CircuitBreaker(circuit)
        self._permit: Permit | None = None  # until it is known how its worker does
        self._concurrency = concurrency
        self._clear()

    def _clear(self) -> None:
        self.state = State.EMPTY
        self.runs: dict[int, OwnedExecution] = {}
        self.limit = self._concurrency
        self.is_stalled = False
        self.is_draining = False
        self.is_outgrown = False  # it drains because it takes too much memory
        self.is_excused = False  # killed for a reason that is no execution's fault, or that a record tells
        self.is_recycled = False  # a step ran past its time-out: that is recorded, and its policy is asked
        self.kill_at_ns = NEVER_NS
        self.kill_reason = NOT_NEEDED  # once `kill_at_ns` is set
        self.overdue: set[int] = set()
        self.blocker = 0  # the token of the body for which its worker is killed
        self._started_at_ns = 0

    @property
    def is_usable(self) -> bool:
        return self.state is State.UP and self.is_wanted and not self.is_closing and not self.is_stalled

    @property
    def is_closing(self) -> bool:
        return self.is_draining or self.kill_at_ns != NEVER_NS

    @property
    def is_leaving(self) -> bool:
        """It ends because its node does, or its code: no fault of what it runs."""
        return self.is_draining and not self.is_outgrown

    @property
    def free_count(self) -> int:
        return max(0, self.limit - len(self.runs))

    @property
    def spawn_at_ns(self) -> int:
        """A worker after others that died again and again without progress costs a pause."""
        return self.breaker.probe_at_ns if self.breaker.state is CircuitState.OPEN else 0

    @property
    def proven_at_ns(self) -> int:
        """When its worker has lived long enough to be good."""
        is_unproven = self.state is State.UP and self._permit is not None
        return self._started_at_ns + QUICK_DEATH_NS if is_unproven else NEVER_NS

    def start(self, now_ns: int) -> None:
        self._permit = self.breaker.begin(now_ns)
        self.state = State.STARTING
        self._started_at_ns = now_ns
        self.measure()
        self.close(now_ns + MAX_START_NS, NOT_STARTED)

    def came_up(self) -> None:
        self.state = State.UP
        self.kill_at_ns = NEVER_NS
        self.kill_reason = NOT_NEEDED

    def prove(self, now_ns: int) -> None:
        """Its worker recorded something, or lived for long."""
        if self._permit is not None:
            self.breaker.ended(self._permit, True, now_ns, 0.0)
            self._permit = None
            self.measure()

    def add(self, token: int, owned: OwnedExecution) -> None:
        owned.token = token
        owned.slot = self.number
        self.runs[token] = owned
        # guard G7: a worker takes no more than its most suspect execution allows
        self.limit = min(self.limit, owned.cap)

    def remove(self, owned: OwnedExecution) -> None:
        del self.runs[owned.token]
        owned.slot = NOWHERE
        if owned.cap < self._concurrency:
            self.measure()

    def measure(self) -> None:
        """Find the limit again, after an execution with a cap left or recorded something."""
        # guard G7: a worker after others that died in its place gets few executions, until it has done something
        most = (
            min(PROBE_PLACES, self._concurrency) if self.breaker.state is CircuitState.HALF_OPEN else self._concurrency
        )
        self.limit = min((owned.cap for owned in self.runs.values()), default=most)

    def close(self, at_ns: int, reason: WorkerEnd) -> None:
        """No new work; the kill comes at `at_ns`, or when only executions with overdue steps are left."""
        if at_ns < self.kill_at_ns:
            self.kill_at_ns = at_ns
            self.kill_reason = reason

    def must_die(self, now_ns: int) -> bool:
        if now_ns >= self.kill_at_ns:  # guard R23: a worker past its limit is killed
            return self.state is not State.DYING
        if self.state is not State.UP or self.is_draining or not self.is_closing:
            return False
        return self.overdue.issuperset(self.runs) if self.overdue else len(self.runs) <= 1

    def remove_worker(self, now_ns: int, jitter: float) -> None:
        """Its worker is gone."""
        permit, self._permit = self._permit, None
        if permit is not None and self.is_excused:
            self.breaker.released(permit)
        elif permit is not None:
            self.breaker.ended(permit, self._has_lived(now_ns), now_ns, jitter)
        self._clear()

    def _has_lived(self, now_ns: int) -> bool:
        return now_ns - self._started_at_ns >= QUICK_DEATH_NS and self.kill_reason is not NOT_STARTED
