"""A node's workers and the executions that wait for a place on one: starting, placing, closing, killing.

Never touches the database's side; what a death means for an execution is the dispatcher's business.
"""

from __future__ import annotations

from collections import deque
from random import Random

from hydra._core import assign
from hydra.circuit_breaker import CircuitSettings
from hydra.dispatch.effects import Effects
from hydra.dispatch.events import (
    BodyOverdue,
    KillWorker,
    SpawnWorker,
    StepOverdue,
    WorkerEnding,
    WorkerOutgrown,
    WorkerSilent,
    WorkerStalled,
    WorkerStarted,
)
from hydra.dispatch.owned import NOWHERE, OwnedExecution
from hydra.dispatch.slots import NEVER_NS, Slot, State
from hydra.dispatch.worker_ends import (
    BODY_OVERDUE,
    NOT_NEEDED,
    OUTGROWN,
    STEP_OVERDUE,
    STILL_BUSY,
    STOOD_STILL,
    WorkerEnd,
)
from hydra.frames import Drain, Halt, Run, ToWorker

OVERDUE_KILL_NS = 10_000_000_000  # what the other steps of a worker get to finish before it is killed
MAX_GENERATIONS = 4  # of workers, of one reload each, that live at a time
WAIT_FOR_PLACE_NS = 1_000_000_000  # then an execution goes back to the queue: another node may have a place (G8)


