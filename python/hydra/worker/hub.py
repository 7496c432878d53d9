"""The one thread on which a worker's bodies run: greenlets set aside and resumed, steps sent to where they may run.

    frames in ─► executions ─► ready strands ─► nothing ready? frames out, then wait ─┐
         ▲            ▲ steps that ended (pool, event loop), timers                    │
         └────────────┴───────────────────────────────────────────────────────────────┘

`deliver` is safe from any thread, everything else belongs to the hub's. It knows nothing of sockets or processes.
"""

from __future__ import annotations

import os
import random
import select
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from hydra.body.executor import Executor
from hydra.body.protocol import RunningExecution
from hydra.body.replay import Key
from hydra.body.step_call import NEVER_NS, StepCall, StepOwner
from hydra.body.strand import Strand
from hydra.body.transactions import TransactionCall, Transactions
from hydra.errors import StepTimeout
from hydra.execution import Claimed, End, Ending, Progress
from hydra.frames import (
    BreakerAnswer,
    BreakerIs,
    Committed,
    Deliver,
    Drain,
    Durable,
    Ended,
    FromWorker,
    Halt,
    Listening,
    Progressed,
    Recycle,
    Run,
    ToWorker,
)
from hydra.worker.breaker_desk import BreakerDesk
from hydra.worker.courier import Courier, Objects
from hydra.worker.page import Page
from hydra.worker.run_queue import RunQueue
from hydra.worker.runner import LeaseView, Runner
from hydra.worker.sender import Sender
from hydra.worker.timers import Timers
from hydra.workflow import Registry

LEASE_RECHECK_US = 20_000
REPORT_NS = 1_000_000_000  # from one word on a step's progress to the next
RECYCLE_NS = 10_000_000_000  # for the other steps to end, once a step could not be ended
MAX_WAIT_MS = 60_000


class Source(Protocol):
    """Where frames come from, when not through `deliver`."""

    def fileno(self) -> int: ...
    def receive(self) -> Sequence[ToWorker] | None:
        """What has arrived; None at the end."""
        ...


