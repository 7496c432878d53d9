"""A node's workers and the executions that wait for a place on one: starting, placing, closing, killing.

Never touches the database's side; what a death means for an execution is the dispatcher's business.
"""

from __future__ import annotations

from collections import deque

from hydra._core import assign
from hydra.dispatch.effects import Effects
from hydra.dispatch.events import KillWorker, SpawnWorker
from hydra.dispatch.held import NOWHERE, Held
from hydra.dispatch.slots import NEVER_NS, Slot, State
from hydra.frames import Drain, Halt, Run, ToWorker

OVERDUE_KILL_NS = 10_000_000_000  # what the other steps of a worker get to finish before it is killed
WAIT_FOR_PLACE_NS = 1_000_000_000  # then an execution goes back to the queue: another node may have a place (G8)


class Crew:
    """After a reload the other half of the slots fills while this one drains."""

    def __init__(self, slots: int, concurrency: int, effects: Effects) -> None:
        self._concurrency = concurrency
        self._effects = effects
        self._waiting: deque[Held] = deque()  # those with a cap stand in front
        self._next_token = 1
        self._tend_at_ns = 0
        self._usable: list[Slot] | None = None  # those that may take work; None: find out anew
        self.slots = [Slot(number, concurrency, number < slots) for number in range(2 * slots)]

    # the executions that wait

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def enqueue(self, held: Held) -> None:
        if held.cap < self._concurrency:
            self._waiting.appendleft(held)
        else:
            self._waiting.append(held)

    def withdraw(self, held: Held) -> None:
        """It is not ours any more, wherever it is."""
        if held.slot != NOWHERE:
            self.send(held.slot, Halt(held.token, "lost"))
            self.slots[held.slot].remove(held)
        elif held in self._waiting:
            self._waiting.remove(held)

    def dismiss(self, now_ns: int) -> list[Held]:
        """Those that have waited too long for a place; one with a cap waits on, its worker is being emptied."""
        if self.dismiss_at_ns > now_ns:
            return []
        dismissed = [
            held
            for held in self._waiting
            if held.cap >= self._concurrency and held.waiting_since_ns + WAIT_FOR_PLACE_NS <= now_ns
        ]
        for held in dismissed:
            self._waiting.remove(held)
        return dismissed

    def dismiss_all(self) -> list[Held]:
        dismissed = list(self._waiting)
        self._waiting.clear()
        return dismissed

    @property
    def dismiss_at_ns(self) -> int:
        for held in self._waiting:
            if held.cap >= self._concurrency:
                return held.waiting_since_ns + WAIT_FOR_PLACE_NS
        return NEVER_NS

    # placing

    def place(self) -> None:
        """Those with a cap first; while one of them finds no place, the least loaded worker takes nobody else (G7)."""
        slots = self._usable_slots()
        if not slots:
            return
        waiting = self._waiting
        capped: list[Held] = []
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
        return sum(slot.free_count for slot in slots) - len(self._waiting), sum(slot.limit for slot in slots)

    def _put(self, helds: list[Held], slots: list[Slot]) -> list[Held]:
        caps = [held.cap for held in helds]
        places = assign([len(slot.runs) for slot in slots], [slot.limit for slot in slots], caps)
        unplaced: list[Held] = []
        token = self._next_token
        send = self._effects.send
        for held, place in zip(helds, places, strict=True):
            if place < 0:
                unplaced.append(held)
                continue
            slot = slots[place]
            slot.add(token, held)
            send(slot.number, Run(token, held.execution))
            if held.halt_reason:
                self.halt(held)
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

    def halt(self, held: Held) -> None:
        """Ask the body to stop, once per dispatch."""
        if held.slot != NOWHERE and not held.is_halted:
            held.is_halted = True
            self.send(held.slot, Halt(held.token, held.halt_reason))

    def tend(self, now_ns: int, *, may_start: bool) -> int:
        """Start what is missing and kill what is due; returns when to look again."""
        if now_ns < self._tend_at_ns:
            return self._tend_at_ns
        due_ns = NEVER_NS
        for slot in self.slots:
            if may_start and slot.is_wanted and slot.state is State.EMPTY:
                if now_ns < slot.spawn_at_ns:
                    due_ns = min(due_ns, slot.spawn_at_ns)
                    continue
                slot.start(now_ns)
                self._effects.do(SpawnWorker(slot.number))
            if slot.must_die(now_ns):
                self._kill(slot, slot.kill_reason, excused=slot.is_draining)
            elif slot.state is not State.DYING:
                due_ns = min(due_ns, slot.kill_at_ns)
        self._tend_at_ns = due_ns
        return due_ns

    def touch(self) -> None:
        """A worker's state changed."""
        self._tend_at_ns = 0
        self._usable = None

    def _usable_slots(self) -> list[Slot]:
        if self._usable is None:
            self._usable = [slot for slot in self.slots if slot.is_usable]
        return self._usable

    def greet(self, number: int) -> None:
        slot = self.slots[number]
        if slot.state is State.STARTING:
            slot.greet()
            self.touch()

    def stall(self, number: int, is_stalled: bool) -> None:
        self.slots[number].is_stalled = is_stalled
        self.touch()

    def recycle(self, number: int, at_ns: int, reason: str) -> None:
        slot = self.slots[number]
        if slot.state is State.UP:
            slot.close(at_ns, reason)
            self.touch()

    def accuse(self, number: int, token: int, now_ns: int) -> None:
        """A step there ignores its time-out: the steps of other executions may finish, then the worker is killed."""
        slot = self.slots[number]
        if token in slot.runs:
            slot.culprits.add(token)
            self.recycle(number, now_ns + OVERDUE_KILL_NS, "a step ran past its time-out and could not be stopped")

    def kill(self, number: int, reason: str) -> None:
        self._kill(self.slots[number], reason, excused=False)

    def kill_all(self, reason: str) -> None:
        """Their registration is over: nothing they still say counts (R1)."""
        self._waiting.clear()
        for slot in self.slots:
            slot.runs.clear()
            self._kill(slot, reason, excused=True)

    def bury(self, number: int, now_ns: int) -> None:
        self.slots[number].bury(now_ns)
        self.touch()

    def drain(self, at_ns: int) -> None:
        for slot in self.slots:
            self._drain(slot, at_ns)

    def reload(self, at_ns: int) -> None:
        for slot in self.slots:
            slot.is_wanted = not slot.is_wanted
            if not slot.is_wanted:
                self._drain(slot, at_ns)
        self.touch()

    def _drain(self, slot: Slot, at_ns: int) -> None:
        if slot.state is State.STARTING:
            self._kill(slot, "it is not needed any more", excused=True)
        elif slot.state is State.UP:
            if not slot.is_draining:
                slot.is_draining = True
                self.send(slot.number, Drain())
            slot.close(at_ns, "it was still busy at the end of the drain")
            self.touch()

    def _kill(self, slot: Slot, reason: str, *, excused: bool) -> None:
        if slot.state in (State.STARTING, State.UP):
            slot.state = State.DYING
            slot.is_excused = excused
            self._usable = None
            self._effects.do(KillWorker(slot.number, reason))


def _without_least_loaded(slots: list[Slot]) -> list[Slot]:
    reserved = min(slots, key=lambda slot: len(slot.runs))
    return [slot for slot in slots if slot is not reserved]
