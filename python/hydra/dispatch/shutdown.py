"""How a node leaves: it drains, hands back what is left, and exits once all is written or its time is up.

SIGTERM ──► draining ──► the grace is over: workers killed ──► last commits ──► exit
stop    ───────────────►
"""

from __future__ import annotations

from hydra.dispatch.effects import Effects
from hydra.dispatch.events import DrainAsked, Exit, StopAsked
from hydra.dispatch.owned_executions import OwnedExecutions
from hydra.dispatch.registration import Phase, Registration
from hydra.dispatch.slots import NEVER_NS
from hydra.dispatch.workers import Workers

LEAVE_NS = 5_000_000_000  # after the drain: how long the last commits may take
STOP_LEAVE_NS = 2_000_000_000


class Shutdown:
    def __init__(
        self,
        grace_ns: int,
        lease_ttl_ns: int,
        owned: OwnedExecutions,
        registration: Registration,
        workers: Workers,
        effects: Effects,
    ) -> None:
        self._grace_ns = grace_ns
        self._lease_ttl_ns = lease_ttl_ns
        self._owned = owned
        self._registration = registration
        self._workers = workers
        self._effects = effects
        self.leave_at_ns = NEVER_NS
        self.has_left = False

    def drain_asked(self, _: DrainAsked, now_ns: int) -> None:
        if not self._workers.is_draining:
            grace_ns = self._grace_ns
            self._effects.log("info", f"draining: {len(self._owned)} executions have {grace_ns // 1_000_000} ms")
            self._drain(now_ns + grace_ns, LEAVE_NS)

    def stop_asked(self, _: StopAsked, now_ns: int) -> None:
        self._drain(now_ns, STOP_LEAVE_NS)

    def _drain(self, at_ns: int, leave_ns: int) -> None:
        self.leave_at_ns = at_ns + leave_ns
        for owned in self._workers.take_all_waiting():
            self._owned.release(owned)
        self._workers.drain(at_ns)

    def settle(self, now_ns: int) -> None:
        """Leave when all is written, or when the database has had its time."""
        registration, are_gone = self._registration, self._workers.is_gone
        if are_gone:
            self.leave_at_ns = min(self.leave_at_ns, now_ns + LEAVE_NS)
        is_done = are_gone and registration.is_idle and registration.phase is not Phase.UNSURE
        if not is_done and now_ns < self.leave_at_ns:
            return
        if self._owned:
            reason = "the database did not answer in time" if are_gone else "their workers did not end in time"
            self._effects.log(
                "warning",
                f"left without handing back {len(self._owned)} executions, because {reason}; "
                f"they are due again when the lease ends, in {self._lease_ttl_ns // 1_000_000} ms",
            )
        self.has_left = True
        # While a worker may live, only the end of the lease gives its executions to another node (R1).
        # guard R1: while a worker may live only the lease gives its executions away
        self._effects.do(Exit(0, registration.is_answered and self._workers.is_gone))
