"""A node's standing with the database: its registration and lease, and the one transaction under way.

    joining ──► joined ◄──► unsure (a reply was lost: nothing is written before a resync, R16)
       ▲           │
       └── refused, or the database forgot (R19): no worker of it may live when the next one begins (R1)

At most one commit and one claim are under way, and both leave together (R11). Knows nothing of workers.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from random import Random

from hydra.dispatch.claims import Claims
from hydra.dispatch.effects import Effects
from hydra.dispatch.events import ExtendLease, Park, Recover, Register, SendBeat, SendClaim, SendCommit, SendResync
from hydra.dispatch.lease import Lease
from hydra.dispatch.outbox import Outbox, Pair
from hydra.dispatch.reports import Reports
from hydra.dispatch.rewind import Acknowledged
from hydra.dispatch.slots import NEVER_NS
from hydra.stores.store import Beat

RETRY_MIN_NS = 20_000_000
RETRY_MAX_NS = 1_000_000_000


class Phase(Enum):
    JOINING = "joining"
    JOINED = "joined"
    UNSURE = "unsure"


class Registration:
    def __init__(self, ttl_ns: int, random: Random, effects: Effects, now_ns: int, *, can_rewind: bool = False) -> None:
        self.phase = Phase.JOINING
        self.is_asking = False  # a registration, resync or recovery is under way
        self.lease = Lease(ttl_ns, now_ns)
        self.claims = Claims(random, now_ns)
        self.outbox = Outbox()
        self.acknowledged = Acknowledged(is_kept=can_rewind)
        self.rewound_count = 0  # how often the database had lost what it confirmed
        self.reports = Reports()
        self._effects = effects
        self._must_resync = False
        self._to_park: Park | None = None  # before this node registers again
        self._had_work = False  # something waited for its commit after the last event
        self._retry_ns = RETRY_MIN_NS
        self._retry_at_ns = now_ns  # of the registration, the commit or the resync, whichever the phase asks for

    @property
    def is_idle(self) -> bool:
        """Nothing is under way and nothing waits to be written."""
        return not (self.is_asking or len(self.outbox) or self.claims.asked or self._to_park)

    @property
    def is_answered(self) -> bool:
        """Joined, and the last thing asked for did not fail."""
        return self.phase is Phase.JOINED and self._retry_ns == RETRY_MIN_NS

    # registering

    def registered(self, sent_ns: int, now_ns: int) -> None:
        self._effects.do(ExtendLease(self.lease.begin(sent_ns, now_ns)))
        self.acknowledged.begin()
        self.claims.begin(now_ns)
        self._join(now_ns)

    def register_failed(self, message: str, now_ns: int) -> None:
        self.is_asking = False
        self._back_off(f"cannot register with the database: {message}", now_ns)

    def refuse(self, now_ns: int, to_park: Park | None) -> None:
        """It is over: nothing of this registration may be written any more (G2), but that something was forgotten."""
        self._to_park = to_park
        self._retry_ns = RETRY_MIN_NS
        self.phase = Phase.JOINING
        self.is_asking = False
        self._retry_at_ns = now_ns
        self.lease.end()
        self.claims.begin(now_ns)
        self.outbox.clear()

    def parked(self, now_ns: int) -> None:
        self._to_park = None
        self.is_asking = False
        self._retry_at_ns = now_ns

    def park_failed(self, message: str, now_ns: int) -> None:
        self.is_asking = False
        self._back_off(f"cannot park what the database may have lost: {message}", now_ns)

    def _join(self, now_ns: int) -> None:
        self.phase = Phase.JOINED
        self.is_asking = False
        self._must_resync = False
        self._retry_ns = RETRY_MIN_NS
        self._retry_at_ns = now_ns

    # beats

    def beaten(self, sent_ns: int, beat: Beat, held_count: int, now_ns: int) -> None:
        self.lease.answered()
        self.reports.written()
        self._effects.do(ExtendLease(self.lease.extend(sent_ns)))
        is_next = self.acknowledged.beaten(beat.counter)
        if self.phase is Phase.JOINED:
            self.claims.recovered(now_ns)
            if not is_next:
                self._must_resync = True
                self._effects.log("warning", "the database has forgotten a heartbeat of this node")
            elif beat.running_count != held_count:
                self._must_resync = True
                counted = beat.running_count
                message = f"the database counts {counted} running executions of this node, not {held_count}"
                self._effects.log("warning", message)

    def beat_failed(self, message: str, now_ns: int) -> None:
        if self.lease.failed(now_ns + RETRY_MAX_NS):
            self._effects.log("warning", f"a heartbeat failed and will be repeated: {message}")

    # commits and claims

    def commit_done(self, batch: int, now_ns: int) -> list[Pair]:
        """What was in the batch; nothing when it is an answer to something given up."""
        if batch != self.outbox.batch or not self.outbox.under_way:
            return []
        self._retry_ns = RETRY_MIN_NS
        self.lease.journal_moved(now_ns)
        return self.outbox.written()

    def commit_failed(self, batch: int, message: str, now_ns: int) -> None:
        if batch == self.outbox.batch and self.outbox.under_way:
            self.outbox.failed()
            self._back_off(f"a commit failed and will be repeated: {message}", now_ns)

    def claim_done(self, count: int, now_ns: int) -> bool:
        """Whether it answers the claim under way."""
        if self.phase is not Phase.JOINED or not self.claims.asked:
            return False
        self.claims.answered(count, now_ns)
        return True

    def claim_failed(self, message: str, now_ns: int) -> None:
        if self.claims.failed(now_ns):
            self._effects.log("warning", f"a claim failed and will be repeated: {message}")

    # lost replies

    def unknown(self, message: str, now_ns: int) -> None:
        if self.phase is Phase.JOINING:
            return
        self._effects.log("warning", f"the database may or may not have done what was asked: {message}")
        self._doubt(now_ns)

    def reconnected(self, now_ns: int) -> None:
        """Another connection, perhaps to another server: proven first (R19)."""
        if self.phase is not Phase.JOINING:
            self._effects.log("info", "connected to the database anew: reading back what this node owns")
            self._doubt(now_ns)

    def resync_failed(self, message: str, now_ns: int) -> None:
        if self.phase is Phase.UNSURE:
            self.is_asking = False
            self._back_off(f"cannot read back what this node owns: {message}", now_ns)

    def recover(self, ids: list[str], now_ns: int) -> None:
        """Known again is what was sent; what the database knows besides is read back first."""
        self.lease.journal_moved(now_ns)
        if ids:
            self._effects.log("info", f"reading back {len(ids)} executions whose claim was not answered")
            self._effects.do(Recover(ids))
        else:
            self.rejoin(now_ns)

    def rejoin(self, now_ns: int) -> None:
        self.claims.begin(now_ns)
        self._join(now_ns)

    def _doubt(self, now_ns: int) -> None:
        self.phase = Phase.UNSURE
        self.is_asking = False
        self.lease.answered()
        self._retry_at_ns = now_ns

    # what follows from the state

    def settle(self, now_ns: int, places: Callable[[], tuple[int, int]] | None, *, may_register: bool) -> None:
        """`places` are the free ones and the capacity; None when nothing may be claimed."""
        if self.phase is Phase.JOINED:
            self._write(now_ns, places)
            if now_ns >= self.lease.beat_at_ns and self.lease.may_beat(now_ns):
                self.lease.beat(now_ns)
                self._effects.do(SendBeat(self.reports.send()))
        if self.phase is not Phase.JOINED and not self.is_asking and now_ns >= self._retry_at_ns:
            if self.phase is Phase.UNSURE:
                self.is_asking = True
                self._effects.do(SendResync(self.acknowledged.questions(self.outbox.under_way)))
            elif self._to_park is not None:
                self.is_asking = True
                self._effects.do(self._to_park)
            elif may_register:
                self.is_asking = True
                self._effects.do(Register())

    def wake_at_ns(self, now_ns: int, *, may_claim: bool) -> int:
        """The next instant after `now_ns` at which time alone makes something due."""
        if self.phase is not Phase.JOINED:
            return self._retry_at_ns if self._retry_at_ns > now_ns else NEVER_NS
        candidates = [self.lease.beat_at_ns]
        if self.outbox.has_waiting:
            candidates.append(self._retry_at_ns)
        if may_claim and not self.claims.asked:
            candidates.append(max(self.claims.wake_ns, self._retry_at_ns))
        return min((at_ns for at_ns in candidates if at_ns > now_ns), default=NEVER_NS)

    def _write(self, now_ns: int, places: Callable[[], tuple[int, int]] | None) -> None:
        if not self._had_work:
            self.lease.journal_moved(now_ns)
        if not self.outbox.under_way and not self.claims.asked:
            if self._must_resync:
                self._doubt(now_ns)
            elif now_ns >= self._retry_at_ns:
                self._write_now(now_ns, places)
        self._had_work = bool(len(self.outbox))

    def _write_now(self, now_ns: int, places: Callable[[], tuple[int, int]] | None) -> None:
        if self.outbox.has_waiting:
            commits = self.outbox.take()
            if commits:
                self._effects.do(SendCommit(self.outbox.batch, commits))
        if places is not None and self.claims.is_due(now_ns) and now_ns < self.lease.deadline_ns:
            free, capacity = places()
            count = self.claims.count(free, capacity, now_ns)
            if count:
                self.claims.send(count)
                self._effects.do(SendClaim(count))

    def _back_off(self, message: str, now_ns: int) -> None:
        """Wait before the next registration, commit or resync; an outage is told once."""
        if self._retry_ns == RETRY_MIN_NS:
            self._effects.log("warning", message)
        self._retry_at_ns = now_ns + self._retry_ns
        self._retry_ns = min(self._retry_ns * 2, RETRY_MAX_NS)
