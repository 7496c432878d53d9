"""What a program means: the same source on plain asyncio, on a loop with a clock of its own. No hydra, no crash.

    everything ready, in order ─► one outcome, in the order of asking ─► one message, in the order of arrival
                                             … nothing left? the clock goes to the next timer

So the loop keeps the one rule that hydra's has to keep: outcomes enter one at a time, each when nothing else is ready.
Where an outcome and a message are there in one instant it is a tie: `Order` says how each goes.
"""

from __future__ import annotations

import asyncio
import contextvars
import enum
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import hydra

from tests.programs.bodies import BACKOFF, STEP_ATTEMPTS, Body, Flaky, compiled, failing
from tests.programs.grammar import Program
from tests.programs.recording import Recording, Trace

MAX_CALLBACKS = 100_000  # a program that needs more is not a good one
LONG_SECONDS = 1e9


class Tie(enum.IntEnum):
    """An outcome that takes no time and a message that is there already: what enters first."""

    OUTCOME = 0
    MESSAGE = 1
    BEHIND = (
        2  # the message is taken, and enters behind the outcomes that are there: nothing that they lead to is before
    )


Order = tuple[Tie, ...]  # of the ties of a run, one after the other; the last one holds for all that follow


class Loop(asyncio.AbstractEventLoop):
    def __init__(self, order: Order = ()) -> None:
        self.order = order
        self.tie_count = 0
        self.ready: deque[asyncio.Handle] = deque()
        self.outcomes: deque[tuple[asyncio.Future[Any], Any]] = deque()
        self.messages: list[tuple[int, int, asyncio.Future[Any], Any]] = []  # that came before they were waited for
        self.timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.now = 0.0
        self._count = 0

    def run(self, is_over: Callable[[], bool]) -> bool:
        """Until it is over, or nothing can happen any more (False)."""
        asyncio._set_running_loop(self)
        try:
            for _ in range(MAX_CALLBACKS):
                if is_over():
                    return True
                if self.ready:
                    handle = self.ready.popleft()
                    if not handle.cancelled():
                        handle._run()
                elif self.outcomes or self.messages:
                    self._let_in()
                elif self.timers:
                    self.now, _, timer = heapq.heappop(self.timers)
                    if not timer.cancelled():
                        self.ready.append(timer)
                else:
                    return False
            raise RuntimeError("a program does not come to rest")
        finally:
            asyncio._set_running_loop(None)

    def _let_in(self) -> None:
        """An outcome, or a message."""
        tie = Tie.OUTCOME if self.outcomes else Tie.MESSAGE
        if self.outcomes and self.messages:
            tie = self.order[min(self.tie_count, len(self.order) - 1)] if self.order else Tie.OUTCOME
            self.tie_count += 1
        if tie is Tie.BEHIND:
            _, _, future, value = heapq.heappop(self.messages)
            self.outcomes.append((future, value))
            tie = Tie.OUTCOME
        if tie is Tie.OUTCOME:
            future, value = self.outcomes.popleft()
        else:
            _, _, future, value = heapq.heappop(self.messages)
        if not future.done():
            future.set_result(value)

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self.timers, (when, self.next_number(), timer))
        return timer

    def next_number(self) -> int:
        self._count += 1
        return self._count

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:  # type: ignore[override]
        return asyncio.Task(coro, loop=self, **options)

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is left out when its time comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tasks whose failure nobody asks for are part of programs."""

    async def shutdown_asyncgens(self) -> None:
        """Programs close theirs."""


class Execution:
    """One execution of the reference: its body's task, what it registered to undo, how it ended."""

    def __init__(self, model: Model, who: str, parent: Execution | None = None) -> None:
        self.model = model
        self.parent = parent
        self.arrival: int | None = None  # of its end at its parent
        self.who = who
        self.undo: list[tuple[str, float]] = []
        self.children: list[Execution] = []
        self.messages: dict[str, deque[tuple[int, Any]]] = {}
        self.message_count = 0
        self.waiters: dict[str, deque[asyncio.Future[Any]]] = {}
        self.end: tuple[str, Any] | None = None
        self.ended: asyncio.Future[Any] = model.loop.create_future()
        self.is_closed = False
        self.trace = model.recording.begin_body(who)

    def start(self, part: int) -> None:
        self.model.loop.create_task(self._run(self.model.parts[part]))

    async def _run(self, function: Callable[[Any], Any]) -> None:
        end: tuple[str, Any]
        try:
            end = "completed", await function(ReferenceBody(self.trace, self.who, self))
        except Exception as error:
            end = "failed", type(error).__name__
        if not self.is_closed:
            self._close(end)

    def _close(self, end: tuple[str, Any]) -> None:
        """Whatever else it left running does nothing any more."""
        self.is_closed = True
        self.trace.notes = list(self.trace.notes)  # what others still append goes nowhere
        self.notes = self.trace.notes
        self.trace.notes = []
        undo = list(reversed(self.undo)) if end[0] != "completed" else []
        self.model.loop.create_task(self._undo(end, undo))

    async def _undo(self, end: tuple[str, Any], steps: list[tuple[str, float]]) -> None:
        for label, takes in steps:
            await self.model.pause(takes)
            self.model.recording.undone[self.who].append(label)
        self.end = end
        if self.parent is not None:
            self.parent.message_count += 1
            self.arrival = self.parent.message_count
        self.ended.set_result(None)

    def cancel(self) -> None:
        for child in self.children:
            child.cancel()
        if not self.is_closed:
            self._close(("cancelled", None))

    def deliver(self, name: str, value: Any) -> None:
        waiters = self.waiters.get(name, deque())
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(value)
                return
        self.message_count += 1
        self.messages.setdefault(name, deque()).append((self.message_count, value))

    def arrived_at(self, name: str) -> int | None:
        messages = self.messages.get(name)
        return messages[0][0] if messages else None

    async def told_of(self, arrival: int, value: Any) -> Any:
        """Of a message that is there already."""
        loop = self.model.loop
        future = loop.create_future()
        heapq.heappush(loop.messages, (arrival, loop.next_number(), future, value))
        return await future

    async def receive(self, name: str, seconds: float | None) -> Any:
        loop = self.model.loop
        messages = self.messages.get(name)
        if messages:
            arrival, value = messages.popleft()
            future = loop.create_future()
            heapq.heappush(loop.messages, (arrival, loop.next_number(), future, value))
            try:
                return await future
            except asyncio.CancelledError:
                if future.cancelled():
                    self._put_back(name, arrival, value)
                raise
        future = loop.create_future()
        self.waiters.setdefault(name, deque()).append(future)
        timer = None if seconds is None else loop.call_later(seconds, expire, future)
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()

    def _put_back(self, name: str, arrival: int, value: Any) -> None:
        """Whoever was to be told of it waits no more, and has not taken it."""
        waiter = next((each for each in self.waiters.get(name, ()) if not each.done()), None)
        if waiter is not None:
            heapq.heappush(self.model.loop.messages, (arrival, self.model.loop.next_number(), waiter, value))
        else:
            self.messages.setdefault(name, deque()).appendleft((arrival, value))


