"""The node of a harness: the real dispatcher, store thread and hub, all on the thread that drives it.

run_until_idle ─► rounds: dispatcher ─► store thread ─► hub ─► steps, until two rounds brought nothing
"""

from __future__ import annotations

import logging
import mmap
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent

from hydra import _core, identity
from hydra.body.protocol import RunningExecution
from hydra.body.replay import Key
from hydra.body.step_call import NEVER_NS
from hydra.body.transactions import Transactions
from hydra.dispatch.dispatcher import Dispatcher, NodeSettings
from hydra.dispatch.events import (
    Action,
    ClaimDone,
    Event,
    ExecutionEnded,
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
from hydra.errors import HydraError
from hydra.frames import Drain, FromWorker, ToWorker
from hydra.node.outcome_log import tell_end
from hydra.node.reaper import Reaper
from hydra.node.requests import Crashed, NextDue, Promote, RegisterWorkflows, Report
from hydra.node.store_thread import StoreThread, commits_of
from hydra.stores.store import Store
from hydra.testing.clock import HarnessClock, NodeClock
from hydra.worker.body_threads import watch_threads
from hydra.worker.event_loop import LoopLost
from hydra.worker.hub import Hub
from hydra.worker.imported_app import describe_workflows
from hydra.worker.page import Page
from hydra.workflow import registry

log = logging.getLogger("hydra.testing")

CONCURRENCY = 1000  # executions claimed together
LEASE_TTL_NS = 10_000_000_000
ROUND_NS = LEASE_TTL_NS // 4  # the node's time from one round to the next: enough for a beat and for any pause
QUIET_ROUNDS = 2  # in which nothing happened, before the harness is idle
MAX_ROUNDS = 100_000
LOOP_SECONDS = 30.0  # for the event loop to come to rest
ASYNC_STEP_SECONDS = 60.0  # for async steps to end, in real time
ASYNC_LOOK_SECONDS = 0.0005

Watch = Callable[[str], None]
GaveUp = Callable[[str, str, Key], None]  # the execution's id, its line of calls, what that had asked for


class HarnessNode:
    """One registration. `clock` is the test's, `node_clock` goes on; `reached` is told of every boundary, `gave_up` of
    every call that a body waits for no more."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        store: Store,
        clock: HarnessClock,
        node_clock: NodeClock,
        reached: Watch,
        gave_up: GaveUp,
    ) -> None:
        self._open_store = open_store  # for transactions, which have connections of their own
        self._store = store
        self._harness_clock = clock
        self._clock = node_clock
        self._tell = reached
        self._gave_up = gave_up
        self._events: deque[Event] = deque([Tick()])
        self._asked: list[Action] = []
        self._is_active = False
        self._thread = getcurrent()
        self._thread_id = threading.get_ident()
        clock.on_moved = self._clock_moved
        self._id = id = _core.uuid7()
        self._lock = identity.NodeLock(identity.lock_path(identity.lock_prefix(store.path), id))
        reaper = Reaper(store, LEASE_TTL_NS, store.path)
        self._store_thread = StoreThread(store, node_clock, reaper, self._reported, lease_ttl_ns=LEASE_TTL_NS)
        self._store_thread.membership.info = identity.describe_node(
            id, code_version="", workers=1, lock_path=self._lock.path
        )
        self._workflow_count = -1
        settings = NodeSettings(1, CONCURRENCY, LEASE_TTL_NS, can_rewind=False)
        self._dispatcher = Dispatcher(settings, node_clock.boottime_ns(), random.Random(0))
        self._page = WatchedPage.create_private()
        self._page.reached = self._reached
        self._crash: BaseException | None = None  # on the event loop's thread
        self._is_loop_asked = False  # to do something since it was at rest
        self._hub_slot = 0
        watch_threads()
        self._hub = self._new_hub(0)

    def run_until_idle(self) -> None:
        if getcurrent() is not self._thread:
            raise HydraError("a harness is driven by the test that made it, not by a workflow or a step in it")
        quiet_count = 0
        for _ in range(MAX_ROUNDS):
            if self._round():
                quiet_count = 0
            else:
                quiet_count += 1
            if quiet_count == QUIET_ROUNDS:
                return
        raise HydraError(f"the workflows do not come to rest within {MAX_ROUNDS} rounds; does one loop for ever?")

    def next_timer_at(self) -> int | None:
        """The next instant, later than now, at which time alone makes something happen."""
        now = self._harness_clock.now()
        waits = self._harness_clock.waits
        known = (self._store.next_due_at(), self._store_thread.next_tick_at, waits.next_at(self._hub))
        instants = [at for at in known if at is not None]
        timer_ns = self._next_timer_ns()
        if timer_ns != NEVER_NS:
            instants.append(now + -((self._harness_clock.boottime_ns() - timer_ns) // 1000))
        return max(now + 1, min(instants)) if instants else None

    def leave(self) -> None:
        """Unwind the bodies, and give back what this node owns."""
        self._hub.deliver([Drain()])
        self._hub.turn()
        self._hub.wait_quiet(LOOP_SECONDS)
        self._harness_clock.waits.forget(self._hub)
        self._hub.leave_behind()
        self._store_thread.leave()
        identity.remove_lock(self._lock.path)
        self._lock.close()

    def abandon(self) -> None:
        """Its bodies stay where they are for good: collecting a greenlet would run its `finally` blocks."""
        _abandoned.append(self)
        self._harness_clock.waits.forget(self._hub)
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
        has_fired = self._harness_clock.waits.fire(self._hub, self._harness_clock.now())
        is_due = self._next_timer_ns() <= self._harness_clock.boottime_ns()
        self._is_loop_asked |= has_fired
        if has_fired or self._hub.has_news or is_due or self._awaits_loop():
            self._is_active = has_acted = True
            self._hub.turn()
            self._is_loop_asked = True
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
            case ExecutionEnded():
                tell_end(action)
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
            self._tell(f"before the commit of {names}")
        self._store_thread.perform(actions)
        if commits:
            self._tell(f"after the commit of {names}")

    def _clock_moved(self) -> None:
        """By the test, or by a step, which may be an async one."""
        self._is_loop_asked = True
        if threading.get_ident() == self._thread_id:
            self._hub.clock_moved()
        else:
            self._hub.post(lambda _: self._hub.clock_moved(), None)

    def _serve(self) -> None:
        """Workflows may be defined while the harness runs."""
        if len(registry.workflows) != self._workflow_count:
            self._workflow_count = len(registry.workflows)
            self._asked.append(RegisterWorkflows(describe_workflows(registry, "", "")))

    def _awaits_loop(self) -> bool:
        """Wait while async steps run and the loop is busy; whether the hub has something to do because of it.

        What waits on the test's clock waits for the test.
        """
        if not self._is_loop_asked and not self._has_running():
            return False
        self._is_loop_asked = False
        deadline = time.monotonic() + ASYNC_STEP_SECONDS
        while True:
            was_running = self._has_running()
            if not self._hub.wait_quiet(LOOP_SECONDS):
                raise HydraError("the event loop does not come to rest; an async workflow or step blocks it")
            if self._crash is not None:
                raise self._crash
            if self._hub.has_news or not (was_running or self._has_running()):
                return self._hub.has_news
            if time.monotonic() > deadline:
                raise HydraError(f"an async step ran longer than {ASYNC_STEP_SECONDS:g} s of real time")
            time.sleep(ASYNC_LOOK_SECONDS)

    def _has_running(self) -> bool:
        """Steps that do not wait for the test's clock."""
        return self._page.running_count > self._harness_clock.waits.count(self._hub)

    def _next_timer_ns(self) -> int:
        return min(self._hub.next_timer_ns, self._hub.next_limit_ns)

    def _new_hub(self, slot: int) -> Hub:
        def send(frames: list[FromWorker]) -> None:
            self._events.append(Received(slot, frames))

        self._hub_slot = slot
        clock, session = self._harness_clock, lambda: self._store_thread.membership.session
        transactions = Transactions(self._open_store, self._id, session, clock.now, 1, may_kill=False)
        hub = WatchedHub(registry, send, clock, self._page, 0, self._store.namespace, transactions)
        hub.told_of = self._gave_up
        hub.hold_loop()
        return hub

    def _reported(self, report: Report) -> None:
        match report:
            case Crashed(error):
                raise error
            case Refused():
                raise HydraError("the harness's node was declared dead: two harnesses on one database need one clock")
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
        """In a step: its strand, or the event loop, is left where it is when the boundary ends the node."""
        here = getcurrent()
        try:
            self._tell(boundary)
        except BaseException as crash:
            if threading.get_ident() != self._thread_id:
                self._crash = crash
                raise LoopLost from crash
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

    def enter(self, token: int, deadline_ns: int, branch: str, name: str, *rest: Any) -> int:
        slot = super().enter(token, deadline_ns, branch, name, *rest)
        self._names[slot] = name
        self.reached(f"before step {name}")
        return slot

    def end(self, slot: int) -> None:
        super().end(slot)
        self.reached(f"after step {self._names.pop(slot)}")

    def leave(self, slot: int) -> None:
        super().leave(slot)
        if slot in self._names:  # of a transaction
            self.reached(f"after step {self._names.pop(slot)}")


class WatchedHub(Hub):
    """The hub, which says what its bodies give up."""

    told_of: GaveUp

    def gave_up(self, execution: RunningExecution, line: str, key: Key) -> None:
        self.told_of(execution.claimed.id, line, key)


def _nobody(boundary: str) -> None:
    """Nobody asks for boundaries yet."""


_abandoned: list[HarnessNode] = []
