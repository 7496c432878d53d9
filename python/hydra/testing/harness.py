"""An engine and a worker in the test's own thread: the real dispatcher, hub and store, under a clock the test moves.

    submit ─► database ─► run_until_idle: dispatcher ► store ► hub ► steps, all on the calling thread ─► result
                             ▲
    advance ─────────────────┘ from timer to timer

Only async bodies and steps leave the thread: they run on the hub's event loop, which is waited for.
"""

from __future__ import annotations

import logging
import mmap
import random
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from greenlet import getcurrent

from hydra import _core, identity
from hydra.body.step_call import NEVER_NS
from hydra.body.transactions import Transactions
from hydra.client.engine import Engine
from hydra.client.handle import Handle
from hydra.client.session import Session
from hydra.client.watcher import OutcomeWatcher, Wait
from hydra.config import DEFAULT_NAMESPACE
from hydra.definitions import BoundWorkflow
from hydra.dispatch.dispatcher import Dispatcher, Settings
from hydra.dispatch.events import (
    Action,
    ClaimDone,
    Event,
    Exit,
    ExtendLease,
    KillWorker,
    Log,
    Received,
    Refused,
    SpawnWorker,
    Tick,
    ToSlot,
    WakeAt,
    WorkerGone,
    WorkerStarted,
    WorkHint,
)
from hydra.errors import HydraError, ResultTimeout
from hydra.execution import FINAL
from hydra.frames import Drain, FromWorker, ToWorker
from hydra.node.errands import Crashed, NextDue, Promote, RegisterWorkflows, Report
from hydra.node.peers import Reaper
from hydra.node.store_thread import StoreThread, commits_of
from hydra.stores import open_store
from hydra.stores.store import Store
from hydra.testing.clock import HarnessClock, NodeClock, microseconds_until
from hydra.worker import zygote
from hydra.worker.hub import Hub
from hydra.worker.page import Page
from hydra.workflow import registry

R = TypeVar("R")

log = logging.getLogger("hydra.testing")

CONCURRENCY = 1000  # executions claimed together
LEASE_TTL_NS = 10_000_000_000
ROUND_NS = LEASE_TTL_NS // 4  # the node's time from one round to the next: enough for a beat and for any pause
QUIET_ROUNDS = 2  # in which nothing happened, before the harness is idle
ROUNDS_MAXIMUM = 100_000
LOOP_SECONDS = 30.0  # for the event loop to come to rest
ASYNC_STEP_SECONDS = 60.0  # for async steps to end, in real time
ASYNC_LOOK_SECONDS = 0.0005

Watch = Callable[[str], None]


class Harness:
    """One node of one database, driven by its caller. `url` is by default a new SQLite file, gone with the harness.

    A second harness on the same `url` and `clock` is what a restarted worker would be.
    """

    def __init__(
        self, url: str | None = None, namespace: str = DEFAULT_NAMESPACE, *, clock: HarnessClock | None = None
    ) -> None:
        self._directory = None if url else tempfile.TemporaryDirectory(prefix="hydra-harness-")
        self.url = url or f"sqlite:///{self._directory and self._directory.name}/hydra.db"
        self.namespace = namespace
        self.clock = clock or HarnessClock()
        self._node_clock = NodeClock(self.clock)
        self.engine: Engine = HarnessEngine(self)
        self._store = open_store(self.url, namespace)
        self._store.open()
        self._watch: Watch | None = None
        self._node = self._new_node()

    # what tests use

    def submit(self, bound: BoundWorkflow[R], **options: Any) -> Handle[R]:
        """As `Engine.submit`; nothing runs before `run_until_idle`, `advance` or the handle's `result`."""
        return self.engine.submit(bound, **options)

    def run_until_idle(self) -> None:
        """Everything that can happen at this instant."""
        self._node.run_until_idle()

    def advance(self, duration: timedelta | float | datetime) -> None:
        """Move the clock by a duration or to an instant; each timer on the way fires at its own time."""
        end = self.clock.now() + microseconds_until(duration, self.clock.now())
        while self._step(end):
            pass
        self.clock.move_to(end)
        self.run_until_idle()

    def run_until_done(self, handle: Handle[R], limit: timedelta = timedelta(days=366 * 100)) -> R:
        """Move the clock from timer to timer until the execution has ended; its result."""
        end = self.clock.now() + limit // timedelta(microseconds=1)
        self.run_until_idle()
        while handle.status() not in FINAL and self._step(end):
            pass
        return handle.result()

    def restart(self) -> None:
        """Hand back what runs and start a new node, as a deploy would."""
        self._node.leave()
        self._node = self._new_node()

    def crash(self) -> None:
        """Lose the node with all it has in memory, as kill -9 would, and start another."""
        self._node.abandon()
        self._node = self._new_node()

    def close(self) -> None:
        self._node.leave()
        self._store.close()
        self.engine.close()
        if self._directory is not None:
            self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # what crash_matrix uses

    def watch(self, watch: Watch | None) -> None:
        """Have every boundary told: before and after each step, and each transaction with records."""
        self._watch = watch

    def reached(self, boundary: str) -> None:
        if self._watch is not None:
            self._watch(boundary)

    def _step(self, end: int) -> bool:
        """To the next timer that is due by `end`, with what follows; False when there is none."""
        self.run_until_idle()
        at = self._node.next_timer_at()
        if at is None or at > end:
            return False
        self.clock.move_to(at)
        return True

    def _new_node(self) -> HarnessNode:
        return HarnessNode(self, self._store, self._node_clock)


