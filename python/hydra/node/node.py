"""A node's loop: feeds what happens to the dispatcher and does what it wants done. Decides nothing, knows no process.

    worker sockets ──┐                                  ┌──► workers: frames, spawn, kill
    store thread ────┼──► events ► Dispatcher ► actions ┼──► store thread: one batch per turn of the loop
    watcher thread ──┤                                  └──► lease page, native timers
    native timers ───┘

What arrived in one turn is handled before anything is sent, so frames and commits form batches by themselves.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import random
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from hydra import _core, identity
from hydra.clock import DatabaseClock, LeasePage, boottime_ns
from hydra.dispatch.dispatcher import Dispatcher
from hydra.dispatch.events import (
    Action,
    Event,
    ExecutionEnded,
    Exit,
    ExtendLease,
    KillWorker,
    Log,
    Refused,
    Renew,
    SpawnWorker,
    Tick,
    ToSlot,
    WakeAt,
    WorkerGone,
    WorkHint,
)
from hydra.dispatch.serving import Serving
from hydra.dispatch.worker_ends import WorkerEnd
from hydra.errors import ConfigError
from hydra.frames import ToWorker
from hydra.node.frame_buffer import FrameBuffer
from hydra.node.membership import NO_ANSWER
from hydra.node.outcome_log import tell_end
from hydra.node.reaper import Reaper
from hydra.node.requests import Crashed, NextDue, Promote, RegisterWorkflows, Report, Settle, SettleFailed
from hydra.node.store_thread import StoreThread
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

WATCH_SECONDS = 0.2  # how long the watcher may take to notice that the node ends
POLL_SECONDS = 1.0  # how long a change may go unnoticed when no hint arrives; jittered
PROMOTE_PAUSE_NS = 20_000_000  # between two looks at the timers that changes asked for
PROMOTE_AHEAD_NS = 86_400_000_000_000  # the furthest timer that is armed: native ones do not reach the year 9999
TICK_SPREAD_US = 50_000  # within which the nodes look for a schedule's tick
PROMOTE_RETRY_NS = 1_000_000_000  # after the database did not say when the next timer is due
SETTLE_PAUSE_NS = 200_000_000  # before the database is asked again what a dead worker's transactions did
PAUSE_SECONDS = 0.5  # after the watcher met a database that does not answer
WAITS_PER_TTL = 3  # a write that waits longer for other writers is a failed one, and tried again
READS_PER_TTL = 2
ALARM = 0  # the one kind of timer armed natively: the loop's next instant
STOP_SECONDS = 10.0  # for the store thread's last transaction
EVERYTHING = Serving()

log = logging.getLogger("hydra.node")


class WorkerProcesses(Protocol):
    """Who carries out what the dispatcher wants of a slot, and answers through `Node.feed`."""

    def spawn(self, slot: int) -> None: ...
    def kill(self, slot: int, reason: WorkerEnd) -> None: ...
    def send(self, slot: int, frames: list[ToWorker]) -> None: ...
    def renew(self) -> None:
        """The node has a new identity, lock and lease page; workers of the old one must not serve the new one (R1)."""
        ...

    def stop(self) -> None:
        """When this returns no worker lives."""
        ...


class EventObserver(Protocol):
    """Who is told what happens before the dispatcher hears of it, and what the database is asked."""

    def happened(self, event: Event) -> None: ...
    def asked(self, action: Action) -> None: ...


class Node:
    """One registration after another of one process, on the thread that calls `run`."""

    def __init__(
        self, store: Store, ttl_ns: int, worker_count: int, concurrency: int, serving: Serving = EVERYTHING
    ) -> None:
        store.write_wait_seconds = ttl_ns / 1e9 / WAITS_PER_TTL
        store.read_wait_seconds = ttl_ns / 1e9 / READS_PER_TTL  # a server that is stopped keeps no node for longer
        self.selector = selectors.DefaultSelector()
        self.clock = DatabaseClock()
        self.id = ""
        self.lock: identity.NodeLock | None = None
        self.page: LeasePage | None = None
        self.observer: EventObserver | None = None
        self._store = store
        self._lock_prefix = lock_prefix(store.path)
        self._worker_count = worker_count
        self._concurrency = concurrency
        self._serving = serving
        self._code_version = ""
        self._dispatcher: Dispatcher
        self._workers: WorkerProcesses
        self._events: deque[Event] = deque()
        self._reports: deque[Report] = deque()
        self._alarm = _core.Watchdog()
        self._alarm_at_ns: int | None = None
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._bell_lock = threading.Lock()
        self._is_closed = False
        self._asked: list[Action] = []
        self._outgoing = FrameBuffer()
        self._exit: Exit | None = None
        self._hinted = False
        self._stopping = threading.Event()
        self._promote_asked_ns = 0
        self._promote_at_ns: int | None = None
        self._wake_at_ns: int | None = None
        self._calls: list[tuple[int, int, Callable[[], None]]] = []
        self._call_numbers = itertools.count()
        self._store_thread = StoreThread(
            store,
            self.clock,
            Reaper(store, ttl_ns, store.path),
            self.report,
            lease_ttl_ns=ttl_ns,
            tick_spread_us=TICK_SPREAD_US,
        )
        self._watcher = threading.Thread(target=self._watch, name="hydra-watcher", daemon=True)
        self._renew_identity()

    def feed(self, event: Event) -> None:
        """Hand an event to the dispatcher in this turn of the loop; only from the loop's own callbacks."""
        self._events.append(event)

    def remove_worker(self, gone: WorkerGone, tokens: list[int]) -> None:
        """Tell the dispatcher of a worker's end, after what its transactions (of these dispatches) committed."""
        in_doubt = self._dispatcher.running(gone.slot, tokens)
        if in_doubt:
            self._asked.append(Settle(gone, {owned.id: (owned.token, owned.seq) for owned in in_doubt}))
        else:
            self.feed(gone)

    def report(self, report: Report) -> None:
        """The same from any thread."""
        self._reports.append(report)
        with self._bell_lock:  # a node that has ended hears nothing, and its descriptor may be another's by now
            if not self._is_closed:
                os.eventfd_write(self._bell, 1)

    def serve(self, workflows: list[WorkflowInfo], code_version: str) -> None:
        """This is the app's code from now on; claim what of it is for this node."""
        self._asked.append(RegisterWorkflows(self._serving.chosen(workflows)))
        self._code_version = code_version
        self._describe()

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> None:
        """In the loop's turn at or after that instant."""
        heapq.heappush(self._calls, (at_ns, next(self._call_numbers), callback))

    def run(self, dispatcher: Dispatcher, workers: WorkerProcesses) -> int:
        """Until the dispatcher leaves; the exit code."""
        self._dispatcher, self._workers = dispatcher, workers
        self.selector.register(self._bell, selectors.EVENT_READ, self._collect)
        self.selector.register(self._alarm.fileno(), selectors.EVENT_READ, self._alarmed)
        self._alarm.start()
        self._store_thread.start()
        self._watcher.start()
        self.feed(Tick())
        while True:
            self._turn()
            if self._exit is not None:
                return self._leave(self._exit)
            self._set_alarm()
            for key, _ in self.selector.select():
                key.data()

    def close(self) -> None:
        """After `run`, or instead of it: nothing of this node is left."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        self._alarm.close()
        self.selector.close()
        with self._bell_lock:
            self._is_closed = True
            os.close(self._bell)
        if self.page is not None:
            self.page.close()
        if self.lock is not None:
            if self._store_thread.membership.node is None:  # else the abandoned lock tells the peers
                identity.remove_lock(self.lock.path)
            self.lock.close()

    def _turn(self) -> None:
        """Handle everything that has happened, then send everything that shall be done."""
        now_ns = boottime_ns()
        if self._wake_at_ns is not None and now_ns >= self._wake_at_ns:
            self._wake_at_ns = None
            self._events.append(Tick())
        if self._promote_at_ns is not None and now_ns >= self._promote_at_ns:
            self._promote_at_ns = now_ns + PROMOTE_RETRY_NS
            self._promote_asked_ns = now_ns
            self._asked.append(Promote())
        while self._calls and self._calls[0][0] <= now_ns:
            heapq.heappop(self._calls)[2]()
        while self._events and self._exit is None:
            event = self._events.popleft()
            if isinstance(event, Refused):
                self._renew()
            if self.observer is not None:
                self.observer.happened(event)
            for action in self._dispatcher.handle(event, now_ns):
                self._do(action)
        if self._asked:  # first, so that the database works while the frames are encoded
            self._store_thread.ask(self._asked)
            self._asked = []
        assert self.page is not None
        self.page.set_session(self._store_thread.membership.session)
        for slot, frames in self._outgoing.take().items():
            self._workers.send(slot, frames)

    def _do(self, action: Action) -> None:
        match action:
            case ToSlot(slot, frames):
                self._outgoing.add(slot, frames)
            case WakeAt(at_ns):
                self._wake_at_ns = at_ns
            case SpawnWorker(slot):
                self._outgoing.forget(slot)
                self._workers.spawn(slot)
            case KillWorker(slot, reason):
                self._outgoing.forget(slot)
                self._workers.kill(slot, reason)
            case ExtendLease(deadline_ns):
                assert self.page is not None
                self.page.set(deadline_ns, self.clock.offset_us)
            case Renew():
                if self.observer is not None:
                    self.observer.asked(action)
                self._renew()
            case ExecutionEnded():
                tell_end(action)
            case Log(level, message):
                log.log(logging.getLevelNamesMapping()[level.upper()], message)
            case Exit():
                self._exit = action
            case _:
                if self.observer is not None:
                    self.observer.asked(action)
                self._asked.append(action)

    def _collect(self) -> None:
        """What other threads reported."""
        os.eventfd_read(self._bell)
        self._hinted = False
        while self._reports:
            match self._reports.popleft():
                case Crashed(error):
                    raise error
                case SettleFailed(settle):
                    self.call_at(boottime_ns() + SETTLE_PAUSE_NS, partial(self._asked.append, settle))
                case NextDue(at):
                    self._promote_at_ns = None if at is None else self._nearby(at * 1000 - self.clock.offset_us * 1000)
                case WorkHint() as hint:
                    self._events.append(hint)
                    again_ns = self._promote_asked_ns + PROMOTE_PAUSE_NS
                    self._promote_at_ns = min(again_ns, self._promote_at_ns or again_ns)
                case Event() as event:
                    self._events.append(event)

    def _nearby(self, at_ns: int) -> int:
        return min(at_ns, boottime_ns() + PROMOTE_AHEAD_NS)

    def _watch(self) -> None:
        poll_at = 0.0
        while not self._stopping.is_set():
            try:
                is_changed = self._store.wait_for_change(WATCH_SECONDS)
            except NO_ANSWER:
                self._stopping.wait(PAUSE_SECONDS)
                continue
            except BaseException as error:
                self.report(Crashed(error))
                return
            if not self._hinted and (is_changed or time.monotonic() >= poll_at):
                poll_at = time.monotonic() + POLL_SECONDS * random.uniform(0.8, 1.2)
                self._hinted = True
                self.report(WorkHint())

    def _set_alarm(self) -> None:
        call_at_ns = self._calls[0][0] if self._calls else None
        instants = [at for at in (self._wake_at_ns, self._promote_at_ns, call_at_ns) if at is not None]
        at_ns = min(instants, default=None)
        if at_ns is not None and at_ns != self._alarm_at_ns:
            self._alarm_at_ns = at_ns
            self._alarm.arm(ALARM, 0, at_ns)

    def _alarmed(self) -> None:
        """The turn of the loop that follows sees what is due."""
        self._alarm.due()
        self._alarm_at_ns = None

    def _renew(self) -> None:
        self._renew_identity()
        self._workers.renew()

    def _renew_identity(self) -> None:
        """A new id, lock file and lease page; the old page ends at once (R1)."""
        if self.page is not None:
            self.page.set(0, 0)  # guard R1: the deadline of an earlier registration ends with it
        if self.lock is not None:
            self.lock.close()
        self.id = _core.uuid7()
        self.page = LeasePage.create()
        self.lock = self._take_lock()
        self._describe()

    def _take_lock(self) -> identity.NodeLock:
        path = identity.lock_path(self._lock_prefix, self.id)
        try:
            return identity.NodeLock(path)
        except OSError as error:
            raise ConfigError(f"the node's lock file `{path}` cannot be made: {error.strerror}") from error

    def _describe(self) -> None:
        self._store_thread.membership.info = identity.describe_node(
            self.id,
            code_version=self._code_version,
            workers=self._worker_count,
            lock_path=self.lock.path if self.lock else "",
            labels=self._serving.labels,
            places=self._worker_count * self._concurrency,
        )

    def _leave(self, exit: Exit) -> int:
        self._workers.stop()
        if self._store_thread.stop(STOP_SECONDS) and exit.registered:
            self._store_thread.leave()
        return exit.code


def lock_prefix(database: str | None) -> str:
    try:
        return identity.lock_prefix(database)
    except OSError as error:
        raise ConfigError(
            f"the folder of the nodes' lock files, `{error.filename}`, cannot be used: {error.strerror}"
        ) from error
