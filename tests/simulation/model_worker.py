"""A worker process as the protocol sees it: replays what is recorded, starts steps, reports records, dies at any point.

An execution's program is a row of groups; the steps of one group run side by side, the next group begins when all of
them are recorded. After some groups it sleeps, waits for a message, or spawns a child and waits for its end; after the
last it may begin again, as its next generation. Frames in its socket outlive it until they are read.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from hydra.dispatch.worker_ends import WorkerEnd
from hydra.execution import DIVERGED, Claimed, End, Ending, Message, Record
from hydra.frames import Deliver, Drain, Durable, Ended, FromWorker, Halt, Hello, Listening, Recorded, Run, ToWorker

from tests.simulation.model_clock import carried

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(frozen=True)
class Program:
    """One generation. `pauses`: what comes after a group, as "sleep", "wait" or "child", by the group's place."""

    groups: tuple[tuple[str, ...], ...]
    pauses: dict[int, str] = field(default_factory=dict)
    poison: str = ""  # this step kills its worker
    generation: int = 0
    is_last: bool = True

    @cached_property
    def steps(self) -> set[str]:
        return {name for group in self.groups for name in group}


@dataclass(slots=True)
class Page:
    """The words of one registration: the deadline (R1, R5), and the database clock's offset as the node has it."""

    deadline_ns: int = 0
    offset_us: int = 0


@dataclass(slots=True)
class Body:
    """One dispatch. `records` are those it was given and those it sent; durable up to `durable`."""

    token: int
    execution: Claimed
    program: Program
    records: list[Record]
    durable: int
    done: set[str]
    running: set[str] = field(default_factory=set)
    halted: str = ""
    messages: list[Message] = field(default_factory=list)
    differs: bool = False  # other code recorded what it was given (R27)

    def startable(self) -> str | None:
        """The next step that may start: nothing handed to the body may be undurable (G5)."""
        if self.halted or self.differs or self.durable < len(self.records):
            return None
        for place, group in enumerate(self.program.groups):
            waiting = [name for name in group if name not in self.done]
            if waiting:
                return next((name for name in waiting if name not in self.running), None)
            if place in self.program.pauses and f"pause{place}" not in self.done:
                return None
        return None

    def ending(self, place: int) -> Ending | None:
        """How this dispatch ends now, if it does; `place` is its `pause()`."""
        if self.running:
            return None
        if self.halted:
            return Ending.RELEASED if self.halted == "drain" else Ending.CANCELLED
        if self.differs:
            return Ending.PARKED
        if place:
            kind = self.program.pauses[place - 1]
            if kind == "sleep":
                return Ending.SLEEPING
            return None if self.message(place - 1) else Ending.WAITING
        if not self.done >= self.program.steps:
            return None
        return Ending.COMPLETED if self.program.is_last else Ending.CONTINUED

    def end(self, now_us: int, sleep_us: int) -> tuple[list[Record], End]:
        """The last records and the end; how long it sleeps, if it does."""
        kind = self.ending(self.pause())
        if kind is Ending.SLEEPING:
            return [self.record("sleep", f"pause{self.pause() - 1}")], End(kind, wake_at=now_us + sleep_us)
        if kind is Ending.WAITING:
            place = self.pause() - 1
            spawns = self.program.pauses[place] == "child" and f"spawn{place}" not in self.done
            records = [self.record("spawn", f"spawn{place}")] if spawns else []
            return records, End(kind, wake_seq=self.execution.wake_seq)
        if kind is Ending.PARKED:
            return [], End(kind, cause=DIVERGED, wake_seq=self.execution.wake_seq)
        if kind is Ending.CONTINUED:
            return [], End(kind, b"%d" % (self.program.generation + 1))
        return [], End(str(kind))

    def pause(self) -> int:
        """The place, and one, after which this body has come to a pause; 0 when it has steps to run first, or none."""
        for place, group in enumerate(self.program.groups):
            if not self.done.issuperset(group):
                return 0
            if place in self.program.pauses and f"pause{place}" not in self.done:
                return place + 1
        return 0

    def message(self, place: int) -> Message | None:
        """What is there for the wait at that place."""
        kind = self.program.pauses[place]
        name = "word" if kind == "wait" else child_of(self.execution.id, self.program.generation, place)
        return next((message for message in self.messages if message.name == name), None)

    def hears(self, place: int) -> bool:
        """Whether a wait can be given what it waits for; `place` is its `pause()`."""
        if self.halted or self.differs or self.running or not place or self.program.pauses[place - 1] == "sleep":
            return False
        return self.message(place - 1) is not None

    def record(self, kind: str, name: str, digest: bytes = b"") -> Record:
        record = Record(len(self.records) + 1, kind, "", name, 1, self.execution.epoch, digest, None, 0, 0)
        self.records.append(record)
        if kind != "try":
            self.done.add(name)
        return record


def child_of(id: str, generation: int, place: int) -> str:
    """The execution that this one spawns there."""
    return f"{id}.{generation}.{place}"


