"""The brain of a node: events in, actions out, time passed in. No I/O, no clock, no threads.

    database ◄── registration (lease, claims, outbox) ◄── dispatcher (executions held) ──► crew (slots) ──► workers

The shell does actions in the order given and answers every Register, SendBeat, SendClaim, SendCommit, SendResync and
Recover in the order in which the database did them; OutcomeUnknown and Refused stand for all that was asked before.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from hydra._core import encode
from hydra.dispatch import events, rewind
from hydra.dispatch.crew import Crew
from hydra.dispatch.effects import Effects
from hydra.dispatch.held import ALONE_DEATHS_MAX, NOWHERE, Held
from hydra.dispatch.outbox import Pair
from hydra.dispatch.registration import Phase, Registration
from hydra.dispatch.slots import NEVER_NS, Slot, State
from hydra.execution import Claimed, End, Ending, Record
from hydra.frames import Committed, Deliver, Durable, Ended, Progressed, Recorded, Recycle
from hydra.stores.store import Owned

LEAVE_NS = 5_000_000_000  # after the drain: how long the last commits may take
STOP_LEAVE_NS = 2_000_000_000


class Settings(msgspec.Struct, frozen=True):
    """What the user chose for a node."""

    slots: int
    concurrency: int = 64
    lease_ttl_ns: int = 10_000_000_000
    drain_grace_ns: int = 20_000_000_000
    can_rewind: bool = False  # the database may fail over to one that does not know all that was confirmed (R19)


class Standing(msgspec.Struct, frozen=True):
    """How a node is, for those who watch it. `workers` are (state, whether it may take work) of each that exists."""

    is_registered: bool
    is_draining: bool
    lease_deadline_ns: int
    running_count: int
    workers: list[tuple[str, bool]]


class Dispatcher:
    """The first Tick starts it. `handle` is for one thread; chance comes only from the generator given."""

    def __init__(self, settings: Settings, now_ns: int, random: Random) -> None:
        self._settings = settings
        self._now_ns = now_ns
        self._effects = Effects()
        self._registration = Registration(
            settings.lease_ttl_ns, random, self._effects, now_ns, can_rewind=settings.can_rewind
        )
        self._crew = Crew(settings.slots, settings.concurrency, self._effects)
        self._held: dict[str, Held] = {}
        self._is_draining = False
        self._has_left = False
        self._leave_at_ns = NEVER_NS
        self._woken_at_ns = 0
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.Registered: self._registered,
            events.RegisterFailed: self._register_failed,
            events.Refused: self._refused,
            events.Beaten: self._beaten,
            events.BeatFailed: self._beat_failed,
            events.ClaimDone: self._claim_done,
            events.ClaimFailed: self._claim_failed,
            events.CommitDone: self._commit_done,
            events.CommitFailed: self._commit_failed,
            events.OutcomeUnknown: self._outcome_unknown,
            events.Reconnected: self._reconnected,
            events.Resynced: self._resynced,
            events.ResyncFailed: self._resync_failed,
            events.Recovered: self._recovered,
            events.Parked: self._parked,
            events.ParkFailed: self._park_failed,
            events.WorkHint: self._work_hint,
            events.WorkerStarted: self._worker_started,
            events.WorkerGone: self._worker_gone,
            events.Received: self._received,
            events.StepOverdue: self._step_overdue,
            events.WorkerSilent: self._worker_silent,
            events.WorkerStalled: self._worker_stalled,
            events.Tick: self._tick,
            events.DrainAsked: self._drain_asked,
            events.StopAsked: self._stop_asked,
            events.Reload: self._reload,
        }

    @property
    def held_count(self) -> int:
        """Executions this node owns."""
        return len(self._held)

    @property
    def waiting_count(self) -> int:
        """Of these, how many wait for a place on a worker."""
        return self._crew.waiting_count

    def standing(self) -> Standing:
        """May be asked from any thread: it reads what one event leaves behind, and perhaps half of the next."""
        slots = [slot for slot in self._crew.slots if slot.state is not State.EMPTY]
        return Standing(
            self._registration.phase is not Phase.JOINING,
            self._is_draining,
            self._registration.lease.deadline_ns,
            sum(len(slot.runs) for slot in slots),
            [(slot.state.value, slot.is_usable) for slot in slots],
        )

    def running(self, slot: int, tokens: list[int]) -> list[Held]:
        """Those of the dispatches that run on that worker."""
        runs = self._crew.slots[slot].runs
        return [runs[token] for token in tokens if token in runs]

    def handle(self, event: events.Event, now_ns: int) -> list[events.Action]:
        if self._has_left:
            return []
        self._now_ns = now_ns
        self._handlers[type(event)](event)
        self._settle()
        return self._effects.take()

    # this node's registration

    def _registered(self, event: events.Registered) -> None:
        self._registration.registered(event.sent_ns, self._now_ns)
        self._crew.touch()

    def _register_failed(self, event: events.RegisterFailed) -> None:
        self._registration.register_failed(event.message, self._now_ns)

    def _refused(self, _: events.Refused) -> None:
        """Every worker is killed, and gone before the node registers anew under a new identity (R1, G2)."""
        if self._registration.phase is Phase.JOINING:
            return
        self._effects.log("error", f"this node was declared dead: it gives up {len(self._held)} executions")
        self._give_up({}, "its node was declared dead")

    def _rewind(self, owned: dict[str, Owned]) -> None:
        """The database lost what it had confirmed: nothing here may go on, or be silently done again (R19)."""
        self._registration.rewound_count += 1
        self._effects.log(
            "error",
            f"the database lost what it had confirmed to this node, which gives up {len(self._held)} executions and "
            "registers anew; was there a failover without synchronous replication?",
        )
        forgotten_count = self._registration.acknowledged.forgotten_count
        if forgotten_count:
            self._effects.log(
                "error",
                f"it remembers the last {rewind.ENDS_MAX} executions that ended here: whether {forgotten_count} others "
                "that ended before these went back, too, is not known, and none of them is parked",
            )
        self._effects.do(events.Renew())
        self._give_up(owned, "the database lost what it had confirmed")

    def _give_up(self, owned: dict[str, Owned], reason: str) -> None:
        advanced = self._registration.acknowledged.advanced(self._held.values())
        to_park = events.Park(advanced, rewind.parking(advanced, owned)) if advanced else None
        self._registration.refuse(self._now_ns, to_park)
        self._effects.drop_frames()
        self._crew.kill_all(reason)
        self._held.clear()

    def _parked(self, event: events.Parked) -> None:
        self._registration.parked(self._now_ns)
        for id in event.ids:
            self._effects.log("error", f"parked execution `{id}`: {rewind.REASON}")

    def _park_failed(self, event: events.ParkFailed) -> None:
        self._registration.park_failed(event.message, self._now_ns)

    def _beaten(self, event: events.Beaten) -> None:
        if self._registration.phase is Phase.JOINING:
            return
        self._registration.beaten(event.sent_ns, event.beat, len(self._held), self._now_ns)
        for attention in event.beat.attention:
            held = self._held.get(attention.id)
            if held is not None and held.epoch == attention.epoch:
                held.halt_reason = "timeout" if attention.kind == "timeout" else "cancelled"
                self._crew.halt(held)

        for message in event.beat.messages:
            held = self._held.get(message.execution_id)
            if held is not None and held.take(message) and held.slot != NOWHERE:
                self._crew.send(held.slot, Deliver(held.token, [message]))

    def _beat_failed(self, event: events.BeatFailed) -> None:
        self._registration.beat_failed(event.message, self._now_ns)

    # claims

    def _claim_done(self, event: events.ClaimDone) -> None:
        if self._registration.claim_done(len(event.executions), self._now_ns):
            self._take_over(event.executions)

    def _claim_failed(self, event: events.ClaimFailed) -> None:
        self._registration.claim_failed(event.message, self._now_ns)

    def _work_hint(self, _: events.WorkHint) -> None:
        self._registration.claims.hint(self._now_ns)

    def _take_over(self, executions: list[Claimed]) -> None:
        concurrency, now_ns = self._settings.concurrency, self._now_ns
        for execution in executions:
            held = Held(execution, concurrency, now_ns)
            self._held[held.id] = held
            if self._is_draining:
                self._release(held)
            else:
                self._crew.enqueue(held)

    # commits

    def _commit_done(self, event: events.CommitDone) -> None:
        pairs = self._registration.commit_done(event.batch, self._now_ns)
        if pairs:
            self._written([pair for pair, is_written in zip(pairs, event.written, strict=True) if is_written])
            for (held, _), is_written in zip(pairs, event.written, strict=True):
                if not is_written:
                    self._lose(held)

    def _commit_failed(self, event: events.CommitFailed) -> None:
        self._registration.commit_failed(event.batch, event.message, self._now_ns)

    def _outcome_unknown(self, event: events.OutcomeUnknown) -> None:
        self._registration.unknown(event.message, self._now_ns)

    def _reconnected(self, _: events.Reconnected) -> None:
        self._registration.reconnected(self._now_ns)

    def _resynced(self, event: events.Resynced) -> None:
        """Nothing of ours is under way in the database: what it says is the truth about every batch sent (R16)."""
        if self._registration.phase is not Phase.UNSURE:
            return
        owned = {item.id: item for item in event.owned}
        outbox, acknowledged = self._registration.outbox, self._registration.acknowledged
        found = {item.id: item for item in event.found}
        if acknowledged.is_missing(self._held, owned, event.counter, found, outbox.under_way):
            self._rewind(owned)
            return
        self._written(outbox.resolve(owned))
        for held in list(self._held.values()):
            item = owned.get(held.id)
            if item is None or item.epoch != held.epoch:
                self._lose(held)
        self._registration.recover([id for id in owned if id not in self._held], self._now_ns)

    def _resync_failed(self, event: events.ResyncFailed) -> None:
        self._registration.resync_failed(event.message, self._now_ns)

    def _recovered(self, event: events.Recovered) -> None:
        if self._registration.phase is Phase.UNSURE:
            self._take_over([execution for execution in event.executions if execution.id not in self._held])
            self._registration.rejoin(self._now_ns)

    def _written(self, pairs: list[Pair]) -> None:
        self._registration.acknowledged.written(pairs)
        durable: dict[int, Durable] = {}
        for held, commit in pairs:
            end = commit.end
            if end is None:
                if held.slot != NOWHERE:
                    frame = durable.get(held.slot)
                    if frame is None:
                        frame = durable[held.slot] = Durable([], [])
                    frame.tokens.append(held.token)
                    frame.seqs.append(commit.records[-1].seq)
            elif end.kind == Ending.CRASHED:
                held.reopen(self._now_ns)
                if self._is_draining:
                    self._release(held)
                else:
                    self._crew.enqueue(held)
            else:
                self._forget(held)
        for slot, frame in durable.items():
            self._crew.send(slot, frame)

    def _lose(self, held: Held) -> None:
        """The database says it is not ours: its body stops, and nothing of it is written."""
        self._effects.log("warning", f"lost execution `{held.id}`: it is not this node's any more")
        self._crew.withdraw(held)
        self._forget(held)

    def _forget(self, held: Held) -> None:
        held.commit = None
        if self._held.get(held.id) is held:
            del self._held[held.id]

    def _release(self, held: Held) -> None:
        self._registration.outbox.add(held, [], End(Ending.RELEASED))

    # workers

    def _worker_started(self, event: events.WorkerStarted) -> None:
        self._crew.greet(event.slot)

    def _received(self, event: events.Received) -> None:
        """The hot path: frames of a dispatch that is over find no execution, and are dropped."""
        slot = self._crew.slots[event.slot]
        runs = slot.runs
        add = self._registration.outbox.add
        ended_count = released_count = 0
        for frame in event.frames:
            if isinstance(frame, Recorded | Ended):
                held = runs.get(frame.token)
                if held is None:
                    continue
                slot.has_progressed = True
                records = frame.records
                end = frame.end if isinstance(frame, Ended) else None
                add(held, records, end)
                if records:
                    held.seq = records[-1].seq
                    held.new_records += records
                    if held.death_count:
                        self._progress(slot, held)
                if end is not None:
                    slot.remove(held)
                    if end.kind == Ending.RELEASED:
                        released_count += 1
                    else:
                        ended_count += 1
            elif isinstance(frame, Committed):
                held = runs.get(frame.token)
                if held is not None and frame.record.seq == held.seq + 1:  # not told twice, by socket and database
                    slot.has_progressed = True
                    held.seq = held.durable_seq = frame.record.seq
                    held.new_records.append(frame.record)
                    if held.death_count:
                        self._progress(slot, held)
            elif isinstance(frame, Progressed):
                held = runs.get(frame.token)
                if held is not None:
                    self._registration.reports.add(held.id, frame.progress)
            elif isinstance(frame, Recycle):
                self._crew.recycle(event.slot, frame.at_ns, frame.reason)
        if ended_count:
            self._registration.claims.ended(ended_count, self._now_ns)
        if released_count:
            self._registration.claims.handed_back(self._now_ns)
        if slot.is_closing:
            self._crew.touch()

    def _progress(self, slot: Slot, held: Held) -> None:
        held.progress(self._settings.concurrency)
        slot.measure()
        if held.commit is not None:
            held.commit.death_count = held.commit.alone_death_count = 0

    def _worker_gone(self, event: events.WorkerGone) -> None:
        """All its frames were handled before: the crashed tries follow them; dispatched again when durable (R22)."""
        slot = self._crew.slots[event.slot]
        crashes: dict[int, list[Record]] = {}
        for token, record in event.running:
            crashes.setdefault(token, []).append(record)
        victims = list(slot.runs.values())
        if victims:
            message = f"worker {slot.number} died ({event.reason}) with {len(victims)} executions, which start again"
            self._effects.log("warning", message)
        for held in victims:
            records = held.number(crashes.get(held.token, []))
            if slot.is_excused:
                self._registration.outbox.add(held, records, self._end_of_dispatch(event.reason))
            else:
                must_park = held.die(self._settings.concurrency, alone=len(victims) == 1)
                end = self._park(held, event.reason) if must_park else self._end_of_dispatch(event.reason)
                commit = self._registration.outbox.add(held, records, end)
                commit.death_count = held.death_count
                commit.alone_death_count = held.alone_death_count
            held.slot = NOWHERE
        self._crew.bury(event.slot, self._now_ns)

    def _end_of_dispatch(self, reason: str) -> End:
        return End(Ending.RELEASED if self._is_draining else Ending.CRASHED, cause=reason)

    def _park(self, held: Held, reason: str) -> End:
        sentence = (
            f"its worker died {ALONE_DEATHS_MAX} times in a row while it ran nothing else, the last time by {reason}; "
            f"find the cause, then `hydra resume {held.id}`"
        )
        self._effects.log("error", f"parked execution `{held.id}`: {sentence}")
        return End(Ending.PARKED, payload=encode(sentence), cause="poison")

    def _step_overdue(self, event: events.StepOverdue) -> None:
        self._crew.accuse(event.slot, event.token, self._now_ns)

    def _worker_silent(self, event: events.WorkerSilent) -> None:
        self._crew.kill(event.slot, "its process stood still")

    def _worker_stalled(self, event: events.WorkerStalled) -> None:
        self._crew.stall(event.slot, event.stalled)

    # the end, and a change of code

    def _tick(self, _: events.Tick) -> None:
        """Time passed: `_settle` sees to what is due."""

    def _drain_asked(self, _: events.DrainAsked) -> None:
        if not self._is_draining:
            grace_ns = self._settings.drain_grace_ns
            self._effects.log("info", f"draining: {len(self._held)} executions have {grace_ns // 1_000_000} ms")
            self._drain(self._now_ns + grace_ns, LEAVE_NS)

    def _stop_asked(self, _: events.StopAsked) -> None:
        self._drain(self._now_ns, STOP_LEAVE_NS)

    def _drain(self, at_ns: int, leave_ns: int) -> None:
        self._is_draining = True
        self._leave_at_ns = at_ns + leave_ns
        for held in self._crew.dismiss_all():
            self._release(held)
        self._crew.drain(at_ns)

    def _reload(self, _: events.Reload) -> None:
        self._effects.log("info", "new workers run the new code, the old ones drain")
        self._crew.reload(self._now_ns + self._settings.drain_grace_ns)

    def _leave(self) -> None:
        """Leave when all is written, or when the database has had its time."""
        registration = self._registration
        if self._crew.is_gone:
            self._leave_at_ns = min(self._leave_at_ns, self._now_ns + LEAVE_NS)
            is_done = registration.is_idle and registration.phase is not Phase.UNSURE
        else:
            is_done = False
        if not is_done and self._now_ns < self._leave_at_ns:
            return
        if self._held:
            reason = (
                "the database did not answer in time" if self._crew.is_gone else "their workers did not end in time"
            )
            self._effects.log(
                "warning",
                f"left without handing back {len(self._held)} executions, because {reason}; "
                f"they are due again when the lease ends, in {self._settings.lease_ttl_ns // 1_000_000} ms",
            )
        self._has_left = True
        # While a worker may live, only the end of the lease gives its executions to another node (R1).
        self._effects.do(events.Exit(0, registration.is_answered and self._crew.is_gone))

    # what follows from the state, after every event

    def _settle(self) -> None:
        now_ns, registration, crew = self._now_ns, self._registration, self._crew
        is_joined = registration.phase is not Phase.JOINING
        if is_joined and crew.waiting_count:
            crew.place()
            if registration.phase is Phase.JOINED:
                for held in crew.dismiss(now_ns):
                    self._release(held)
        tend_at_ns = crew.tend(now_ns, may_start=is_joined and not self._is_draining)
        places = None if self._is_draining else crew.free_and_capacity
        registration.settle(now_ns, places, may_register=not self._is_draining and crew.is_gone)
        if self._is_draining:
            self._leave()
        wake_at_ns = registration.wake_at_ns(now_ns, may_claim=not self._is_draining)
        for at_ns in (tend_at_ns, crew.dismiss_at_ns, self._leave_at_ns):
            if now_ns < at_ns < wake_at_ns:
                wake_at_ns = at_ns
        if wake_at_ns != self._woken_at_ns and wake_at_ns != NEVER_NS:
            self._woken_at_ns = wake_at_ns
            self._effects.do(events.WakeAt(wake_at_ns))