class HarnessNode:
    """One registration: a dispatcher with one hub, and a store thread that is no thread."""

    def __init__(self, harness: Harness, store: Store, clock: NodeClock) -> None:
        self._harness = harness
        self._store = store
        self._clock = clock
        self._events: deque[Event] = deque([Tick()])
        self._asked: list[Action] = []
        self._is_active = False
        self._thread = getcurrent()
        self._thread_id = threading.get_ident()
        harness.clock.on_moved = self._clock_moved
        self._id = id = _core.uuid7()
        self._lock = identity.NodeLock(identity.lock_path(identity.lock_prefix(store.path), id))
        reaper = Reaper(store, LEASE_TTL_NS, store.path)
        self._store_thread = StoreThread(store, clock, reaper, self._reported, lease_ttl_ns=LEASE_TTL_NS)
        self._store_thread.membership.info = identity.describe_node(
            id, code_version="", workers=1, lock_path=self._lock.path
        )
        self._workflow_count = -1
        settings = Settings(1, CONCURRENCY, LEASE_TTL_NS)
        self._dispatcher = Dispatcher(settings, clock.boottime_ns(), random.Random(0))
        self._page = WatchedPage.create_private()
        self._page.reached = self._reached
        self._hub_slot = 0
        self._hub = self._new_hub(0)

    def run_until_idle(self) -> None:
        if getcurrent() is not self._thread:
            raise HydraError("a harness is driven by the test that made it, not by a workflow or a step in it.")
        quiet_count = 0
        for _ in range(ROUNDS_MAXIMUM):
            if self._round():
                quiet_count = 0
            else:
                quiet_count += 1
            if quiet_count == QUIET_ROUNDS:
                return
        raise HydraError(f"the workflows do not come to rest within {ROUNDS_MAXIMUM} rounds; does one loop for ever?")

    def next_timer_at(self) -> int | None:
        """The next instant, later than now, at which time alone makes something happen."""
        now = self._harness.clock.now()
        known = (self._store.next_due_at(), self._store_thread.next_tick_at)
        instants = [at for at in known if at is not None]
        if self._hub.next_timer_ns != NEVER_NS:
            instants.append(now + -((self._harness.clock.boottime_ns() - self._hub.next_timer_ns) // 1000))
        return max(now + 1, min(instants)) if instants else None

    def leave(self) -> None:
        """Unwind the bodies, and give back what this node owns."""
        self._hub.deliver([Drain()])
        self._hub.turn()
        self._hub.leave_behind()
        self._store_thread.leave()
        identity.remove_lock(self._lock.path)
        self._lock.close()

    def abandon(self) -> None:
        """Its bodies stay where they are for good: collecting a greenlet would run its `finally` blocks."""
        _abandoned.append(self)
        self._hub.leave_behind()
        self._lock.close()

    # one round

    def _round(self) -> bool:
        """Everything asked for until nothing is left; whether something came of it."""
        self._is_active = False
        self._clock.go_on(ROUND_NS)
        self._serve()
        self._asked.append(Promote())
        self._events += [Tick(), WorkHint()]
        while self._turn():
            pass
        return self._is_active

    def _turn(self) -> bool:
        has_acted = bool(self._events)
        now_ns = self._clock.boottime_ns()
        outgoing: list[ToWorker] = []
        while self._events:
            for action in self._dispatcher.handle(self._events.popleft(), now_ns):
                self._do(action, outgoing)
        if outgoing:
            self._hub.deliver(outgoing)
        self._asked, asked = [], self._asked
        if asked:
            self._perform(asked)
            has_acted = True
        if self._hub.has_news or self._hub.next_timer_ns <= self._harness.clock.boottime_ns() or self._awaits_loop():
            self._is_active = has_acted = True
            self._hub.turn()
        return has_acted

    def _do(self, action: Action, outgoing: list[ToWorker]) -> None:
        match action:
            case ToSlot(_, frames):
                outgoing += frames
            case SpawnWorker(slot):
                outgoing.clear()
                if self._hub_slot != slot:
                    self._hub = self._new_hub(slot)
                self._events.append(WorkerStarted(slot))
            case KillWorker(slot, reason):
                outgoing.clear()
                self._hub.close()
                self._hub_slot = -1
                self._events.append(WorkerGone(slot, reason, []))
            case Log(level, message):
                log.log(logging.getLevelNamesMapping()[level.upper()], message)
            case ExtendLease() | WakeAt() | Exit():
                pass  # here the lease does not end, and every round is a tick
            case _:
                self._asked.append(action)

    def _perform(self, actions: list[Action]) -> None:
        commits = [commit for action in actions for commit in commits_of(action)]
        names = ", ".join(each.records[-1].name if each.records else "an end" for each in commits)
        if commits:
            self._harness.reached(f"before the commit of {names}")
        self._store_thread.perform(actions)
        if commits:
            self._harness.reached(f"after the commit of {names}")

    def _clock_moved(self) -> None:
        """By the test, or by a step, which may be an async one."""
        if threading.get_ident() == self._thread_id:
            self._hub.clock_moved()
        else:
            self._hub.post(lambda _: self._hub.clock_moved(), None)

    def _serve(self) -> None:
        """Workflows may be defined while the harness runs."""
        if len(registry.workflows) != self._workflow_count:
            self._workflow_count = len(registry.workflows)
            self._asked.append(RegisterWorkflows(zygote.describe_workflows(registry, "")))

    def _awaits_loop(self) -> bool:
        """Wait while async steps run and the loop is busy; whether the hub has something to do because of it."""
        deadline = time.monotonic() + ASYNC_STEP_SECONDS
        while True:
            is_running = self._page.running_count > 0
            if not self._hub.wait_quiet(LOOP_SECONDS):
                raise HydraError("the event loop does not come to rest; an async workflow or step blocks it.")
            if self._hub.has_news or not is_running:
                return self._hub.has_news
            if time.monotonic() > deadline:
                raise HydraError(f"an async step ran longer than {ASYNC_STEP_SECONDS:g} s of real time.")
            time.sleep(ASYNC_LOOK_SECONDS)

    def _new_hub(self, slot: int) -> Hub:
        def send(frames: list[FromWorker]) -> None:
            self._events.append(Received(slot, frames))

        self._hub_slot = slot
        harness = self._harness
        transactions = Transactions(
            lambda: open_store(harness.url, harness.namespace),
            self._id,
            lambda: self._store_thread.membership.session,
            harness.clock.now,
            1,
            may_kill=False,
        )
        return Hub(registry, send, harness.clock, self._page, 0, harness.namespace, transactions)

    def _reported(self, report: Report) -> None:
        match report:
            case Crashed(error):
                raise error
            case Refused():
                raise HydraError("the harness's node was declared dead: two harnesses on one database need one clock.")
            case ClaimDone(executions) if executions:
                self._is_active = True
                self._events.append(report)
            case WorkHint():
                self._is_active = True
                self._events.append(report)
            case Event():
                self._events.append(report)
            case NextDue():
                pass

    def _reached(self, boundary: str) -> None:
        """In a step: its strand is left where it is when the boundary ends the node."""
        here = getcurrent()
        try:
            self._harness.reached(boundary)
        except BaseException as crash:
            if here is self._thread or here.parent is not self._thread:
                raise
            self._thread.throw(crash)


class WatchedPage(Page):
    """The worker's page, which knows when each step begins and ends."""

    def __init__(self, fd: int, memory: mmap.mmap) -> None:
        super().__init__(fd, memory)
        self.reached: Watch = _nobody
        self._names: dict[int, str] = {}

    @property
    def running_count(self) -> int:
        return len(self._names)

    def enter(self, slot: int, token: int, deadline_ns: int, branch: str, name: str, *rest: Any) -> None:
        super().enter(slot, token, deadline_ns, branch, name, *rest)
        self._names[slot] = name
        self.reached(f"before step {name}")

    def leave(self, slot: int) -> None:
        super().leave(slot)
        self.reached(f"after step {self._names.pop(slot)}")


class HarnessEngine(Engine):
    """Under the harness's clock; whoever waits for a result drives the harness."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness.url, harness.namespace)
        self._harness = harness

    def new_session(self, store: Store) -> Session:
        return HarnessSession(store, self._harness)


class HarnessSession(Session):
    def __init__(self, store: Store, harness: Harness) -> None:
        super().__init__(store)
        self.watcher = HarnessWatcher(store, harness)
        self._harness = harness

    def now(self) -> int:
        return self._harness.clock.now()


class HarnessWatcher(OutcomeWatcher):
    """An outcome is there as soon as nothing more can happen, or it is not there at all."""

    def __init__(self, store: Store, harness: Harness) -> None:
        super().__init__(store)
        self._reader = store
        self._harness = harness

    def watch(self, id: str) -> Wait:
        self._harness.run_until_idle()
        if self._reader.outcomes([id])[0] is None:
            status = self._harness.engine.get(id).status()
            sentence = f"execution `{id}` is {status} and nothing is left to run; advance the clock, or signal it"
            raise ResultTimeout(sentence)
        return super().watch(id)


def _nobody(boundary: str) -> None:
    """Nobody asks for boundaries yet."""


_abandoned: list[HarnessNode] = []
