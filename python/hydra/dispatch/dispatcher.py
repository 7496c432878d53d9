"""The brain of a node: events in, actions out, time passed in. No I/O, no clock, no threads.

    database ◄── registration (lease, claims, outbox) ◄── owned executions ──► workers (slots) ──► inbox
                                                              shutdown

The shell does actions in the order given and answers every Register, SendBeat, SendClaim, SendCommit, SendResync and
Recover in the order in which the database did them; OutcomeUnknown and Refused stand for all that was asked before.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from hydra.circuit_breaker import CircuitState
from hydra.dispatch import events
from hydra.dispatch.circuits import CircuitView, NodeCircuits, view_of
from hydra.dispatch.effects import Effects
from hydra.dispatch.inbox import Inbox
from hydra.dispatch.owned import OwnedExecution
from hydra.dispatch.owned_executions import OwnedExecutions
from hydra.dispatch.registration import Phase, Registration
from hydra.dispatch.shutdown import Shutdown
from hydra.dispatch.slots import NEVER_NS, State
from hydra.dispatch.step_breakers import StepBreakers
from hydra.dispatch.worker_ends import DATABASE_WENT_BACK, LEASE_LOST, WorkerEnd
from hydra.dispatch.workers import Workers


class NodeSettings(msgspec.Struct, frozen=True):
    """What the user chose for a node."""

    slots: int
    concurrency: int = 64
    lease_ttl_ns: int = 10_000_000_000
    drain_grace_ns: int = 20_000_000_000
    can_rewind: bool = True  # the database may go back behind what it confirmed (R19); simulations of other rules: not
    circuits: NodeCircuits = NodeCircuits()


class Standing(msgspec.Struct, frozen=True):
    """How a node is, for those who watch it. `workers` are (state, whether it may take work) of each that exists."""

    is_registered: bool
    is_draining: bool
    lease_deadline_ns: int
    running_count: int
    workers: list[tuple[str, bool]]
    circuits: list[CircuitView] = []


class Dispatcher:
    """The first Tick starts it. `handle` is for one thread; chance comes only from the generator given."""

    def __init__(self, settings: NodeSettings, now_ns: int, random: Random) -> None:
        self._settings = settings
        self._effects = effects = Effects()
        self._registration = registration = Registration(
            settings.lease_ttl_ns,
            random,
            effects,
            now_ns,
            can_rewind=settings.can_rewind,
            circuits=settings.circuits,
            open_circuits=self._open_circuits,
        )
        self._workers = workers = Workers(
            settings.slots, settings.concurrency, effects, random, settings.circuits.dispatch
        )
        self._owned = owned = OwnedExecutions(
            settings.concurrency, registration, workers, effects, can_rewind=settings.can_rewind
        )
        self._breakers = breakers = StepBreakers(workers, effects, random)
        self._inbox = inbox = Inbox(settings.concurrency, registration, workers, breakers, effects)
        self._shutdown = shutdown = Shutdown(
            settings.drain_grace_ns, settings.lease_ttl_ns, owned, registration, workers, effects
        )
        self._woken_at_ns = 0
        self._handlers: dict[type[events.Event], Callable[[Any, int], None]] = {
            events.Registered: self._registered,
            events.RegisterFailed: registration.register_failed,
            events.Refused: self._refused,
            events.Parked: registration.parked,
            events.ParkFailed: registration.park_failed,
            events.Beaten: owned.beaten,
            events.BeatFailed: registration.beat_failed,
            events.ClaimDone: owned.claim_done,
            events.ClaimFailed: registration.claim_failed,
            events.WorkHint: registration.work_hint,
            events.CommitDone: owned.commit_done,
            events.CommitFailed: registration.commit_failed,
            events.OutcomeUnknown: owned.outcome_unknown,
            events.Reconnected: registration.reconnected,
            events.Resynced: self._resynced,
            events.ResyncFailed: registration.resync_failed,
            events.Recovered: owned.recovered,
            events.WorkerStarted: workers.worker_started,
            events.WorkerEnding: workers.worker_ending,
            events.WorkerGone: inbox.worker_gone,
            events.WorkerSilent: workers.worker_silent,
            events.WorkerStalled: workers.worker_stalled,
            events.WorkerOutgrown: self._worker_outgrown,
            events.Received: inbox.received,
            events.StepOverdue: workers.step_overdue,
            events.BodyOverdue: workers.body_overdue,
            events.BreakersSeen: breakers.seen,
            events.Tick: self._tick,
            events.DrainAsked: shutdown.drain_asked,
            events.StopAsked: shutdown.stop_asked,
            events.Reload: self._reload,
        }

    @property
    def owned_count(self) -> int:
        """Executions this node owns."""
        return len(self._owned)

    @property
    def waiting_count(self) -> int:
        """Of these, how many wait for a place on a worker."""
        return self._workers.waiting_count

    def standing(self) -> Standing:
        """May be asked from any thread: it reads what one event leaves behind, and perhaps half of the next."""
        slots = [slot for slot in self._workers.slots if slot.state is not State.EMPTY]
        return Standing(
            self._registration.phase is not Phase.JOINING,
            self._workers.is_draining,
            self._registration.lease.deadline_ns,
            sum(len(slot.runs) for slot in slots),
            [(slot.state.value, slot.is_usable) for slot in slots],
            [each.view() for each in self._registration.circuits]
            + [view_of(slot.breaker, "dispatch", str(slot.number)) for slot in self._workers.slots if slot.is_wanted]
            + self._breakers.views(),
        )

    def _open_circuits(self) -> dict[str, str]:
        """Of this node's those that are not closed, and why; those of workers by their place."""
        slots = [(f"dispatch {slot.number}", slot.breaker) for slot in self._workers.slots if slot.is_wanted]
        views = [view_of(breaker, name) for name, breaker in slots if breaker.state is not CircuitState.CLOSED]
        views += [view for view in (each.view() for each in self._registration.circuits) if view.reason]
        return {view.circuit: f"{view.state.replace('_', '-')}: {view.reason}" for view in views}

    def running(self, slot: int, tokens: list[int]) -> list[OwnedExecution]:
        """Those of the dispatches that run on that worker."""
        runs = self._workers.slots[slot].runs
        return [runs[token] for token in tokens if token in runs]

    def handle(self, event: events.Event, now_ns: int) -> list[events.Action]:
        if self._shutdown.has_left:
            return []
        self._handlers[type(event)](event, now_ns)
        self._settle(now_ns)
        return self._effects.take()

    # what concerns more than one part

    def _registered(self, event: events.Registered, now_ns: int) -> None:
        self._registration.registered(event, now_ns)
        self._workers.touch()

    def _refused(self, _: events.Refused, now_ns: int) -> None:
        """Every worker is killed, and gone before the node registers again under a new identity (R1, G2)."""
        if self._registration.phase is Phase.JOINING:
            return
        self._effects.log(
            "error", f"the database refuses this node's writes: it gives up {len(self._owned)} executions"
        )
        self._give_up(LEASE_LOST, now_ns, is_rewound=False)

    def _resynced(self, event: events.Resynced, now_ns: int) -> None:
        if self._registration.phase is not Phase.UNSURE:
            return
        if self._owned.is_missing(event):
            self._rewind(now_ns)
        else:
            self._owned.resynced(event, now_ns)

    def _rewind(self, now_ns: int) -> None:
        """The database lost what it had confirmed: nothing here may go on, or be silently done again (R19)."""
        self._registration.tell_rewind(len(self._owned))
        self._effects.do(events.Renew())
        self._give_up(DATABASE_WENT_BACK, now_ns, is_rewound=True)

    def _give_up(self, reason: WorkerEnd, now_ns: int, *, is_rewound: bool) -> None:
        self._registration.refuse(now_ns, self._owned.give_up(), is_rewound=is_rewound)
        self._effects.drop_frames()
        self._workers.kill_all(reason)  # guard R1: a refused node kills its workers

    def _reload(self, _: events.Reload, now_ns: int) -> None:
        self._effects.log("info", "new workers run the new code, the old ones drain")
        self._workers.reload(now_ns + self._settings.drain_grace_ns)

    def _worker_outgrown(self, event: events.WorkerOutgrown, now_ns: int) -> None:
        self._workers.replace_outgrown(event, now_ns + self._settings.drain_grace_ns)

    def _tick(self, _: events.Tick, now_ns: int) -> None:
        """Time passed: `_settle` sees to what is due."""

    # what follows from the state, after every event

    def _settle(self, now_ns: int) -> None:
        registration, workers = self._registration, self._workers
        is_draining = workers.is_draining
        is_joined = registration.phase is not Phase.JOINING
        if is_joined and workers.waiting_count:
            workers.place()
            if registration.phase is Phase.JOINED:
                for owned in workers.take_overdue(now_ns):
                    self._owned.release(owned)
        look_at_ns = workers.start_and_kill(now_ns, may_start=is_joined and not is_draining)
        places = None if is_draining else workers.free_and_capacity
        # guard R1: a refused node registers again only when every worker is gone
        registration.settle(now_ns, places, may_register=not is_draining and workers.is_gone)
        if is_draining:
            self._shutdown.settle(now_ns)
        wake_at_ns = registration.wake_at_ns(now_ns, may_claim=not is_draining)
        for at_ns in (look_at_ns, workers.overdue_at_ns, self._shutdown.leave_at_ns):
            if now_ns < at_ns < wake_at_ns:
                wake_at_ns = at_ns
        if wake_at_ns != self._woken_at_ns and wake_at_ns != NEVER_NS:
            self._woken_at_ns = wake_at_ns
            self._effects.do(events.WakeAt(wake_at_ns))