def expire(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result("expired")


class Model:
    """One run of a program. A message that is there already and something that takes no time race within one instant;
    `order` says how that goes."""

    def __init__(self, program: Program, order: Order = ()) -> None:
        self.loop = Loop(order)
        self.recording = Recording()
        self.parts = compiled(program.source(is_reference=True), len(program.parts))
        self.executions: list[Execution] = []
        self.unsure: set[tuple[str, str]] = set()  # undo steps whose registration was cancelled on its way
        self.program = program

    def run(self) -> bool:
        """Whether everything came to its end."""
        asyncio._set_running_loop(self.loop)
        try:
            root = self.begin("", 0)
        finally:
            asyncio._set_running_loop(None)
        for at, name, value in self.program.outside:
            if name == "cancel":
                self.loop.call_at(at, self._cancel, root)
            else:
                self.loop.call_at(at, self._signal, root, name, value)
        self.loop.run(lambda: all(each.end is not None for each in self.executions))
        return all(each.end is not None for each in self.executions)

    def _cancel(self, root: Execution) -> None:
        root.cancel()

    def _signal(self, root: Execution, name: str, value: str) -> None:
        if not root.is_closed:
            root.deliver(name, value)

    def begin(self, who: str, part: int, parent: Execution | None = None) -> Execution:
        execution = Execution(self, who, parent)
        self.executions.append(execution)
        execution.start(part)
        return execution

    async def pause(self, seconds: float) -> None:
        future = self.loop.create_future()
        timer = self.loop.call_later(seconds, expire, future)
        try:
            await future
        finally:
            timer.cancel()

    def final(self) -> dict[str, tuple[Any, list[str], list[str]]]:
        return {
            each.who: (each.end, each.notes, self.recording.undone.get(each.who, []))
            for each in sorted(self.executions, key=lambda each: each.who)
        }


class ReferenceBody(Body):
    """What `SyncBody` and `AsyncBody` are on hydra; all its calls are awaited."""

    def __init__(self, trace: Trace, who: str, execution: Execution) -> None:
        super().__init__(trace, who)
        self.execution = execution
        self.model = execution.model
        self.lock = asyncio.Lock()
        self.semaphore = asyncio.Semaphore(2)
        self.flag = asyncio.Event()
        self.queue: asyncio.Queue[str] = asyncio.Queue()

    async def act(self, site: str, takes: float, fails: str | None = None, is_sync: bool = False) -> None:
        label = self.call(site)
        with self.noted(site):
            self.got(site, await self._step(label, takes, fails))

    async def _step(self, label: str, takes: float, fails: str | None) -> str:
        for attempt in range(1, STEP_ATTEMPTS + 1):
            await self.model.pause(takes)
            error = failing(fails, attempt)
            if error is None:
                return f"{label}!"
            if not isinstance(error, Flaky) or attempt == STEP_ATTEMPTS:
                raise error
            await self.model.pause(BACKOFF.delay(attempt, 0.0))
        raise AssertionError

    async def sleep(self, site: str, seconds: float) -> None:
        self.call(site)
        with self.noted(site):
            await self.model.pause(seconds)
            self.got(site, "slept")

    async def event(self, site: str, name: str, timeout: float | None = None) -> None:
        self.call(site)
        with self.noted(site):
            self.got(site, await self.execution.receive(name, timeout))

    async def callback(self, site: str, after: float, timeout: float) -> None:
        label = self.call(site)
        with self.noted(site):
            self.model.loop.call_later(after, self.execution.deliver, label, f"{label}?")
            await self._soon(None)
            self.got(site, await self.execution.receive(label, timeout))

    async def undo(self, site: str, takes: float) -> None:
        label = self.call(site)
        with self.noted(site):
            try:
                await self._soon(None)  # where the body ends meanwhile nothing is registered
            except asyncio.CancelledError:
                self.model.unsure.add((self.who, label))
                raise
            self.execution.undo.append((label, takes))
            self.got(site, "registered")

    async def spawn(self, site: str, part: int, is_async: bool) -> Any:
        who = self.child(self.call(site))
        with self.noted(site):
            await self._soon(None)  # where the body ends meanwhile nothing has begun
            child = self.model.begin(who, part, self.execution)
            self.execution.children.append(child)
            return child

    async def result(self, site: str, child: Execution) -> None:
        with self.noted(site):
            self.got(site, await self._length_of(child))

    async def _length_of(self, child: Execution) -> int:
        if child.arrival is None:
            await asyncio.shield(child.ended)
        else:
            await self.execution.told_of(child.arrival, None)
        assert child.end is not None
        kind, value = child.end
        if kind == "completed":
            return len(value)
        if kind == "failed":
            raise hydra.WorkflowFailed(value)
        raise hydra.WorkflowCancelled

    async def gather(self, site: str, acts: list[Any], concurrency: int | None = None) -> None:
        calls = [(self.call(site), takes, fails) for takes, fails, _ in acts]
        with self.noted(site):
            results = await self._all(calls, concurrency or len(calls))
            for each in results:
                if isinstance(each, Exception):
                    raise each
            self.got(site, results)

    async def map(self, site: str, acts: list[Any], chunk: int, concurrency: int) -> None:
        calls = [(self.call(site), takes, fails) for takes, fails in acts]
        results: list[Any] = []
        for start in range(0, len(calls), chunk):
            results += await self._all(calls[start : start + chunk], concurrency)
        self.got(site, results)

    async def first(self, site: str, entries: list[Any], losers: str, is_again: bool = False) -> None:
        calls = [await self._call(site, *entry) for entry in entries]
        there = [(at, index) for index, (_, arrived_at, _) in enumerate(calls) if (at := arrived_at()) is not None]
        if there:  # nothing that has not begun begins any more, but steps that are to run on
            index = min(there)[1]
            tasks = {index: asyncio.create_task(calls[index][2]())}
            await asyncio.wait(tasks.values())
        else:
            tasks = {index: asyncio.create_task(wait()) for index, (_, _, wait) in enumerate(calls)}
            await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            index = next(index for index, task in tasks.items() if task.done())
        for other, task in tasks.items():
            if other != index and not (losers == "run" and entries[other][0] == "act"):
                task.cancel()
        self.got(site, index)
        with self.noted(site):
            self.got(site, tasks[index].result())
        for other, (child, _, _) in enumerate(calls):
            if is_again and entries[other][0] == "child" and other != index:
                await self.result(site, child)

    async def _call(self, site: str, kind: str, *options: Any) -> tuple[Any, Callable[[], Any], Callable[[], Any]]:
        """What was made for it, when what it waits for came (None: it is not there yet), and how to wait for it."""
        label, execution = self.call(site), self.execution
        match kind:
            case "act":
                takes, fails, _ = options
                return None, lambda: None, lambda: self._step(label, takes, fails)
            case "sleep":
                return None, lambda: None, lambda: self._slept(*options)
            case "event":
                (name,) = options
                return None, lambda: execution.arrived_at(name), lambda: execution.receive(name, None)
            case "callback":
                self.model.loop.call_later(*options, execution.deliver, label, f"{label}?")
                await self._soon(None)
                return None, lambda: execution.arrived_at(label), lambda: execution.receive(label, None)
            case _:
                part, _ = options
                await self._soon(None)
                child = self.model.begin(self.child(label), part, execution)
                execution.children.append(child)
                return child, lambda: child.arrival, lambda: self._length_of(child)

    async def _slept(self, seconds: float) -> None:
        await self.model.pause(seconds)

    async def _all(self, calls: list[tuple[str, float, str | None]], concurrency: int) -> list[Any]:
        """In order, so many at a time; failures in their places."""
        results: list[Any] = [None] * len(calls)
        indices = iter(range(len(calls)))

        async def work() -> None:
            for index in indices:
                try:
                    results[index] = await self._step(*calls[index])
                except Exception as error:
                    results[index] = error

        await asyncio.gather(*[work() for _ in range(min(concurrency, len(calls)))])
        return results

    async def _soon(self, value: Any) -> Any:
        """The outcome of what takes no time."""
        future = self.model.loop.create_future()
        self.model.loop.outcomes.append((future, value))
        await future
        if self.execution.is_closed:
            await self.model.loop.create_future()  # its body is over: what it left running begins nothing more
        return value