class Hub:
    """Runs executions until it is told to drain. `send` is called on the hub's thread only, one call per batch."""

    has_hooks = True

    def __init__(
        self,
        registry: Registry,
        send: Callable[[list[FromWorker]], None],
        lease: LeaseView,
        page: Page | None = None,
        concurrency: int = 64,
        namespace: str = "default",
        transactions: Transactions | None = None,
        node: str = "",
        worker: int | None = None,
        objects: Objects | None = None,
    ) -> None:
        self.namespace = namespace
        self.node = node
        self.worker = worker
        self.transactions = transactions
        self.now = lease.now
        self.boottime_ns = lease.boottime_ns
        self.random = random.Random().random
        self._registry = registry
        self._lease = lease
        self._page = page
        self._executions: dict[int, Executor] = {}
        self._timers = Timers()
        self._runner = Runner(lease, page, concurrency, self.post, self._finished_call)
        self._queue = RunQueue(self._runner.new_context)
        self._courier = Courier(objects, send, self._receive, self.post, lease.now)
        self._sender = Sender(self._courier.send)
        self.breakers = BreakerDesk(self._sender.add, self._queue.resume, self.now)
        self._inbox: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._eventfd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._close_eventfd = weakref.finalize(self, os.close, self._eventfd)  # a step's thread may outlive `run`
        self._is_asleep = False
        self._is_draining = False
        self._is_recycling = False
        self._leaving: dict[int, tuple[int, list[int]]] = {}  # by token: of ends on their way, last record and places
        self._stuck: dict[StepOwner, int] = {}  # how many of its steps run on although they were given up
        # what executions ask for, and one part alone sees to
        self.may_start = lease.may_start
        self.start = self._queue.start
        self.resume = self._queue.resume
        self.resume_next = self._queue.resume_next
        self.abandon = self._queue.abandon
        self.has_unsent = self._sender.has_unsent
        self.perform = self._runner.perform
        self.ask_to_stop = self._runner.ask_to_stop
        self.beaten = self._runner.beaten
        self.leave_page = self._runner.leave_page if page is None else page.leave

    # from any thread

    def deliver(self, frames: Sequence[ToWorker]) -> None:
        """Frames from the supervisor."""
        self.post(self._courier.receive, frames)

    def post(self, function: Callable[[Any], None], argument: Any) -> None:
        """Have the hub's thread call it."""
        self._inbox.append((function, argument))
        if self._is_asleep:
            os.eventfd_write(self._eventfd, 1)

    # the loop

    def run(self, source: Source | None = None) -> None:
        """Until drained, or until the source ends."""
        self._queue.adopt()
        poll = select.poll()
        poll.register(self._eventfd, select.POLLIN)
        if source is not None:
            poll.register(source.fileno(), select.POLLIN)
        try:
            while not self._is_done:
                for fd in self._wait(poll):
                    if fd == self._eventfd:
                        os.eventfd_read(fd)
                    elif source is not None:
                        frames = source.receive()
                        if frames is None:
                            return
                        self._courier.receive(frames)
                self.turn()
        finally:
            self.close()

    def turn(self) -> None:
        """Everything that can happen now, and what came of it out."""
        self._run_timers()
        while self._inbox:
            function, argument = self._inbox.popleft()
            function(argument)
        self._queue.run(self._pause)
        self._sender.flush()

    @property
    def _is_done(self) -> bool:
        return self._is_draining and not self._executions and self._sender.is_empty and self._courier.is_idle

    @property
    def has_news(self) -> bool:
        """Whether a turn would do something, timers aside."""
        return bool(self._inbox or self._queue.ready)

    @property
    def next_timer_ns(self) -> int:
        return self._timers.next_ns

    @property
    def next_limit_ns(self) -> int:
        """When the next step under way is looked at, since it may be over its time."""
        return self._runner.limits.next_ns

    def wait_quiet(self, timeout_seconds: float) -> bool:
        """Until the event loop, if there is one, has nothing to do but wait; False when it did not come to rest."""
        return self._runner.loop.wait_quiet(timeout_seconds)

    def hold_loop(self) -> None:
        """Let the event loop run within `wait_quiet` only."""
        self._runner.loop.hold()

    def close(self) -> None:
        """Threads end after what they do now."""
        self._queue.close()
        self._runner.close()

    def leave_behind(self) -> None:
        """After a turn that is its last: whoever keeps it keeps no descriptor of it."""
        self.close()
        self._is_asleep = False
        self._close_eventfd()

    def _wait(self, poll: select.poll) -> list[int]:
        timeout_ms = MAX_WAIT_MS
        next_ns = min(self._timers.next_ns, self._runner.limits.next_ns)
        if next_ns != NEVER_NS:
            timeout_ms = min(timeout_ms, max(0, (next_ns - self._lease.boottime_ns()) // 1_000_000 + 1))
        if self._page is not None:
            self._page.set_busy(0)
        self._is_asleep = True
        if self._inbox or self._queue.ready:
            timeout_ms = 0
        events = poll.poll(timeout_ms)
        self._is_asleep = False
        if self._page is not None:
            self._page.set_busy(self._lease.boottime_ns())
        return [fd for fd, _ in events]

    def _pause(self) -> None:
        """Between strands, where many are ready: the supervisor sees this process alive, and gets what there is."""
        if self._page is not None:
            self._page.set_busy(self._lease.boottime_ns())
        if self._sender.is_full:
            self._sender.flush()

    def _run_timers(self) -> None:
        limits = self._runner.limits
        if self._timers.next_ns != NEVER_NS or limits.next_ns != NEVER_NS:
            now_ns = self._lease.boottime_ns()
            self._timers.run(now_ns)
            for call in limits.check(now_ns) if limits.next_ns <= now_ns else ():
                self._give_up(call)

    def clock_moved(self) -> None:
        """By hand, perhaps by the step that runs on this thread: what is over its limit ends here and now. A step that
        catches its StepTimeout is let go on, since nobody but itself can end it."""
        for call in self._runner.limits.check(self._lease.boottime_ns()):
            if call.step.is_async:
                self._give_up(call)

    @property
    def is_asleep(self) -> bool:
        return self._is_asleep

    @property
    def resumed_count(self) -> int:
        """Strands so far: while it stands, one of them runs, or the hub sleeps."""
        return self._queue.resumed_count

    # frames

    def _receive(self, frames: Sequence[ToWorker]) -> None:
        executions, window = self._executions, self._sender.window
        for frame in frames:
            if isinstance(frame, Durable):
                for token, record in frame.arrived:
                    if (execution := executions.get(token)) is not None:
                        execution.mailbox.arrived[record.seq] = record
                for token, seq in zip(frame.tokens, frame.seqs, strict=True):
                    if window.byte_count:
                        window.confirm(token, seq)
                    execution = executions.get(token)
                    if execution is not None:
                        execution.became_durable(seq)
                    elif (left := self._leaving.get(token)) is not None and left[0] <= seq:
                        self._leave_places(self._leaving.pop(token)[1])
            elif isinstance(frame, Run):
                self._begin(frame.token, frame.execution)
            elif isinstance(frame, Halt):
                execution = executions.get(frame.token)
                if execution is not None:
                    if frame.reason == "refused":
                        window.forget(frame.token)  # or what it has still to tell might never leave
                    execution.halt(frame.reason)
            elif isinstance(frame, Deliver):
                execution = executions.get(frame.token)
                if execution is not None:
                    execution.deliver(frame.messages, has_more=frame.has_more)
            elif isinstance(frame, BreakerAnswer | BreakerIs):
                self.breakers.receive(frame)
            elif isinstance(frame, Drain):
                self._is_draining = True
                self._halt_all()

    def _begin(self, token: int, claimed: Claimed) -> None:
        workflow = self._registry.workflows.get(claimed.workflow)
        if workflow is None or self._is_draining or self._is_recycling:
            self._sender.add(Ended(token, [], End(Ending.RELEASED)))
            return
        execution = self._executions[token] = Executor(token, claimed, workflow, self)
        execution.start()

    def _halt_all(self) -> None:
        for execution in list(self._executions.values()):
            execution.halt("drain")

    # what executions ask for

    def resume_at(self, strand: Strand, due_at: int) -> None:
        at_ns = self._lease.boottime_ns() + (due_at - self.now()) * 1_000
        self._timers.call_at(at_ns, lambda: self.resume(strand))

    def resume_when_leased(self, strand: Strand) -> None:
        self.resume_at(strand, self.now() + LEASE_RECHECK_US)

    def listen(self, execution: RunningExecution) -> None:
        self._sender.add(Listening(execution.token))

    def yield_turn(self, strand: Strand) -> None:
        strand.is_waiting = True
        self.post(self.resume, strand)
        strand.leave()

    def left_transaction(self, call: TransactionCall) -> None:
        """The frame is in the socket when the page no longer shows the step: a death in between loses nothing (R22)."""
        if call.record is not None:
            self._sender.add(Committed(call.execution.token, call.record))
            self._sender.flush()
        self._runner.leave_page(call.place)
        call.place = -1

    def ended(self, execution: RunningExecution, end: End) -> None:
        if execution in self._stuck:
            return  # its step still runs: the kill, or the step's end, gives it back
        executor = self._executions.pop(execution.token)
        if end.kind == Ending.LOST:
            self._sender.forget(executor)
            self._leave_places(executor.log.places)
        else:
            if executor.log.places:
                self._leaving[executor.token] = executor.log.seq, list(executor.log.places)
            self._sender.end(executor, end)
        executor.release()

    def _leave_places(self, places: Iterable[int]) -> None:
        for place in places:
            self.leave_page(place)

    def gave_up(self, execution: RunningExecution, line: str, key: Key) -> None:
        """Whoever tests bodies wants to know."""

    # steps

    def report(self, call: StepCall) -> None:
        self.post(self._report, call)

    def _report(self, call: StepCall) -> None:
        payload = call.progress
        assert payload is not None
        progress = Progress("", *call.called.key, call.attempt, payload, call.started_at, call.reported_at)
        self._sender.add(Progressed(call.execution.token, progress))
        self._timers.call_at(self._lease.boottime_ns() + REPORT_NS, lambda: self._report_again(call, payload))

    def _report_again(self, call: StepCall, reported: bytes) -> None:
        """What it said meanwhile. It may say more at this very moment, so it is allowed to first, then looked at."""
        call.is_reporting = False
        if call.progress is not reported and not call.finished_at:
            call.is_reporting = True
            self._report(call)

    def _finished_call(self, call: StepCall) -> None:
        if call.is_given_up:
            self._came_back(call.execution)
        else:
            assert call.strand is not None
            self._queue.ready.append(call.strand)

    def _give_up(self, call: StepCall) -> None:
        """The step does not end. Its time-out is recorded now; its execution stays here until the step is dead, and is
        handed back then: nothing is undone beside an effect that may still happen."""
        call.is_given_up = True
        call.error = StepTimeout(call.overdue_reason)
        call.finished_at = self.now()
        self._stuck[call.execution] = self._stuck.get(call.execution, 0) + 1
        self._is_recycling = True
        call.execution.calls.discard(call)
        call.execution.hold()
        reason = f"{call.overdue_reason}, and could not be stopped"
        # guard R23: a step that will not end is given up, and its worker goes
        self._sender.add(Recycle(reason, self._lease.boottime_ns() + RECYCLE_NS))
        self._halt_all()
        assert call.strand is not None
        self._queue.ready.append(call.strand)

    def _came_back(self, owner: StepOwner) -> None:
        """A step that was given up ended after all, before anything killed it."""
        self._stuck[owner] -= 1
        if not self._stuck[owner]:
            del self._stuck[owner]
            execution = self._executions[owner.token]
            execution.is_held = False
            if execution.strands.live_count == 0 and execution.stopping is not None:
                self.ended(execution, execution.stopping)