class Workers:
    """After a reload other slots fill while these drain; further ones, while what an earlier reload drains has not
    ended."""

    def __init__(
        self, slots: int, concurrency: int, effects: Effects, random: Random, circuit: CircuitSettings
    ) -> None:
        self._concurrency = concurrency
        self._effects = effects
        self._random = random
        self._circuit = circuit
        self._waiting: deque[OwnedExecution] = deque()  # those with a cap stand in front
        self._next_token = 1
        self._look_at_ns = 0
        self._usable: list[Slot] | None = None  # those that may take work; None: find out again
        self._count = slots
        self.is_draining = False  # all of them, for good
        self._missing_count = 0  # workers of the present code for which no slot is free yet
        self.slots = [Slot(number, concurrency, number < slots, circuit) for number in range(2 * slots)]

    # the executions that wait

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def enqueue(self, owned: OwnedExecution) -> None:
        if owned.cap < self._concurrency:
            self._waiting.appendleft(owned)
        else:
            self._waiting.append(owned)

    def withdraw(self, owned: OwnedExecution) -> None:
        """It is not ours any more, wherever it is."""
        if owned.slot != NOWHERE:
            self.send(owned.slot, Halt(owned.token, "lost"))
            self.slots[owned.slot].remove(owned)
        elif owned in self._waiting:
            self._waiting.remove(owned)

    def take_overdue(self, now_ns: int) -> list[OwnedExecution]:
        """Those that have waited too long for a place; one with a cap waits on, its worker is being emptied."""
        if self.overdue_at_ns > now_ns:
            return []
        overdue = [
            owned
            for owned in self._waiting
            if owned.cap >= self._concurrency and owned.waiting_since_ns + WAIT_FOR_PLACE_NS <= now_ns
        ]
        for owned in overdue:
            self._waiting.remove(owned)
        return overdue

    def take_all_waiting(self) -> list[OwnedExecution]:
        overdue = list(self._waiting)
        self._waiting.clear()
        return overdue

    @property
    def overdue_at_ns(self) -> int:
        for owned in self._waiting:
            if owned.cap >= self._concurrency:
                return owned.waiting_since_ns + WAIT_FOR_PLACE_NS
        return NEVER_NS

    # placing

    def place(self) -> None:
        """Those with a cap first; while one of them finds no place, the least loaded worker takes nobody else (G7)."""
        slots = self._usable_slots()
        if not slots:
            return
        waiting = self._waiting
        capped: list[OwnedExecution] = []
        while waiting and waiting[0].cap < self._concurrency:
            capped.append(waiting.popleft())
        unplaced = self._put(capped, slots) if capped else []
        if unplaced:
            slots = _without_least_loaded(slots)
        count = min(sum(slot.free_count for slot in slots), len(waiting))
        if count:
            waiting.extendleft(reversed(self._put([waiting.popleft() for _ in range(count)], slots)))
        waiting.extendleft(reversed(unplaced))

    def free_and_capacity(self) -> tuple[int, int]:
        """Places for new executions, and how many executions may run at all."""
        slots = self._usable_slots()
        if slots and self._waiting and self._waiting[0].cap < self._concurrency:
            slots = _without_least_loaded(slots)
        free, capacity = -len(self._waiting), 0
        for slot in slots:
            free += slot.free_count
            capacity += slot.limit
        return free, capacity

    def _put(self, all_owned: list[OwnedExecution], slots: list[Slot]) -> list[OwnedExecution]:
        caps = [owned.cap for owned in all_owned]
        places = assign([len(slot.runs) for slot in slots], [slot.limit for slot in slots], caps)
        unplaced: list[OwnedExecution] = []
        token = self._next_token
        send = self._effects.send
        for owned, place in zip(all_owned, places, strict=True):
            if place < 0:
                unplaced.append(owned)
                continue
            slot = slots[place]
            slot.add(token, owned)
            send(slot.number, Run(token, owned.execution))
            if owned.halt_reason:
                self.halt(owned)
            token += 1
        self._next_token = token
        return unplaced

    # the workers

    @property
    def is_gone(self) -> bool:
        return all(slot.state is State.EMPTY for slot in self.slots)

    def send(self, slot: int, frame: ToWorker) -> None:
        if self.slots[slot].state is State.UP:
            self._effects.send(slot, frame)

    def halt(self, owned: OwnedExecution) -> None:
        """Ask the body to stop, once per dispatch."""
        if owned.slot != NOWHERE and not owned.is_halted:
            owned.is_halted = True
            self.send(owned.slot, Halt(owned.token, owned.halt_reason))

    def stop(self, owned: OwnedExecution) -> None:
        """What it recorded is not written: its body stops, whatever else it was asked; its steps run to their end."""
        if owned.slot != NOWHERE:
            owned.is_halted = True
            self.send(owned.slot, Halt(owned.token, "refused"))

    def start_and_kill(self, now_ns: int, *, may_start: bool) -> int:
        """Start what is missing and kill what is due; returns when to look again."""
        if now_ns < self._look_at_ns:
            return self._look_at_ns
        due_ns = NEVER_NS
        for slot in self.slots:
            if may_start and slot.is_wanted and slot.state is State.EMPTY:
                if now_ns < slot.spawn_at_ns:
                    due_ns = min(due_ns, slot.spawn_at_ns)
                    continue
                slot.start(now_ns)
                self._effects.do(SpawnWorker(slot.number))
            if slot.must_die(now_ns):
                # guard G7: the end of a node is no death of its executions
                # guard G7: a kill for a time-out is no death of its executions
                self._kill(slot, slot.kill_reason, excused=slot.is_leaving or slot.is_recycled)
            elif slot.state is not State.DYING:
                if now_ns >= slot.proven_at_ns:
                    slot.prove(now_ns)
                due_ns = min(due_ns, slot.kill_at_ns, slot.proven_at_ns)
        self._look_at_ns = due_ns
        return due_ns

    def touch(self) -> None:
        """A worker's state changed."""
        self._look_at_ns = 0
        self._usable = None

    def _usable_slots(self) -> list[Slot]:
        if self._usable is None:
            self._usable = [slot for slot in self.slots if slot.is_usable]
        return self._usable

    def worker_started(self, event: WorkerStarted, _: int) -> None:
        slot = self.slots[event.slot]
        if slot.state is State.STARTING:
            slot.came_up()
            self.touch()

    def worker_stalled(self, event: WorkerStalled, _: int) -> None:
        self.slots[event.slot].is_stalled = event.stalled
        self.touch()

    def recycle(self, number: int, at_ns: int, reason: WorkerEnd) -> None:
        slot = self.slots[number]
        if slot.state is State.UP:
            slot.is_recycled = True
            slot.close(at_ns, reason)
            self.touch()

    def replace_outgrown(self, event: WorkerOutgrown, at_ns: int) -> None:
        """It reaches its next step boundaries and ends; another takes its work at once. What is killed with it when its
        time is up has died: perhaps it is what grows (G7)."""
        slot = self.slots[event.slot]
        if slot.state is not State.UP or slot.is_draining or self.is_draining:
            return
        size = event.resident_bytes >> 20
        self._effects.log(
            "warning", f"worker {slot.number} takes {size} MiB, more than `--worker-memory` allows: another takes over"
        )
        slot.is_wanted, slot.is_outgrown = False, True
        self._drain(slot, at_ns, OUTGROWN)
        free = next((each for each in self.slots if not each.is_wanted and each.state is State.EMPTY), None)
        if free is None:
            self._missing_count += 1
        else:
            free.is_wanted = True

    def step_overdue(self, event: StepOverdue, now_ns: int) -> None:
        """A step there ignores its time-out: the steps of other executions may finish, then the worker is killed."""
        slot = self.slots[event.slot]
        if event.token in slot.runs:
            slot.overdue.add(event.token)
            # guard R23: the others on an overdue step's worker may finish
            self.recycle(event.slot, now_ns + OVERDUE_KILL_NS, STEP_OVERDUE)

    def body_overdue(self, event: BodyOverdue, _: int) -> None:
        """A body there holds up all others: they are handed over, since nothing of theirs goes on before the kill."""
        slot = self.slots[event.slot]
        if event.token in slot.runs and slot.state is State.UP:
            slot.blocker = event.token
            self._kill(slot, BODY_OVERDUE, excused=False)

    def worker_silent(self, event: WorkerSilent, _: int) -> None:
        self._kill(self.slots[event.slot], STOOD_STILL, excused=False)

    def kill_all(self, reason: WorkerEnd) -> None:
        """Their registration is over: nothing they still say counts (R1)."""
        self._waiting.clear()
        for slot in self.slots:
            slot.runs.clear()
            self._kill(slot, reason, excused=True)

    def worker_ending(self, event: WorkerEnding, _: int) -> None:
        """It is dead or dying, and nothing more is to be given to it."""
        slot = self.slots[event.slot]
        if slot.state in (State.STARTING, State.UP):  # guard R22: a slot whose worker is dead gets no work
            slot.state = State.DYING
            self.touch()

    def remove_worker(self, number: int, now_ns: int) -> None:
        slot = self.slots[number]
        slot.remove_worker(now_ns, self._random.random())
        if self._missing_count and not slot.is_wanted:
            self._missing_count -= 1
            slot.is_wanted = True
        self.touch()

    def drain(self, at_ns: int) -> None:
        self.is_draining = True
        for slot in self.slots:
            slot.is_outgrown = False
            self._drain(slot, at_ns)

    def reload(self, at_ns: int) -> None:
        old = [slot for slot in self.slots if slot.is_wanted]
        free = [slot for slot in self.slots if not slot.is_wanted and slot.state is State.EMPTY]
        while len(free) < self._count and len(self.slots) < MAX_GENERATIONS * self._count:
            free.append(Slot(len(self.slots), self._concurrency, False, self._circuit))
            self.slots.append(free[-1])
        for slot in old:
            slot.is_wanted = False
            self._drain(slot, at_ns)
        for slot in free[: self._count]:
            slot.is_wanted = True
        self._missing_count = max(0, self._count - len(free))
        self.touch()

    def _drain(self, slot: Slot, at_ns: int, reason: WorkerEnd = STILL_BUSY) -> None:
        if slot.state is State.STARTING:
            self._kill(slot, NOT_NEEDED, excused=True)
        elif slot.state is State.UP:
            if not slot.is_draining:
                slot.is_draining = True
                self.send(slot.number, Drain())
            slot.close(at_ns, reason)
            self.touch()

    def _kill(self, slot: Slot, reason: WorkerEnd, *, excused: bool) -> None:
        if slot.state in (State.STARTING, State.UP):
            slot.state = State.DYING
            slot.is_excused = excused
            self._usable = None
            self._effects.do(KillWorker(slot.number, reason))


def _without_least_loaded(slots: list[Slot]) -> list[Slot]:
    reserved = min(slots, key=lambda slot: len(slot.runs))
    return [slot for slot in slots if slot is not reserved]
