"""A node's standing with the database: its registration and lease, and the one transaction under way.

    joining ──► joined ◄──► unsure (a reply was lost: nothing is written before a resync, R16)
       ▲           │
       └── refused, or the database forgot (R19): no worker of it may live when the next one begins (R1), and after a
           failover all nodes have had a lease's time to park what they know more of

At most one commit and one claim are under way, and both leave together (R11). Knows nothing of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from random import Random

from hydra.dispatch.circuits import DatabaseCircuits, NodeCircuits
from hydra.dispatch.claims import Claims
from hydra.dispatch.effects import Effects
from hydra.dispatch.events import (
    BeatFailed,
    ClaimFailed,
    CommitFailed,
    ExtendLease,
    OutcomeUnknown,
    Park,
    Parked,
    ParkFailed,
    Reconnected,
    Recover,
    Register,
    Registered,
    RegisterFailed,
    ResyncFailed,
    SendBeat,
    SendClaim,
    SendCommit,
    SendResync,
    WorkHint,
)
from hydra.dispatch.failover import MAX_ENDS, REASON, Acknowledged
from hydra.dispatch.lease import Lease
from hydra.dispatch.listeners import Listeners
from hydra.dispatch.outbox import Outbox, Pair
from hydra.dispatch.owned import OwnedExecution
from hydra.dispatch.reports import Reports
from hydra.dispatch.slots import NEVER_NS
from hydra.stores.node_states import Beat

PROBE_COUNT = 1  # executions that a claim asks for while it is unsure whether claims work


class Phase(Enum):
    JOINING = "joining"
    JOINED = "joined"
    UNSURE = "unsure"


class Registration:
    def __init__(
        self,
        ttl_ns: int,
        random: Random,
        effects: Effects,
        now_ns: int,
        *,
        can_rewind: bool = False,
        circuits: NodeCircuits | None = None,
        open_circuits: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self.phase = Phase.JOINING
        self.is_asking = False  # a registration, resync or recovery is under way
        self._ttl_ns = ttl_ns
        self.lease = Lease(ttl_ns, now_ns)
        self.circuits = DatabaseCircuits(circuits or NodeCircuits(), random, effects)
        self.claims = Claims(random, now_ns)
        self.outbox = Outbox()
        self.acknowledged = Acknowledged(is_kept=can_rewind)
        self.rewound_count = 0  # how often the database had lost what it confirmed
        self.reports = Reports()
        self.listeners = Listeners()
        self._open_circuits = open_circuits
        self._effects = effects
        self._must_resync = False
        self._to_park: Park | None = None  # before this node registers again
        self._parked: Park | None = None  # what was parked last, to be held against the database again if it changes
        self._must_settle = False  # the database went back: parked once more a lease later, then this node registers
        self._had_work = False  # something waited for its commit after the last event
        self._was_commit = False  # what was written last while claims fail
        self._is_beat_a_probe = False  # the one under way: of the commit circuit
        self._retry_at_ns = now_ns  # of the registration, the commit or the resync, whichever the phase asks for

    @property
    def is_idle(self) -> bool:
        """Nothing is under way and nothing waits to be written."""
        return self.outbox.is_empty and not (self.is_asking or self.claims.asked or self._to_park)

    @property
    def is_answered(self) -> bool:
        """Joined, and the last thing asked for did not fail."""
        return self.phase is Phase.JOINED and not self.circuits.commit.is_failing

    # registering

    def registered(self, event: Registered, now_ns: int) -> None:
        self._effects.do(ExtendLease(self.lease.begin(event.sent_ns, now_ns)))
        self._parked = None
        self.acknowledged.begin()
        self.claims.begin(now_ns)
        self._join(now_ns)

    def register_failed(self, event: RegisterFailed, now_ns: int) -> None:
        self.is_asking = False
        # guard R19: a registration that meets another connection than the parking did is preceded by another parking
        self._to_park, self._parked = self._parked, None  # over another connection, perhaps to another server
        self._back_off(f"cannot register with the database: {event.message}", now_ns)

    def refuse(self, now_ns: int, given_up: Iterable[OwnedExecution], *, is_rewound: bool) -> None:
        """It is over: nothing of this registration may be written any more (G2), but that something was forgotten."""
        # guard R19: the node parks what it knows to have come further
        advanced = self.acknowledged.advanced(given_up)
        if is_rewound:
            advanced = self.acknowledged.go_back(advanced)
        counter = self.acknowledged.beat_counter
        self._to_park = Park(advanced, counter, not is_rewound) if self.acknowledged.is_kept else None
        self._must_settle = is_rewound
        self._forget_calls()
        self.phase = Phase.JOINING
        self.is_asking = False
        self._retry_at_ns = now_ns
        self.lease.end()
        self.claims.begin(now_ns)
        self.outbox.clear()  # guard R16: a refused node forgets what it wanted to write
        self.listeners.clear()

    def tell_rewind(self, given_up_count: int) -> None:
        self.rewound_count += 1
        self._effects.log(
            "error",
            f"the database lost what it had confirmed to this node, which gives up {given_up_count} executions and "
            "registers again in a lease's time; was there a failover without synchronous replication, a restore, or a "
            "move to another database and back?",
        )
        forgotten_count = self.acknowledged.forgotten_count
        if forgotten_count:
            self._effects.log(
                "error",
                f"it remembers the last {MAX_ENDS} executions that ended here: whether {forgotten_count} "
                "others that ended before these went back, too, is not known, and none of them is parked",
            )

    def parked(self, event: Parked, now_ns: int) -> None:
        if event.is_rewound:
            self.tell_rewind(0)
        elif self._to_park is not None and self._to_park.is_refused:
            self._effects.log("error", "this node was declared dead, and registers again")
        if not self._all_parked(event, now_ns):
            return
        if event.gone:
            self._effects.log(
                "error",
                f"{len(event.gone)} executions that ran here are not in the database any more, such as "
                f"`{event.gone[0]}`: unless they were purged, whoever submits them again runs them from the start",
            )
        for id in event.elsewhere:
            self._effects.log("error", f"execution `{id}` runs on another node, and cannot be parked: {REASON}")

    def _all_parked(self, event: Parked, now_ns: int) -> bool:
        """Whether that was all. After a rewind the others may still be finding out: what they held is theirs to give
        up, and whoever took something now might do again what another node knows to be done. What is settled may have
        been resumed by then."""
        self.is_asking = False
        self.circuits.commit.answered(now_ns)
        park = self._to_park
        # guard R19: after a rewind a node waits until the others have parked, too
        if park is not None and (self._must_settle or event.is_rewound):
            self._must_settle = False
            advanced = self.acknowledged.go_back(park.advanced) if event.is_rewound else park.advanced
            settled = {*event.ids, *event.settled}
            left = [each for each in advanced if each.id not in settled]
            self._to_park = Park(left, park.beat_counter, False)
            self._retry_at_ns = now_ns + self._ttl_ns
            return False
        self._to_park = None
        self._parked = None if park is None else Park(park.advanced, park.beat_counter, False)
        self._retry_at_ns = now_ns
        return True

    def park_failed(self, event: ParkFailed, now_ns: int) -> None:
        self.is_asking = False
        self._back_off(f"cannot park what the database may have lost: {event.message}", now_ns)

    def _join(self, now_ns: int) -> None:
        self.phase = Phase.JOINED
        self.is_asking = False
        self._must_resync = False
        self.circuits.commit.answered(now_ns)
        self._retry_at_ns = now_ns

    # beats

    def beaten(self, sent_ns: int, beat: Beat, owned_count: int, now_ns: int) -> None:
        self.lease.answered()
        self.circuits.heartbeat.answered(now_ns)
        if self._is_beat_a_probe:
            self._is_beat_a_probe = False
            self.circuits.commit.answered(now_ns)
        self.reports.written()
        # guard R5: the deadline counts from before the beat was sent
        self._effects.do(ExtendLease(self.lease.extend(sent_ns)))
        is_next = self.acknowledged.beaten(beat.counter)
        if self.phase is Phase.JOINED:
            self.circuits.claim.expect()
            if not is_next:
                self._must_resync = True
                self._effects.log("warning", "the database has forgotten a heartbeat of this node")
            elif beat.running_count != owned_count:  # guard R16: each heartbeat compares how many executions run
                self._must_resync = True
                counted = beat.running_count
                message = f"the database counts {counted} running executions of this node, not {owned_count}"
                self._effects.log("warning", message)

    def beat_failed(self, event: BeatFailed, now_ns: int) -> None:
        self.listeners.hint()
        if self.circuits.heartbeat.failed(now_ns):
            self._effects.log("warning", f"a heartbeat failed and will be repeated: {event.message}")
        if self._is_beat_a_probe:
            self._is_beat_a_probe = False
            self.circuits.commit.failed(now_ns)
        self.lease.failed(self.circuits.heartbeat.due_at_ns)

    # commits and claims

    def commit_done(self, batch: int, now_ns: int) -> list[Pair]:
        """What was in the batch; nothing when it is an answer to something given up."""
        if batch != self.outbox.batch or not self.outbox.under_way:
            return []
        self.circuits.commit.answered(now_ns)
        self.lease.journal_moved(now_ns)
        return self.outbox.written()

    def commit_failed(self, event: CommitFailed, now_ns: int) -> None:
        if event.batch == self.outbox.batch and self.outbox.under_way:
            self.outbox.failed()
            self._back_off(f"a commit failed and will be repeated: {event.message}", now_ns)

    def claim_done(self, count: int, now_ns: int) -> bool:
        """Whether it answers the claim under way."""
        if self.phase is not Phase.JOINED or not self.claims.asked:
            return False
        self.circuits.claim.answered(now_ns)
        self.claims.answered(count, now_ns)
        return True

    def work_hint(self, _: WorkHint, now_ns: int) -> None:
        self.claims.hint(now_ns)
        self.listeners.hint()

    def claim_failed(self, event: ClaimFailed, now_ns: int) -> None:
        self.claims.failed(now_ns)
        if self.circuits.claim.failed(now_ns):
            self._effects.log("warning", f"a claim failed and will be repeated: {event.message}")

    # lost replies

    def outcome_unknown(self, event: OutcomeUnknown, now_ns: int) -> None:
        if self.phase is Phase.JOINING:
            return
        self._effects.log("warning", f"the database may or may not have done what was asked: {event.message}")
        self.circuits.lost(now_ns)
        self._doubt(now_ns)

    def reconnected(self, _: Reconnected, now_ns: int) -> None:
        """Another connection, perhaps to another server: proven first (R19)."""
        if self.phase is not Phase.JOINING:
            self._effects.log("info", "connected to the database again: reading back what this node owns")
            self._doubt(now_ns)

    def resync_failed(self, event: ResyncFailed, now_ns: int) -> None:
        if self.phase is Phase.UNSURE:
            self.is_asking = False
            self._back_off(f"cannot read back what this node owns: {event.message}", now_ns)

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

    def resync_next(self) -> None:
        """Something the database said cannot be: it is asked what there is, before anything more is written."""
        self._must_resync = True

    def _doubt(self, now_ns: int) -> None:
        self.phase = Phase.UNSURE  # guard R16: nothing is sent after a lost reply before a resync
        self.is_asking = False
        self.lease.answered()
        self._forget_calls()
        self.listeners.hint()
        self._retry_at_ns = max(now_ns, self.circuits.commit.due_at_ns)

    def _forget_calls(self) -> None:
        self._is_beat_a_probe = False
        self.circuits.released()

    # what follows from the state

    def settle(self, now_ns: int, places: Callable[[], tuple[int, int]] | None, *, may_register: bool) -> None:
        """`places` are the free ones and the capacity; None when nothing may be claimed."""
        if self.phase is Phase.JOINED:
            self._write(now_ns, places)
            if now_ns >= self._beat_at_ns() and self.lease.may_beat(now_ns):
                self.lease.beat(now_ns)
                self.circuits.heartbeat.begin(now_ns)
                self._is_beat_a_probe = self.outbox.is_empty and now_ns >= self.circuits.commit.probe_at_ns
                if self._is_beat_a_probe:
                    self.circuits.commit.begin(now_ns)
                self._effects.do(SendBeat(self.reports.send(), self.listeners.ask(now_ns), self._open_circuits()))
        if self.phase is not Phase.JOINED and not self.is_asking and now_ns >= self._retry_at_ns:
            if self.phase is Phase.UNSURE:
                self._ask(now_ns)
                self._effects.do(SendResync(self.acknowledged.questions(self.outbox.under_way)))
            elif self._to_park is not None:
                self._ask(now_ns)
                self._effects.do(self._to_park)
            elif may_register:
                self._ask(now_ns)
                self._effects.do(Register())

    def wake_at_ns(self, now_ns: int, *, may_claim: bool) -> int:
        """The next instant after `now_ns` at which time alone makes something due."""
        if self.phase is not Phase.JOINED:
            return self._retry_at_ns if self._retry_at_ns > now_ns else NEVER_NS
        wake_at_ns = self._beat_at_ns()
        if wake_at_ns <= now_ns:
            wake_at_ns = NEVER_NS
        if now_ns < self._retry_at_ns < wake_at_ns and self.outbox.has_waiting:
            wake_at_ns = self._retry_at_ns
        if may_claim and not self.claims.asked and self.circuits.may_claim:
            claim_at_ns = max(self.claims.wake_ns, self._retry_at_ns, self.circuits.claim.due_at_ns)
            if now_ns < claim_at_ns < wake_at_ns:
                wake_at_ns = claim_at_ns
        return wake_at_ns

    def _write(self, now_ns: int, places: Callable[[], tuple[int, int]] | None) -> None:
        if not self._had_work:  # guard R4: an empty journal moves
            self.lease.journal_moved(now_ns)
        # guard R11: one commit and one claim are under way at a time
        # guard R11: one commit is under way at a time
        if not self.outbox.under_way and not self.claims.asked:
            if self._must_resync:
                self._doubt(now_ns)
            elif now_ns >= self._retry_at_ns:
                self._write_now(now_ns, places)
        self._had_work = not self.outbox.is_empty

    def _write_now(self, now_ns: int, places: Callable[[], tuple[int, int]] | None) -> None:
        # guard R5: nothing is claimed past the deadline
        may_claim = places is not None and self._may_claim(now_ns) and now_ns < self.lease.deadline_ns
        count = self._claim_count(now_ns, *places()) if may_claim and places is not None else 0
        is_claim_alone = self.circuits.claim.is_failing  # so that no commit fails of it
        if self.outbox.has_waiting and not (count and is_claim_alone and self._was_commit):
            commits = self.outbox.take()
            if commits:
                self._was_commit = True
                self.circuits.commit.begin(now_ns)
                self._effects.do(SendCommit(self.outbox.batch, commits))
                if is_claim_alone:
                    return
        if count:
            self._was_commit = False
            self.circuits.claim.begin(now_ns)
            self.claims.send(count, now_ns)
            self._effects.do(SendClaim(count))

    def _may_claim(self, now_ns: int) -> bool:
        circuits = self.circuits
        # guard G7: nothing is claimed while it is unsure that what is owned can be written and kept
        return circuits.may_claim and now_ns >= circuits.claim.due_at_ns and self.claims.is_due(now_ns)

    def _claim_count(self, now_ns: int, free: int, capacity: int) -> int:
        count = self.claims.count(free, capacity, now_ns)
        is_whole = self.circuits.claim.is_closed or self.circuits.claim.is_slow
        return count if is_whole else min(count, PROBE_COUNT)

    def _beat_at_ns(self) -> int:
        circuits = self.circuits
        at_ns = min(self.lease.beat_at_ns, self.listeners.due_ns())
        if not circuits.heartbeat.is_closed:
            at_ns = min(at_ns, circuits.heartbeat.probe_at_ns)
        if not circuits.commit.is_closed and self.outbox.is_empty:  # nothing else finds out whether commits work again
            at_ns = min(at_ns, circuits.commit.probe_at_ns)
        return at_ns

    def _ask(self, now_ns: int) -> None:
        self.is_asking = True
        self.circuits.commit.begin(now_ns)

    def _back_off(self, message: str, now_ns: int) -> None:
        """Wait before the next registration, commit or resync; an outage is told once."""
        if self.circuits.commit.failed(now_ns):
            self._effects.log("warning", message)
        self._retry_at_ns = self.circuits.commit.due_at_ns
