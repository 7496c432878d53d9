"""One run of a program on hydra: a harness, whatever goes wrong at the named boundaries, and what came of it.

    submit ─► boundary, boundary, … ─► Fault? the node is lost (crash) or gives everything back (evict) ─► … ─► the end

Outside time is the same in every run: a step that is begun again ends when its first try would have, so the same
things happen at the same instants, and everything must come out the same. Unless the fault is `unsteady`: then what is
begun again takes another time, and only what was decided before must stay.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra import identity
from hydra.body import async_body
from hydra.execution import FINAL
from hydra.testing import Harness, harness_node

from tests.programs import bodies
from tests.programs.bodies import compiled, part_async, part_sync
from tests.programs.grammar import Program
from tests.programs.recording import Recording
from tests.servers import mysql, postgres

UNRECORDED_US = async_body.UNRECORDED_US
MEMORY = Path("/dev/shm")
MAX_SECONDS = 100 * 86_400.0  # of a program's own time
HELD_US = 2_000_000  # for which an execution that waits may keep its place, and a little more
MAX_BOUNDARIES = 3_000


class Fault(BaseException):
    """The end of a node, raised at a boundary."""


@dataclass(frozen=True)
class Plan:
    """`at` are the boundaries, counted over the whole run, at which the node is lost, or evicts what it runs;
    `after`: every boundary that begins so. `seed` moves what happens outside after the first fault."""

    kind: str = "none"
    at: frozenset[int] = frozenset()
    after: str | None = None
    seed: int | None = None

    @property
    def is_steady(self) -> bool:
        return self.seed is None

    def __str__(self) -> str:
        if self.kind == "none":
            return "no fault"
        where = f"at every boundary `{self.after} …`" if self.after else f"at boundary {sorted(self.at)}"
        return f"{self.kind} {where}" + ("" if self.is_steady else f", unsteady {self.seed}")


class Database:
    """One for many runs: in a SQLite file, in memory where there is such a folder, or in the server of that URL."""

    def __init__(self, server_url: str | None = None) -> None:
        # None of these nodes has processes; and one round that brings nothing is enough where nothing is retried.
        identity.kill_processes = lambda *_: identity.Remains([], [], [])
        harness_node.QUIET_ROUNDS = 1
        self._exit = contextlib.ExitStack()
        self.harness = self._exit.enter_context(Harness(self._exit.enter_context(fresh(server_url))))

    def tidy(self) -> None:
        """Forget what has ended, and the nodes that were lost: each look at the others reads them all."""
        self.harness.clock.advance(1_000_000)
        self.harness.engine.purge(0)

    def close(self) -> None:
        self._exit.close()


@contextlib.contextmanager
def fresh(server_url: str | None) -> Iterator[str]:
    """The URL of an empty database, which is gone afterwards."""
    if server_url is None:
        with tempfile.TemporaryDirectory(prefix="hydra-programs-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
            yield f"sqlite:///{folder}/hydra.db"
        return
    module: Any = postgres if server_url.startswith("postgresql") else mysql
    server = module.ExistingServer(server_url)
    url = module.create_database(server)
    try:
        yield url
    finally:
        module.drop_database(server, url)


class Run:
    """`final` and `end` say what came of it; `recording` what happened."""

    def __init__(self, program: Program, plan: Plan, harness: Harness) -> None:
        self.recording = Recording()
        self.parts = compiled(program.source(), len(program.parts))
        self.boundaries: list[str] = []
        self.fault_count = 0
        self.statuses: dict[str, str] = {}
        self.end: tuple[str, Any] = ("", None)
        self._program = program
        self._plan = plan
        self._harness = harness
        self._names: dict[str, str] = {}
        self._try_numbers = itertools.count()
        self._ends_at: dict[tuple[str, str, int], int] = {}
        self._completed: set[str] = set()
        self._outside: list[tuple[int, int, Callable[[], object]]] = []
        self._random = random.Random(plan.seed)
        self._fault_kinds: set[str] = set()
        self._under_way: dict[str, str] = {}  # tries on this node, and whose they are

    def run(self) -> Run:
        harness, program = self._harness, self._program
        bodies.current.run = self
        # A timer's first second is not recorded, so a crash may begin it again, and then a race may end otherwise.
        async_body.UNRECORDED_US = 0 if self._plan.is_steady else UNRECORDED_US
        self._began_at = harness.clock.now()
        self._limit = self._began_at + round(MAX_SECONDS * 1e6)
        main = part_async if program.parts[0].is_async else part_sync
        self._handle: Any = harness.submit(main.bind(0, ""))
        for number, (at, name, value) in enumerate(program.outside):
            self._at(self._began_at + round(at * 1e6), self._signal(number, name, value))
        harness.watch(self._reached)
        try:
            while self._go_on():
                pass
        finally:
            harness.watch(None)
        self._look()
        return self

    # what happens

    def _go_on(self) -> bool:
        """To the next instant at which something happens; False when nothing is left."""
        harness = self._harness
        try:
            harness.run_until_idle()  # which may add to what happens outside
            due = self._outside[0][0] if self._outside else self._limit
            timer_at = harness._node.next_timer_at()  # what `run_until_done` goes by
            if timer_at is None or timer_at > due:
                if not self._outside:
                    return False
                timer_at = due
            self._look_at_places(timer_at)
            harness.clock.move_to(timer_at)
            if self._outside and self._outside[0][0] <= timer_at:
                heapq.heappop(self._outside)[2]()
        except Fault:
            self._end_node()
        return True

    def _reached(self, boundary: str) -> None:
        plan = self._plan
        self.boundaries.append(boundary)
        if len(self.boundaries) > MAX_BOUNDARIES:
            raise AssertionError("the run does not come to its end")
        place = len(self.boundaries) - 1
        has_come = place in plan.at
        if plan.after is not None and boundary.startswith(plan.after):
            # Once for each such boundary: a crash after a step, each time it runs, would never end.
            name = f"{boundary} {len(self.recording.begun)}" if plan.after.endswith("step") else f"{boundary} {place}"
            has_come = name not in self._fault_kinds
            self._fault_kinds.add(name)
        if plan.kind != "none" and has_come:
            self.fault_count += 1
            raise Fault(boundary)

    def _look_at_places(self, next_at: int) -> None:
        """Whoever only waits, and for longer than a moment, has left its place in the worker."""
        if next_at - self._harness.clock.now() <= HELD_US:
            return
        working = set(self._under_way.values())
        for id, who in self._names.items():
            if who not in working and str(self._harness.engine.get(id).status()) == "running":
                self.recording.problems.append(f"execution {who!r} keeps its place, though it only waits")

    def _end_node(self) -> None:
        self._under_way.clear()
        if self._plan.kind == "evict":
            self._harness.restart()
        else:
            self._harness.crash()

    def _at(self, instant: int, act: Callable[[], object]) -> None:
        heapq.heappush(self._outside, (instant, len(self._outside) + len(self.boundaries), act))

    def _signal(self, number: int, name: str, value: str) -> Callable[[], object]:
        def send() -> None:
            try:
                if name == "cancel":
                    self._handle.cancel()
                else:
                    self._handle.signal(name, value)
            except hydra.HydraError:
                return  # it has ended

        return send

    # what steps ask for

    def who(self, execution_id: str) -> str:
        return self._names[execution_id]

    def name(self, execution_id: str, who: str) -> None:
        known = self._names.setdefault(execution_id, who)
        if known != who or list(self._names.values()).count(who) > 1:
            self.recording.problems.append(f"{who!r} is two executions, or execution {execution_id} is two")

    def wait(self, who: str, label: str, attempt: int, seconds: float) -> None:
        with self._working(who):
            self._harness.clock.wait(self._lasts(who, label, attempt, seconds))

    async def wait_async(self, who: str, label: str, attempt: int, seconds: float) -> None:
        with self._working(who):
            await self._harness.clock.wait_async(self._lasts(who, label, attempt, seconds))
            self.recording.went_on(who, label)

    @contextlib.contextmanager
    def _working(self, who: str) -> Iterator[None]:
        number = f"try {next(self._try_numbers)}"
        self._under_way[number] = who
        try:
            yield
        finally:
            self._under_way.pop(number, None)

    def _lasts(self, who: str, label: str, attempt: int, seconds: float) -> float:
        now = self._harness.clock.now()
        if not self._plan.is_steady and self.fault_count:
            seconds *= self._random.choice((0.01, 0.3, 1.0, 2.7, 30.0))
            return seconds
        ends_at = self._ends_at.setdefault((who, label, attempt), now + round(seconds * 1e6))
        return max(0, ends_at - now) / 1e6

    def complete_later(self, who: str, label: str, token: str, seconds: float) -> None:
        if token not in self._completed:
            self._completed.add(token)
            engine = self._harness.engine

            def complete() -> None:
                try:
                    engine.complete(token, f"{label}?")
                except hydra.HydraError:
                    return  # it has expired, or ended

            self._at(self._harness.clock.now() + round(seconds * 1e6), complete)

    # what came of it

    def _look(self) -> None:
        for id, who in self._names.items():
            handle = self._harness.engine.get(id)
            status = str(handle.status())
            self.statuses[who] = status
            if status not in FINAL:
                self.recording.problems.append(f"execution {who!r} is {status}: {self._reason(handle)}")
        self.recording.problems += [str(broken) for broken in self._harness.engine.audit()]
        self.end = self._end_of(self._handle)

    def _reason(self, handle: Any) -> str:
        return " ".join(str(getattr(each, "detail", "")) for each in handle.attempts())[:600]

    def _end_of(self, handle: Any) -> tuple[str, Any]:
        status = str(handle.status())
        if status not in FINAL:
            return status, None
        try:
            return status, handle.result()
        except hydra.WorkflowFailed as failure:
            return status, type(failure.__cause__).__name__ if failure.__cause__ else str(failure)
        except hydra.WorkflowCancelled:
            return status, None

    def final(self) -> dict[str, tuple[Any, list[str], list[str]]]:
        """As `Model.final`."""
        ends = {who: self._end_of(self._harness.engine.get(id)) for id, who in self._names.items()}
        return {who: (ends[who], *said) for who, said in self.recording.final().items()}
