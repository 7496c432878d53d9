"""A worker process as the protocol sees it: replays what is recorded, starts steps, reports records, dies at any point.

An execution's program is a row of groups; the steps of one group run side by side, the next group begins when all of
them are recorded. After some groups it sleeps. Frames in its socket outlive it until they are read.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hydra.execution import Claimed, End, Ending, Record
from hydra.frames import Drain, Durable, Ended, FromWorker, Halt, Hello, Recorded, Run, ToWorker

if TYPE_CHECKING:
    from .world import World


@dataclass(frozen=True, slots=True)
class Program:
    groups: tuple[tuple[str, ...], ...]
    sleeps: frozenset[int] = frozenset()  # after these groups
    poison: str = ""  # this step kills its worker

    @property
    def steps(self) -> set[str]:
        return {name for group in self.groups for name in group}


@dataclass(slots=True)
class Page:
    """The deadline word of one registration (R1, R5)."""

    deadline_ns: int = 0


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

    def startable(self) -> str | None:
        """The next step that may start: nothing handed to the body may be undurable (G5)."""
        if self.halted or self.durable < len(self.records):
            return None
        for place, group in enumerate(self.program.groups):
            waiting = [name for name in group if name not in self.done]
            if waiting:
                return next((name for name in waiting if name not in self.running), None)
            if place in self.program.sleeps and f"sleep{place}" not in self.done:
                return None
        return None

    def ending(self) -> Ending | None:
        """How this dispatch ends now, if it does."""
        if self.running:
            return None
        if self.halted:
            return Ending.RELEASED if self.halted == "drain" else Ending.CANCELLED
        if self._next_sleep():
            return Ending.SLEEPING
        return Ending.COMPLETED if self.done >= self.program.steps else None

    def end(self, now_us: int) -> tuple[list[Record], End]:
        """The last records and the end."""
        kind = self.ending()
        if kind is Ending.SLEEPING:
            return [self.record("sleep", self._next_sleep())], End(kind, wake_at=now_us + 200_000)
        return [], End(str(kind))

    def _next_sleep(self) -> str:
        """The sleep this body has come to; "" when it has steps to run first, or none."""
        for place, group in enumerate(self.program.groups):
            if not self.done.issuperset(group):
                return ""
            if place in self.program.sleeps and f"sleep{place}" not in self.done:
                return f"sleep{place}"
        return ""

    def record(self, kind: str, name: str) -> Record:
        record = Record(len(self.records) + 1, kind, "", name, 1, self.execution.epoch, b"", None, 0, 0)
        self.records.append(record)
        if kind != "try":
            self.done.add(name)
        return record


class Worker:
    def __init__(self, world: World, slot: int, node_id: str, page: Page) -> None:
        self.world = world
        self.slot = slot
        self.node_id = node_id
        self.page = page
        self.is_alive = True
        self.death_reason = ""
        self.is_stopped = False
        self.is_stalled = False
        self.is_condemned = False  # killed, but not yet dead
        self.is_draining = False
        self.inbox: deque[ToWorker] = deque()
        self.outbox: deque[FromWorker] = deque([Hello(1)])
        self.bodies: dict[int, Body] = {}
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
            elif body.ending():
                found.append((self.end, body))
        found += [(self.finish, body) for body in self.lost if body.running]
        if self.is_draining and not self.bodies and not self.inbox:
            found.append((self.die, "exit 0"))
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
        elif isinstance(frame, Drain):
            self.is_draining = True
            for body in self.bodies.values():
                body.halted = body.halted or "drain"

    def _run(self, token: int, execution: Claimed) -> None:
        records = list(execution.records)
        done = {record.name for record in records if record.kind in ("step", "sleep")}
        body = Body(token, execution, self.world.programs[execution.id], records, len(records), done)
        if self.is_draining:
            body.halted = "drain"
        elif execution.cancel_requested:
            body.halted = "cancelled"
        self.bodies[token] = body

    def start(self, body: Body, name: str) -> None:
        self.world.check_start(self, body, name)
        body.running.add(name)
        if name == body.program.poison:
            self.world.note(f"{self} is poisoned by {body.execution.id}")
            self.die("signal 11")

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
        if self.world.random.random() < 0.5 and body.ending():
            self.end(body, frame.records)
        else:
            self.outbox.append(frame)

    def end(self, body: Body, records: list[Record] | None = None) -> None:
        """The last records may ride with the end."""
        last, end = body.end(self.world.now_ns // 1000)
        del self.bodies[body.token]
        self.outbox.append(Ended(body.token, (records or []) + last, end))

    def die(self, reason: str) -> None:
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