class Worker:
    def __init__(self, world: World, slot: int, node_id: str, page: Page, code: int = 0) -> None:
        self.code = code
        self.world = world
        self.slot = slot
        self.node_id = node_id
        self.page = page
        self.is_alive = True
        self.death_reason = WorkerEnd.of_signal(9)
        self.is_stopped = False
        self.is_stalled = False
        self.is_condemned = False  # killed, but not yet dead
        self.is_draining = False
        self.inbox: deque[ToWorker] = deque()
        self.outbox: deque[FromWorker] = deque([Hello(1)])
        self.bodies: dict[int, Body] = {}
        self._last_us = 0
        self.lost: list[Body] = []  # halted as lost: their running steps go on, what they return is discarded

    def choices(self) -> list[tuple[object, ...]]:
        """What it may do next: (method, arguments …)."""
        if not self.is_alive:
            return []
        found: list[tuple[object, ...]] = []
        if self.is_condemned:
            found.append((self.die, self.death_reason))
        if self.is_stopped:
            return found
        if self.inbox:
            found.append((self.read,))
        has_right = self.world.now_ns < self.page.deadline_ns or "self_fence" in self.world.dropped
        for body in self.bodies.values():
            if has_right and (name := body.startable()):
                found.append((self.start, body, name))
            if body.running:
                found.append((self.finish, body))
            elif body.hears(place := body.pause()):
                found.append((self.hear, body))
            elif body.ending(place):
                found.append((self.end, body))
        found += [(self.finish, body) for body in self.lost if body.running]
        if self.is_draining and not self.bodies and not self.inbox:
            found.append((self.die, WorkerEnd.of_exit_code(0)))
        return found

    def read(self) -> None:
        frame = self.inbox.popleft()
        if isinstance(frame, Run):
            self._run(frame.token, frame.execution)
        elif isinstance(frame, Durable):
            for token, seq in zip(frame.tokens, frame.seqs, strict=True):
                if token in self.bodies:
                    self.bodies[token].durable = max(seq, self.bodies[token].durable)
        elif isinstance(frame, Halt):
            body = self.bodies.get(frame.token)
            if body is not None:
                body.halted = frame.reason
                if frame.reason == "lost":
                    self.lost.append(self.bodies.pop(frame.token))
        elif isinstance(frame, Deliver):
            if frame.token in self.bodies:
                self.bodies[frame.token].messages += frame.messages
        elif isinstance(frame, Drain):
            self.is_draining = True
            for body in self.bodies.values():
                body.halted = body.halted or "drain"

    def _run(self, token: int, execution: Claimed) -> None:
        records = list(execution.records)
        done = {record.name for record in records if record.kind in ("step", "sleep", "event", "spawn")}
        program = self.world.program(execution.id, int(execution.input))
        consumed = {record.digest.decode() for record in records if record.kind == "event"}
        messages = [message for message in execution.messages if message.id not in consumed]
        body = Body(token, execution, program, records, len(records), done, messages=messages)
        body.differs = self.world.differs(execution, self.code)
        if self.is_draining:
            body.halted = "drain"
        elif execution.cancel_requested:
            body.halted = "cancelled"
        self.bodies[token] = body
        if program.pauses:
            self.outbox.append(Listening(token))

    def start(self, body: Body, name: str) -> None:
        self.world.check_start(self, body, name)
        body.running.add(name)
        if name == body.program.poison:
            self.world.note(f"{self} is poisoned by {body.execution.id}")
            self.die(WorkerEnd.of_signal(11))

    def hear(self, body: Body) -> None:
        """A wait is given its message, which the record consumes."""
        place = body.pause() - 1
        message = body.message(place)
        assert message is not None
        body.messages.remove(message)
        self.outbox.append(Recorded(body.token, [body.record("event", f"pause{place}", message.id.encode())]))

    def finish(self, body: Body) -> None:
        name = self.world.random.choice(sorted(body.running))
        body.running.discard(name)
        self.world.running[body.execution.id, name].discard(self)
        if body.halted == "lost":
            return
        if self.world.random.random() < 0.1:
            frame = Recorded(body.token, [body.record("try", name)])
        else:
            frame = Recorded(body.token, [body.record("step", name)])
            self.world.reported.add((self.node_id, body.execution.id, name))
        if self.world.random.random() < 0.5 and body.ending(body.pause()):
            self.end(body, frame.records)
        else:
            self.outbox.append(frame)

    def end(self, body: Body, records: list[Record] | None = None) -> None:
        """The last records may ride with the end."""
        sleep_us = self.world.sleep_us()
        last, end = body.end(self.now_us(), sleep_us)
        if end.kind == Ending.SLEEPING:
            self.world.sleeps(body.execution.id, body.execution.epoch, sleep_us)
        del self.bodies[body.token]
        self.outbox.append(Ended(body.token, (records or []) + last, end))

    def now_us(self) -> int:
        now_us = self.world.now_ns // 1000 + self.page.offset_us
        self._last_us = carried(self._last_us, now_us, "clock_back" not in self.world.dropped)
        return self._last_us

    def die(self, reason: WorkerEnd) -> None:
        """kill -9, or its own exit: what it ran is gone, what it sent is still in the socket."""
        self.is_alive = False
        self.death_reason = reason

    def crashes(self) -> list[tuple[int, Record]]:
        """What its page shows after its death."""
        return [
            (body.token, Record(0, "crash", "", name, 1, 0, b"", None, 0, 0))
            for body in self.bodies.values()
            for name in sorted(body.running)
        ]

    def __repr__(self) -> str:
        return f"worker {self.node_id}/{self.slot}"
