"""The brain of a node: events in, actions out, time passed in. No I/O, no clock, no threads.

    joining ──► joined ◄──► unsure (a reply was lost: nothing is written before a resync, R16)
       ▲           │
       └── refused ┘ (every worker is killed and gone before the next registration, R1)          ──► left

The shell does actions in the order given and answers every Register, SendBeat, SendClaim, SendCommit, SendResync and
Recover in the order in which the database did them; OutcomeUnknown and Refused stand for all that was asked before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Any

import msgspec

from hydra._core import encode
from hydra.claims import Claims
from hydra.events import (
    Action,
    Beaten,
    BeatFailed,
    ClaimDone,
    ClaimFailed,
    CommitDone,
    CommitFailed,
    DrainAsked,
    Event,
    Exit,
    ExtendLease,
    KillWorker,
    Log,
    OutcomeUnknown,
    Received,
    Recover,
    Recovered,
    Refused,
    Register,
    Registered,
    RegisterFailed,
    Reload,
    Resynced,
    ResyncFailed,
    SendBeat,
    SendClaim,
    SendCommit,
    SendResync,
    SpawnWorker,
    StepOverdue,
    StopAsked,
    Tick,
    ToSlot,
    WakeAt,
    WorkerGone,
    WorkerSilent,
    WorkerStalled,
    WorkerStarted,
    WorkHint,
)
from hydra.execution import Claimed, End, Ending, Record
from hydra.frames import Drain, Durable, Ended, Halt, Recorded, Recycle, Run, ToWorker
from hydra.held import ALONE_DEATHS_MAX, NOWHERE, Held
from hydra.lease import Lease
from hydra.outbox import Outbox, Pair
from hydra.slots import NEVER_NS, Slot, State, assign

RETRY_MIN_NS = 20_000_000
RETRY_MAX_NS = 1_000_000_000
OVERDUE_KILL_NS = 10_000_000_000  # what the other steps of a worker get to finish before it is killed
START_MAX_NS = 120_000_000_000
WAIT_FOR_PLACE_NS = 1_000_000_000  # then an execution goes back to the queue, where another node may have a place
LEAVE_NS = 5_000_000_000  # after the drain: how long the last commits may take
STOP_LEAVE_NS = 2_000_000_000


class Settings(msgspec.Struct, frozen=True):
    """What the user chose for a node."""

    slots: int
    concurrency: int = 64
    lease_ttl_ns: int = 10_000_000_000
    drain_grace_ns: int = 20_000_000_000


class Phase(Enum):
    JOINING = "joining"
    JOINED = "joined"
    UNSURE = "unsure"
    LEFT = "left"


class Dispatcher:
    """The first Tick starts it; `handle` is for one thread."""

    def __init__(self, settings: Settings, now_ns: int, random: Random) -> None:
        self._settings = settings
        self._now_ns = now_ns
        self._phase = Phase.JOINING
        self._lease = Lease(settings.lease_ttl_ns, now_ns)
        self._claims = Claims(random, now_ns)
        self._outbox = Outbox()
        self._held: dict[str, Held] = {}
        self._waiting: deque[Held] = deque()  # for a place; those with a cap stand in front
        # A reload fills the other half of the slots while this one drains.
        self._slots = [
            Slot(number, settings.concurrency, number < settings.slots) for number in range(2 * settings.slots)
        ]
        self._slots_at_ns = now_ns
        self._next_token = 1
        self._retry_ns = RETRY_MIN_NS
        self._retry_at_ns = now_ns  # of the registration, the commit or the resync, whichever the phase asks for
        self._is_asking = False  # a registration or resync is under way
        self._must_resync = False
        self._was_empty = True  # nothing to commit after the last event
        self._leave_at_ns = NEVER_NS
        self._is_draining = False
        self._woken_at_ns = 0
        self._frames: dict[int, list[ToWorker]] = {}
        self._actions: list[Action] = []
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            Registered: self._registered,
            RegisterFailed: self._register_failed,
            Refused: self._refused,
            Beaten: self._beaten,
            BeatFailed: self._beat_failed,
            ClaimDone: self._claim_done,
            ClaimFailed: self._claim_failed,
            CommitDone: self._commit_done,
            CommitFailed: self._commit_failed,
            OutcomeUnknown: self._outcome_unknown,
            Resynced: self._resynced,
            ResyncFailed: self._resync_failed,
            Recovered: self._recovered,
            WorkerStarted: self._worker_started,
            WorkerGone: self._worker_gone,
            Received: self._received,
            WorkHint: self._work_hint,
            StepOverdue: self._step_overdue,
            WorkerSilent: self._worker_silent,
            WorkerStalled: self._worker_stalled,
            Tick: self._tick,
            DrainAsked: self._drain_asked,
            StopAsked: self._stop_asked,
            Reload: self._reload,
        }

    @property
    def held_count(self) -> int:
        """Executions this node owns."""
        return len(self._held)

    @property
    def waiting_count(self) -> int:
        """Of these, how many wait for a place on a worker."""
        return len(self._waiting)

    def handle(self, event: Event, now_ns: int) -> list[Action]:
        if self._phase is Phase.LEFT:
            return []
        self._now_ns = now_ns
        self._handlers[type(event)](event)
        self._settle()
        actions, self._actions = self._actions, []
        return actions

    # life of the node

    def _registered(self, event: Registered) -> None:
        self._is_asking = False
        self._phase = Phase.JOINED
        self._retry_ns = RETRY_MIN_NS
        self._retry_at_ns = self._now_ns
        self._must_resync = False
        self._actions.append(ExtendLease(self._lease.begin(event.sent_ns, self._now_ns)))
        self._claims.begin(self._now_ns)
        self._slots_at_ns = self._now_ns

    def _register_failed(self, event: RegisterFailed) -> None:
        self._is_asking = False
        self._back_off(f"cannot register with the database: {event.message}")

    def _refused(self, _: Refused) -> None:
        """Declared dead: nothing of this registration may act or be written any more (R1, G2)."""
        if self._phase is Phase.JOINING:
            return
        self._log(
            "error", f"this node was declared dead; killing its workers and giving up {len(self._held)} executions"
        )
        self._phase = Phase.JOINING
        self._is_asking = False
        self._retry_at_ns = self._now_ns
        self._lease.end()
        self._outbox.clear()
        self._held.clear()
        self._waiting.clear()
        self._frames.clear()
        for slot in self._slots:
            slot.runs.clear()
            self._kill(slot, "its node was declared dead", excused=True)

    def _beaten(self, event: Beaten) -> None:
        self._lease.answered()
        if self._phase is Phase.JOINING:
            return
        self._actions.append(ExtendLease(self._lease.extend(event.sent_ns)))
        if self._phase is not Phase.JOINED:
            return
        self._claims.recovered(self._now_ns)
        if event.beat.running_count != len(self._held):
            self._log(
                "warning",
                f"the database counts {event.beat.running_count} running executions here, not {len(self._held)}",
            )
            self._must_resync = True
        for attention in event.beat.attention:
            held = self._held.get(attention.id)
            if held is not None and held.epoch == attention.epoch:
                held.halt_reason = "timeout" if attention.kind == "timeout" else "cancelled"
                self._halt(held)

    def _beat_failed(self, event: BeatFailed) -> None:
        if self._lease.failed(self._now_ns + RETRY_MAX_NS):
            self._log("warning", f"a heartbeat failed: {event.message}")

    # claims

    def _claim_done(self, event: ClaimDone) -> None:
        if self._phase is not Phase.JOINED or not self._claims.asked:
            return
        self._claims.answered(len(event.executions), self._now_ns)
        self._take_over(event.executions)

    def _claim_failed(self, event: ClaimFailed) -> None:
        if self._claims.failed(self._now_ns):
            self._log("warning", f"a claim failed: {event.message}")

    def _work_hint(self, _: WorkHint) -> None:
        self._claims.hint(self._now_ns)

    def _take_over(self, executions: list[Claimed]) -> None:
        concurrency = self._settings.concurrency
        for execution in executions:
            held = Held(execution, concurrency, self._now_ns)
            self._held[held.id] = held
            if held.cap < concurrency:
                self._waiting.appendleft(held)
            else:
                self._waiting.append(held)

    # commits

    def _commit_done(self, event: CommitDone) -> None:
        if event.batch != self._outbox.batch or not self._outbox.under_way:
            return
        self._retry_ns = RETRY_MIN_NS
        self._lease.journal_moved(self._now_ns)
        durable: dict[int, Durable] = {}
        for (held, commit), is_written in zip(self._outbox.written(), event.written, strict=True):
            if not is_written:
                self._lose(held)
            elif commit.end is None:
                _note_durable(durable, held, commit.records[-1].seq)
            else:
                self._end_written(held, commit.end)
        self._send_durable(durable)

    def _end_written(self, held: Held, end: End) -> None:
        if end.kind != Ending.CRASHED:
            self._forget(held)
            return
        held.reopen(self._now_ns)
        if self._is_draining:
            self._outbox.add(held, [], End(Ending.RELEASED))
        elif held.cap < self._settings.concurrency:
            self._waiting.appendleft(held)
        else:
            self._waiting.append(held)

    def _send_durable(self, durable: dict[int, Durable]) -> None:
        for slot, frame in durable.items():
            self._send(slot, frame)

    def _commit_failed(self, event: CommitFailed) -> None:
        if event.batch != self._outbox.batch or not self._outbox.under_way:
            return
        self._outbox.failed()
        self._back_off(f"a commit failed and will be repeated: {event.message}")

    def _outcome_unknown(self, event: OutcomeUnknown) -> None:
        if self._phase is not Phase.JOINED:
            return
        self._log("warning", f"the database may or may not have done what was asked: {event.message}")
        self._claims.failed(self._now_ns)
        self._lease.is_beating = False
        self._phase = Phase.UNSURE
        self._is_asking = False
        self._retry_at_ns = self._now_ns

    def _resync_failed(self, event: ResyncFailed) -> None:
        self._is_asking = False
        self._back_off(f"cannot read back what this node owns: {event.message}")

    def _resynced(self, event: Resynced) -> None:
        """Nothing of ours is under way in the database, so what it says is the truth about every batch sent (R16)."""
        owned = {item.id: item for item in event.owned}
        unwritten: list[Pair] = []
        durable: dict[int, Durable] = {}
        for held, commit in self._outbox.unknown():
            item = owned.get(held.id)
            if item is not None and item.epoch == held.epoch:
                commit.records = [record for record in commit.records if record.seq > item.record_count]
                _note_durable(durable, held, item.record_count)
                if commit.records or commit.end is not None:
                    unwritten.append((held, commit))
            elif commit.end is None:
                continue  # not ours any more: found below
            elif commit.end.kind != Ending.CRASHED or (item is not None and item.epoch == held.epoch + 1):
                self._end_written(held, commit.end)
        self._outbox.put_back(unwritten)
        for held in list(self._held.values()):
            item = owned.get(held.id)
            if item is None or item.epoch != held.epoch:
                self._lose(held)
        self._send_durable(durable)
        self._lease.journal_moved(self._now_ns)
        unknown = [id for id in owned if id not in self._held]
        if unknown:
            self._log("info", f"reading back {len(unknown)} executions whose claim was not answered")
            self._actions.append(Recover(unknown))
        else:
            self._rejoin()

    def _recovered(self, event: Recovered) -> None:
        if self._phase is Phase.UNSURE:
            self._take_over([execution for execution in event.executions if execution.id not in self._held])
            self._rejoin()

    def _rejoin(self) -> None:
        self._is_asking = False
        self._must_resync = False
        self._phase = Phase.JOINED
        self._retry_ns = RETRY_MIN_NS
        self._retry_at_ns = self._now_ns
        self._claims.expect(self._now_ns)

    def _lose(self, held: Held) -> None:
        """The database says it is not ours: its body stops, and nothing of it is written."""
        self._log("warning", f"lost execution `{held.id}`")
        if held.slot != NOWHERE:
            self._send(held.slot, Halt(held.token, "lost"))
            self._slots[held.slot].remove(held)
        elif held in self._waiting:
            self._waiting.remove(held)
        self._forget(held)

    def _forget(self, held: Held) -> None:
        held.commit = None
        if self._held.get(held.id) is held:
            del self._held[held.id]

    # workers

    def _worker_started(self, event: WorkerStarted) -> None:
        slot = self._slots[event.slot]
        if slot.state is State.STARTING:
            slot.greet()
            self._slots_at_ns = self._now_ns

    def _received(self, event: Received) -> None:
        slot = self._slots[event.slot]
        runs = slot.runs
        add = self._outbox.add
        for frame in event.frames:
            if isinstance(frame, Recorded):
                held = runs.get(frame.token)
                if held is not None:
                    self._advance(slot, held, frame.records)
                    add(held, frame.records)
                    if held.death_count:
                        self._progress(slot, held)
            elif isinstance(frame, Ended):
                held = runs.get(frame.token)
                if held is not None:
                    add(held, frame.records, frame.end)
                    if frame.records:
                        self._advance(slot, held, frame.records)
                        if held.death_count:
                            self._progress(slot, held)
                    slot.remove(held)
                    slot.has_progressed = True
                    self._claims.ended_count += 1
                    if frame.end.kind != Ending.RELEASED:
                        self._claims.expect(self._now_ns)
                    if slot.kill_at_ns != NEVER_NS:
                        self._slots_at_ns = self._now_ns
            elif isinstance(frame, Recycle):
                self._recycle(slot, frame.at_ns, frame.reason)

    def _advance(self, slot: Slot, held: Held, records: list[Record]) -> None:
        held.seq = records[-1].seq
        held.new_records += records
        slot.has_progressed = True

    def _progress(self, slot: Slot, held: Held) -> None:
        held.progress(self._settings.concurrency)
        slot.measure()
        if held.commit is not None:
            held.commit.death_count = 0
            held.commit.alone_death_count = 0

    def _worker_gone(self, event: WorkerGone) -> None:
        """All its frames were handled before: the crashed tries follow them; dispatched again when durable (R22)."""
        slot = self._slots[event.slot]
        crashes: dict[int, list[Record]] = {}
        for token, record in event.running:
            crashes.setdefault(token, []).append(record)
        victims = list(slot.runs.values())
        if victims:
            self._log(
                "warning",
                f"worker {slot.number} died ({event.reason}) with {len(victims)} executions, which start again",
            )
        for held in victims:
            counts = not slot.is_excused
            must_park = counts and held.die(self._settings.concurrency, alone=len(victims) == 1)
            if must_park:
                end = self._park(held, event.reason)
            elif self._is_draining:
                end = End(Ending.RELEASED, cause=event.reason)
            else:
                end = End(Ending.CRASHED, cause=event.reason)
            commit = self._outbox.add(held, held.number(crashes.get(held.token, [])), end)
            if counts:
                commit.death_count = held.death_count
                commit.alone_death_count = held.alone_death_count
            held.slot = NOWHERE
        slot.bury(self._now_ns)
        self._slots_at_ns = self._now_ns

    def _park(self, held: Held, reason: str) -> End:
        sentence = (
            f"its worker died {ALONE_DEATHS_MAX} times in a row while it ran nothing else, the last time by {reason}; "
            f"find the cause, then `hydra resume {held.id}`"
        )
        self._log("error", f"parked execution `{held.id}`: {sentence}")
        return End(Ending.PARKED, payload=encode(sentence), cause="poison")

    def _step_overdue(self, event: StepOverdue) -> None:
        slot = self._slots[event.slot]
        if event.token in slot.runs:
            slot.culprits.add(event.token)
            self._recycle(slot, self._now_ns + OVERDUE_KILL_NS, "a step ran past its time-out and could not be stopped")

    def _recycle(self, slot: Slot, at_ns: int, reason: str) -> None:
        if slot.state is State.UP:
            slot.kill_within(at_ns, reason)
            self._slots_at_ns = self._now_ns

    def _worker_silent(self, event: WorkerSilent) -> None:
        self._kill(self._slots[event.slot], "its process stood still", excused=False)

    def _worker_stalled(self, event: WorkerStalled) -> None:
        self._slots[event.slot].is_stalled = event.stalled

    def _kill(self, slot: Slot, reason: str, *, excused: bool) -> None:
        if slot.state in (State.STARTING, State.UP):
            slot.state = State.DYING
            slot.is_excused = excused
            self._actions.append(KillWorker(slot.number, reason))

    def _halt(self, held: Held) -> None:
        if held.slot != NOWHERE and not held.is_halted:
            held.is_halted = True
            self._send(held.slot, Halt(held.token, held.halt_reason))

    # the end, and a change of code

    def _tick(self, _: Tick) -> None:
        """Time passed; `_settle` sees to it."""

    def _drain_asked(self, _: DrainAsked) -> None:
        if not self._is_draining:
            self._begin_draining(self._now_ns + self._settings.drain_grace_ns, LEAVE_NS)
            self._log(
                "info",
                f"draining; {len(self._held)} executions have {self._settings.drain_grace_ns // 1_000_000_000} s",
            )

    def _stop_asked(self, _: StopAsked) -> None:
        self._begin_draining(self._now_ns, STOP_LEAVE_NS)

    def _begin_draining(self, at_ns: int, leave_ns: int) -> None:
        self._is_draining = True
        self._leave_at_ns = at_ns + leave_ns
        for held in self._waiting:
            self._outbox.add(held, [], End(Ending.RELEASED))
        self._waiting.clear()
        for slot in self._slots:
            self._drain(slot, at_ns)

    def _drain(self, slot: Slot, at_ns: int) -> None:
        if slot.state is State.UP and not slot.is_draining:
            slot.is_draining = True
            self._send(slot.number, Drain())
        if slot.state is State.UP:
            slot.kill_within(at_ns, "it was still busy at the end of the drain")
            self._slots_at_ns = self._now_ns
        elif slot.state is State.STARTING:
            self._kill(slot, "it is not needed any more", excused=True)

    def _reload(self, _: Reload) -> None:
        for slot in self._slots:
            if slot.is_wanted:
                slot.is_wanted = False
                self._drain(slot, self._now_ns + self._settings.drain_grace_ns)
            else:
                slot.is_wanted = True
        self._slots_at_ns = self._now_ns
        self._log("info", "new workers run the new code; the old ones drain")

    # what follows from the state, after every event

    def _settle(self) -> None:
        now_ns = self._now_ns
        if self._phase is Phase.JOINING:
            self._join()
        else:
            if now_ns >= self._slots_at_ns:
                self._tend_slots()
            if self._waiting:
                self._place()
                self._hand_back()
            if self._phase is Phase.JOINED:
                self._write()
                self._beat()
            if self._phase is Phase.UNSURE and not self._is_asking and now_ns >= self._retry_at_ns:
                self._is_asking = True
                self._actions.append(SendResync())
        if self._is_draining:
            self._leave()
        if self._frames:
            self._actions += [ToSlot(slot, frames) for slot, frames in self._frames.items()]
            self._frames = {}
        self._ask_to_wake()

    def _join(self) -> None:
        if self._is_asking or self._is_draining or self._now_ns < self._retry_at_ns:
            return
        if all(slot.state is State.EMPTY for slot in self._slots):
            self._is_asking = True
            self._actions.append(Register())

    def _tend_slots(self) -> None:
        due_ns = NEVER_NS
        for slot in self._slots:
            if slot.state is State.EMPTY and slot.is_wanted and not self._is_draining:
                if self._now_ns < slot.spawn_at_ns:
                    due_ns = min(due_ns, slot.spawn_at_ns)
                    continue
                slot.start(self._now_ns, START_MAX_NS)
                self._actions.append(SpawnWorker(slot.number))
            if slot.must_die(self._now_ns):
                self._kill(slot, slot.kill_reason, excused=slot.is_draining)
            elif slot.state is not State.DYING:
                due_ns = min(due_ns, slot.kill_at_ns)
        self._slots_at_ns = due_ns

    def _place(self) -> None:
        """Those with a cap first; while one of them finds no place, the least loaded worker takes nobody else (G7)."""
        slots = [slot for slot in self._slots if slot.is_usable]
        if not slots:
            return
        waiting, concurrency = self._waiting, self._settings.concurrency
        capped: list[Held] = []
        while waiting and waiting[0].cap < concurrency:
            capped.append(waiting.popleft())
        unplaced = self._put(capped, slots) if capped else []
        if unplaced:
            slots.remove(min(slots, key=_load))
        free = sum(slot.free_count for slot in slots)
        if waiting and free:
            rest = self._put([waiting.popleft() for _ in range(min(free, len(waiting)))], slots)
            waiting.extendleft(reversed(rest))
        waiting.extendleft(reversed(unplaced))

    def _put(self, helds: list[Held], slots: list[Slot]) -> list[Held]:
        chosen = assign(
            [len(slot.runs) for slot in slots], [slot.limit for slot in slots], [held.cap for held in helds]
        )
        unplaced: list[Held] = []
        token = self._next_token
        for held, place in zip(helds, chosen, strict=True):
            if place < 0:
                unplaced.append(held)
                continue
            slot = slots[place]
            slot.add(token, held)
            self._send(slot.number, Run(token, held.execution))
            if held.halt_reason:
                self._halt(held)
            token += 1
        self._next_token = token
        return unplaced

    def _hand_back(self) -> None:
        """What has no place here for long may have one on another node (G8)."""
        if self._phase is not Phase.JOINED or self._waiting_until_ns() > self._now_ns:
            return
        stale_ns = self._now_ns - WAIT_FOR_PLACE_NS
        for held in [held for held in self._waiting if held.waiting_since_ns <= stale_ns and self._is_free(held)]:
            self._waiting.remove(held)
            self._outbox.add(held, [], End(Ending.RELEASED))

    def _waiting_until_ns(self) -> int:
        return next(
            (held.waiting_since_ns + WAIT_FOR_PLACE_NS for held in self._waiting if self._is_free(held)), NEVER_NS
        )

    def _is_free(self, held: Held) -> bool:
        return held.cap >= self._settings.concurrency

    def _write(self) -> None:
        """At most one commit and one claim are under way, and both leave together: one transaction (R11)."""
        if self._was_empty:
            self._lease.journal_moved(self._now_ns)
        if not self._outbox.under_way and not self._claims.asked:
            if self._must_resync:
                self._phase = Phase.UNSURE
                self._retry_at_ns = self._now_ns
            elif self._now_ns >= self._retry_at_ns:
                self._write_now()
        self._was_empty = not len(self._outbox)

    def _write_now(self) -> None:
        if self._outbox.has_waiting:
            commits = self._outbox.take()
            if commits:
                self._actions.append(SendCommit(self._outbox.batch, commits))
        if self._claims.is_due(self._now_ns) and not self._is_draining and self._now_ns < self._lease.deadline_ns:
            count = self._wanted_count()
            if count:
                self._claims.send(count)
                self._actions.append(SendClaim(count))

    def _wanted_count(self) -> int:
        slots = [slot for slot in self._slots if slot.is_usable]
        capacity = len(slots) * self._settings.concurrency
        waiting = len(self._waiting)
        if waiting and not self._is_free(self._waiting[0]):
            slots.remove(min(slots, key=_load))
        return (
            self._claims.count(sum(slot.free_count for slot in slots), waiting, capacity, self._now_ns) if slots else 0
        )

    def _beat(self) -> None:
        if self._now_ns >= self._lease.beat_at_ns and self._lease.may_beat(self._now_ns):
            self._lease.beat(self._now_ns)
            self._actions.append(SendBeat())

    def _leave(self) -> None:
        is_over = self._now_ns >= self._leave_at_ns
        if all(slot.state is State.EMPTY for slot in self._slots) and not self._is_asking:
            if self._phase is Phase.JOINED:
                is_over = is_over or not (self._held or len(self._outbox) or self._claims.asked)
            elif self._phase is Phase.JOINING:
                is_over = True
            self._leave_at_ns = min(self._leave_at_ns, self._now_ns + LEAVE_NS)
        if not is_over:
            return
        if self._held:
            self._log(
                "warning",
                f"left without handing back {len(self._held)} executions, because the database did not answer in time; "
                f"they are due again when the lease ends, in at most {self._settings.lease_ttl_ns // 1_000_000} ms",
            )
        is_answering = self._phase is Phase.JOINED and self._retry_ns == RETRY_MIN_NS
        self._phase = Phase.LEFT
        self._actions.append(Exit(0, is_answering))

    def _ask_to_wake(self) -> None:
        candidates = [self._slots_at_ns, self._leave_at_ns]
        if self._phase is Phase.JOINED:
            candidates.append(self._lease.beat_at_ns)
            if self._outbox.has_waiting:
                candidates.append(self._retry_at_ns)
            if not self._claims.asked and not self._is_draining:
                candidates.append(max(self._claims.wake_ns, self._retry_at_ns))
        else:
            candidates.append(self._retry_at_ns)
        if self._waiting:
            candidates.append(self._waiting_until_ns())
        at_ns = min((candidate for candidate in candidates if candidate > self._now_ns), default=NEVER_NS)
        if at_ns != self._woken_at_ns and at_ns != NEVER_NS:
            self._woken_at_ns = at_ns
            self._actions.append(WakeAt(at_ns))

    def _back_off(self, message: str) -> None:
        """Wait before the next registration, commit or resync; an outage is told once."""
        if self._retry_ns == RETRY_MIN_NS:
            self._log("warning", message)
        self._retry_at_ns = self._now_ns + self._retry_ns
        self._retry_ns = min(self._retry_ns * 2, RETRY_MAX_NS)

    def _send(self, slot: int, frame: ToWorker) -> None:
        if self._slots[slot].state is State.UP:
            frames = self._frames.get(slot)
            if frames is None:
                self._frames[slot] = [frame]
            else:
                frames.append(frame)

    def _log(self, level: str, message: str) -> None:
        self._actions.append(Log(level, message))


def _load(slot: Slot) -> int:
    return len(slot.runs)


def _note_durable(durable: dict[int, Durable], held: Held, seq: int) -> None:
    if held.slot != NOWHERE and seq:
        frame = durable.get(held.slot)
        if frame is None:
            durable[held.slot] = Durable([held.token], [seq])
        else:
            frame.tokens.append(held.token)
            frame.seqs.append(seq)
