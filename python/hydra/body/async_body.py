"""An async body: its tasks on a loop of its own, what they ask for, and how it ends. All on the hub's thread.

    a task asks ──► a strand runs it ──► its outcome enters the loop ──► every task goes on as far as it can
    a task is cancelled while it waits ──► what it asked for is given up: a step is asked to stop, a wait ends

Each outcome enters when the loop is at rest, in the order of the records; so a replay, which hands them out in that
order, makes of the body what it was.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import weakref
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Protocol

from greenlet import getcurrent

from hydra import middleware
from hydra.body.async_branch import AsyncBranch
from hydra.body.body_call import BodyCall
from hydra.body.loop import BodyLoop, Task, Timer
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import FINAL_KINDS, Key
from hydra.body.replay_order import SLEEP, TIMER, Order
from hydra.body.source_places import place_of
from hydra.body.strand import GivenUp, Request, Strand, running
from hydra.definitions import caller
from hydra.errors import Interrupt
from hydra.execution import End, RecordKind
from hydra.middleware import Around

MAX_INTERRUPTS = 100  # a body that swallows this many is never resumed
MAX_CLOSE_ATTEMPTS = 10  # to close a coroutine whose `finally` awaits something
UNRECORDED_US = 1_000_000  # a timer that has gone on for longer is recorded, so that a crash does not begin it again

EXPIRY = str(RecordKind.EXPIRY)

log = logging.getLogger("hydra.worker")

UNNAMED: Key = ("", "", 0)  # what is asked for is no step
abandoned: list[Any] = []  # coroutines that cannot be closed; collecting one would resume its code without a context


class OwnerOfBody(RunningExecution, Protocol):
    """What an async body needs of its execution beside what every call does."""

    body_call: BodyCall

    def body_is_over(self) -> None: ...
    def is_early(self, seq: int) -> bool: ...


class AsyncBody:
    """It counts as a strand of its execution that only ever waits, until `is_over`."""

    def __init__(self, execution: OwnerOfBody) -> None:
        self.execution = execution
        self.loop = BodyLoop(self, execution.claimed.submitted_at)  # type: ignore[abstract]  # the rest is refused
        self.order = Order(self, execution.claimed.records)
        self.is_over = False
        self.request_count = 0  # of what is asked for, and neither answered nor given up
        self.pinned: dict[str, Any] = {}
        self.root = AsyncBranch(self, "")
        self._tasks: dict[asyncio.Task[Any], Context] = {}
        self._made_at: dict[asyncio.Task[Any] | None, str] = {}  # the line that made it, noted while the body replays
        self._decide: Callable[[], End | None] | None = None
        self._raised: BaseException | None = None
        self._interrupt_count = 0
        self._porter: Strand | None = None
        self._around: tuple[Around, Context] | None = None  # hooks, entered in the context of the body

    # its life

    def begin(self) -> None:
        """In a strand."""
        execution = self.execution
        if execution.stopping is None:
            arguments = execution.body_call.arguments()
            if isinstance(arguments, End):
                execution.stop(arguments)
            else:
                self._enter(self._begin, *arguments)

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        context = copy_context()
        if middleware.execution_hooks and (around := context.run(self.execution.body_call.enter_hooks)) is not None:
            self._around = around, context
        context.run(caller.set, self.root)
        self.task_made(Task(self._run(args, kwargs), loop=self.loop, name=None, context=context), context)

    async def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        execution = self.execution
        try:
            value = await execution.workflow.function(*args, **kwargs)
        except BaseException as error:
            self._decide, self._raised = partial(execution.body_call.raised, error), error
        else:
            self._decide = partial(execution.body_call.returned, value)
        self.loop.is_stopped = True

    def _enter(self, outcome: Callable[..., object] | None, *args: Any) -> None:
        """Let the body have one outcome, and go on as far as it can."""
        self.loop.run(outcome, *args)
        if self.loop.is_stopped and not self.is_over:
            self._end()

    def close(self) -> None:
        """The execution stops: every task ends where it stands; hydra calls in its `finally` blocks raise Interrupt."""
        self.loop.is_stopped = True
        if not self.loop.is_running() and not self.is_over:
            self._end()

    def _end(self) -> None:
        self.is_over = True
        execution = self.execution
        try:
            self.loop.run(self._close_tasks)
            end = None if self._decide is None else self._decide()
            if end is not None:
                execution.stop(end)
            if self._around is not None:
                around, context = self._around
                context.run(execution.body_call.leave_hooks, around, end, self._raised)
        finally:
            self._around = self._raised = None
            execution.body_is_over()

    def release(self) -> None:
        """Its execution has ended; see there."""
        self._decide = None
        self.execution = weakref.proxy(self.execution)
        own: AsyncBody = weakref.proxy(self)
        self.order.body = self.root.body = own
        self.loop.release(own)
        self.order.execution = self.root.execution = self.execution

    def _close_tasks(self) -> None:
        """In its own context each, so that a step called by a `finally` block is still a call of this body."""
        for task, context in reversed(list(self._tasks.items())):
            if task.done():
                continue
            task._log_destroy_pending = False  # it is meant to end unfinished
            coroutine = task.get_coro()
            if coroutine is not None:
                close_in(context, coroutine)
        for coroutine, context in self.loop.awaited_by_generators():
            close_in(context, coroutine)

    def task_made(self, task: asyncio.Task[Any], context: Context) -> None:
        self._tasks[task] = context
        if self.execution.history is not None:
            self._made_at[task] = place_of(sys._getframe())
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        self._made_at.pop(task, None)

    def new_task_context(self, context: Context | None) -> Context:
        """A task is a branch of its own, counted by its parent in creation order."""
        context = copy_context() if context is None else context
        context.run(caller.set, self.branch().child())
        return context

    def branch(self) -> AsyncBranch:
        """Who is calling."""
        here = caller.get()
        return here if isinstance(here, AsyncBranch) and here.body is self else self.root

    # what it asks for

    def check_open(self) -> None:
        if self.is_over or self.execution.stopping is not None:
            raise Interrupt(f"execution `{self.execution.claimed.id}` stops here; let this exception pass")

    async def outcome(self, run: Callable[[], Any], key: Key = UNNAMED) -> Any:
        """Have a strand run this; its result, or its exception. `key`: of the step, or the branch of several."""
        if self.is_over or self.execution.stopping is not None:
            self._interrupt_count += 1
            if self._interrupt_count > MAX_INTERRUPTS:
                await self.loop.create_future()  # its code goes on in spite of Interrupt: leave it here for good
            self.check_open()
        execution = self.execution
        request = Request()
        future = asyncio.Future[Any](loop=self.loop)
        strand = execution.strands.start(partial(self._serve, request, future, run), copy_context())
        strand.request = request
        if execution.history is not None:
            strand.place = place_of(sys._getframe()) or self._made_at.get(asyncio.current_task(), "")
        self.request_count += 1
        try:
            value, error = await future
        except BaseException:
            # Also where the body cancelled it last of all, and has ended: its task is told of that no more.
            if not self.is_over or (future.cancelled() and self._decide is not None):
                self._give_up(request, key)
            raise
        if error is not None:
            try:
                raise error
            finally:
                del error  # whose traceback holds this frame
        return value

    def _serve(self, request: Request, future: asyncio.Future[Any], run: Callable[[], Any]) -> None:
        """A strand of one request."""
        execution, strand = self.execution, running()
        outcome: tuple[Any, BaseException | None] | None = None
        try:
            outcome = self._outcome_of(run)
            while execution.is_early(strand.outcome_seq):
                execution.strands.wait()
        except (GivenUp, Interrupt):
            outcome = None
        if outcome is not None and execution.stopping is None and not request.is_given_up:
            request.is_answered = True
            self.request_count -= 1
            execution.log.hand_out()
            loop = self.loop
            loop.time_us = max(loop.time_us, strand.outcome_at)
            self._enter(future.set_result, outcome)
        del outcome  # a traceback in it holds this frame

    def _outcome_of(self, run: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        try:
            return run(), None
        except GivenUp:
            raise
        except BaseException as error:
            return None, error

    def _give_up(self, request: Request, key: Key) -> None:
        """Nobody waits for it any more."""
        if not request.is_answered and not request.is_given_up:
            self.request_count -= 1
            self.execution.give_up(request, self.branch().name, key)

    def recorded(self, kind: str, at: int, seq: int) -> None:
        """Something was recorded that had happened then."""
        strand = getcurrent()
        if kind in FINAL_KINDS and isinstance(strand, Strand):
            strand.had(at, seq)

    @property
    def is_own_thread(self) -> bool:
        return self.loop.is_own_thread

    # its timers

    async def sleep(self, seconds: float, ordinal: int) -> None:
        """The number is the calling branch's."""
        self.check_open()
        future = self.loop.create_future()
        name = f"{SLEEP}/{ordinal}"
        timer = self.loop.begin_timer(self.loop.time() + seconds, seconds, name, settle_future, (future,))
        try:
            await future
        finally:
            timer.cancel()

    def timer_began(self, timer: Timer, name: str) -> None:
        self.check_open()
        execution, branch = self.execution, self.branch()
        if name:
            name, _, ordinal = name.partition("/")
            key = (branch.name, name, int(ordinal))
        else:
            key = (branch.name, TIMER, branch.next_ordinal(TIMER))
        timer.key = key
        self.order.ask(key)
        past = None if execution.history is None else execution.history.ask(key)
        timer.begun_at = execution.host.now() if self.order.is_live else self.loop.time_us
        timer.is_recorded = past is not None and past.due_at > 0
        timer.due_at = timer.begun_at + round(timer.seconds * 1e6)
        if past is not None and past.due_at:
            timer.due_at = past.due_at

    def timers_changed(self) -> None:
        self.look()

    def went_live(self) -> None:
        """The replay is over."""
        self.loop.move_timers(self.execution.host.now())
        self.look()

    def look(self) -> None:
        """A message may have come, or be waited for now; or another timer is the first."""
        if not self.order.is_live or self.is_over:
            return
        execution = self.execution
        if self._porter is not None:
            execution.host.resume(self._porter)
        elif self.loop.first_timer() is not None or execution.mailbox.first_arrival() is not None:
            self._porter = execution.strands.start(self._let_in)

    def _let_in(self) -> None:
        """A strand: timers and messages enter in the order of their times, also where many have gathered meanwhile."""
        execution, loop, mailbox = self.execution, self.loop, self.execution.mailbox
        try:
            execution.strands.go_last()  # what is asked for in the same moment waits by then, too
            while execution.stopping is None:
                now, timer, arrival = execution.host.now(), loop.first_timer(), mailbox.first_arrival()
                if timer is None and arrival is None:
                    break
                if execution.unwinding is not None:
                    execution.strands.stand_still()
                sent_at = 0 if arrival is None else arrival.message.sent_at
                if arrival is not None and (timer is None or sent_at <= timer.due_at or timer.due_at > now):
                    strand = arrival.waiter.strand
                    strand.may_take = True
                    execution.host.resume_next(strand)
                    execution.strands.go_last()
                elif timer is not None and timer.due_at <= now:
                    if execution.is_early(execution.log.seq + 1):
                        execution.strands.wait()
                    else:
                        self._fire(timer, now)
                elif timer is not None:
                    self._keep_starts(now)
                    execution.strands.wait_idle(now, timer.due_at)
                    execution.strands.go_last()
        except Interrupt:
            pass
        self._porter = None

    def _fire(self, timer: Timer, now: int) -> None:
        """Recorded, so that a replay has it in the same place; but not where nothing else could have happened."""
        if self.is_alone(timer):
            self.fire(timer.key, 0)
            return
        execution = self.execution
        execution.log.append(EXPIRY, timer.key, b"", None, Timing(1, now, now))
        execution.log.hand_out()
        self.fire(timer.key, now)

    def fire(self, key: Key, at: int) -> None:
        self.loop.take(key, at)
        self._enter(None)

    def is_alone(self, timer: Timer) -> bool:
        """Whether the body waits for nothing but this timer."""
        return self.request_count == 0 and self.loop.pending_count == 1 and self.loop.is_pending(timer.key)

    def _keep_starts(self, now: int) -> None:
        """Record when those timers are due that have gone on for a while."""
        next_at = 0
        for timer in self.loop.pending:
            if timer.is_recorded or timer.due_at - timer.begun_at <= UNRECORDED_US:
                continue
            if timer.begun_at + UNRECORDED_US <= now:
                self._keep_start(timer)
            elif not next_at:
                next_at = timer.begun_at + UNRECORDED_US
        if next_at and self._porter is not None:
            self.execution.host.resume_at(self._porter, next_at)

    def suspending(self) -> None:
        """Record when each timer is due: from then on nobody else knows."""
        for timer in self.loop.pending:
            if not timer.is_recorded:
                self._keep_start(timer)

    def _keep_start(self, timer: Timer) -> None:
        timer.is_recorded = True
        kind = RecordKind.SLEEP if timer.key[1] == SLEEP else RecordKind.WAIT
        begun_at = timer.begun_at
        self.execution.log.append(str(kind), timer.key, b"", None, Timing(1, begun_at, begun_at, timer.due_at))


def settle_future(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(None)


def close_in(context: Context, coroutine: Any) -> None:
    if not context.run(closed, coroutine):
        abandoned.append(coroutine)
        log.warning("an async body catches GeneratorExit and goes on; it is set aside until this worker ends")


def closed(coroutine: Any) -> bool:
    for _ in range(MAX_CLOSE_ATTEMPTS):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # its `finally` awaited something; it is now suspended there
        except BaseException:
            return True
        return True
    return False
