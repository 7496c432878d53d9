"""The event loop of an async body: deterministic, without sockets, threads or a clock of its own.

One queue of what is ready, in the order in which it became so. `run` goes on until it is empty; between two runs the
body of the execution is given one outcome, or one of its timers is over. Time is the execution's: it advances by what
is recorded. What cannot be replayed is refused.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import sys
import threading
import weakref
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from types import AsyncGeneratorType
from typing import Any, NoReturn, Protocol

from hydra.body import asyncio_patches
from hydra.body.replay import Key
from hydra.clock import LONGEST_SECONDS
from hydra.errors import ConfigError, HydraError
from hydra.written import written

log = logging.getLogger("hydra.worker")

STEP_INSTEAD = "do it in a step"
REFUSED = {
    "add_reader": STEP_INSTEAD,
    "add_signal_handler": "a worker's signals are hydra's; to be told something, wait for it by `hydra.aio.wait_event`",
    "add_writer": STEP_INSTEAD,
    "close": "it ends with its execution",
    "connect_accepted_socket": STEP_INSTEAD,
    "connect_read_pipe": STEP_INSTEAD,
    "connect_write_pipe": STEP_INSTEAD,
    "create_connection": STEP_INSTEAD,
    "create_datagram_endpoint": STEP_INSTEAD,
    "create_server": STEP_INSTEAD,
    "create_unix_connection": STEP_INSTEAD,
    "create_unix_server": STEP_INSTEAD,
    "getaddrinfo": STEP_INSTEAD,
    "getnameinfo": STEP_INSTEAD,
    "remove_reader": STEP_INSTEAD,
    "remove_signal_handler": "a worker's signals are hydra's",
    "remove_writer": STEP_INSTEAD,
    "run_forever": "await what you wait for",
    "run_in_executor": "make a step of the function: `await hydra.aio.call(step.bind(…))` runs it in a thread",
    "run_until_complete": "await what you wait for",
    "sendfile": STEP_INSTEAD,
    "set_default_executor": "hydra runs steps in threads of its own",
    "sock_accept": STEP_INSTEAD,
    "sock_connect": STEP_INSTEAD,
    "sock_recv": STEP_INSTEAD,
    "sock_recv_into": STEP_INSTEAD,
    "sock_recvfrom": STEP_INSTEAD,
    "sock_recvfrom_into": STEP_INSTEAD,
    "sock_sendall": STEP_INSTEAD,
    "sock_sendfile": STEP_INSTEAD,
    "sock_sendto": STEP_INSTEAD,
    "start_tls": STEP_INSTEAD,
    "stop": "it ends with its execution",
    "subprocess_exec": STEP_INSTEAD,
    "subprocess_shell": STEP_INSTEAD,
}


def check_seconds(until: float, since: float) -> None:
    """A wait that no record could hold the end of: infinity, no number, or a time that is too far away."""
    if not -math.inf < until < since + LONGEST_SECONDS:
        seconds = until - since if -1e300 < until < 1e300 else until
        raise ConfigError(
            f"a wait by asyncio must be shorter than 1,000 years, not {written(seconds):.40} seconds; for one without "
            "an end give no time, or wait for an event"
        )


class Timer(asyncio.TimerHandle):
    """A durable one. `due_at` may be earlier or later than `when`: it is what is recorded, or else counted from when
    the body really came to it."""

    __slots__ = ("begun_at", "due_at", "is_recorded", "key", "seconds")

    key: Key
    due_at: int
    begun_at: int
    seconds: float
    is_recorded: bool  # when it is due

    def is_over(self, now: int) -> bool:
        """Whatever is not recorded of it."""
        return self.is_recorded and self.due_at <= now


class OwnerOfLoop(Protocol):
    """The async body."""

    def timer_began(self, timer: Timer, name: str) -> None:
        """Give it its key, and when it is due."""
        ...

    def timers_changed(self) -> None: ...
    def new_task_context(self, context: Context | None) -> Context: ...
    def task_made(self, task: asyncio.Task[Any], context: Context) -> None: ...


class BodyLoop(asyncio.AbstractEventLoop):
    """Belongs to the hub's thread. It is the running loop in `run`, and nowhere else."""

    def __init__(self, owner: OwnerOfLoop, now: int) -> None:
        asyncio_patches.leave_out()
        self.time_us = now
        self.is_stopped = False  # nothing more runs
        self.owner = owner
        self._thread = threading.get_ident()
        self._is_pumping = False
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, Timer]] = []
        self._pending: dict[Key, Timer] = {}
        self._generators: weakref.WeakKeyDictionary[AsyncGeneratorType[Any, Any], Context] = weakref.WeakKeyDictionary()
        self._count = 0  # of tasks, futures and timers
        self._is_eager = False
        self._handle_exception: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None

    def release(self, owner: OwnerOfLoop) -> None:
        """Nothing runs on it any more; what is still ready would keep the body alive. No timer goes on, either: what
        holds one, and cancels it later, finds no body to tell."""
        self.owner = owner
        self._ready.clear()
        self._timers.clear()
        self._pending.clear()
        self._generators.clear()

    def run(self, outcome: Callable[..., object] | None = None, *args: Any) -> None:
        """Everything that is ready, and what that makes ready; after `outcome`, which enters the body before."""
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._enter_generator, finalizer=self._leave_generator)
        events._set_running_loop(self)
        self._is_pumping = True
        ready = self._ready
        try:
            if outcome is not None:
                outcome(*args)
            while ready and not self.is_stopped:
                handle = ready.popleft()
                if not handle._cancelled:
                    try:
                        handle._run()
                    except (SystemExit, KeyboardInterrupt):
                        continue  # of a task, which is over by it
        finally:
            self._is_pumping = False
            events._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def next_number(self) -> int:
        self._count += 1
        return self._count

    @property
    def is_own_thread(self) -> bool:
        return threading.get_ident() == self._thread

    # time

    def time(self) -> float:
        return self.time_us / 1e6

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Timer:
        check_seconds(delay, 0.0)
        return self.begin_timer(self.time() + delay, delay, "", callback, args, context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Timer:
        check_seconds(when, self.time())
        return self.begin_timer(when, when - self.time(), "", callback, args, context)

    def begin_timer(
        self,
        when: float,
        seconds: float,
        name: str,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None = None,
    ) -> Timer:
        self._check_thread()
        timer = Timer(when, callback, args, self, context)
        timer.seconds = max(seconds, 0.0)
        self.owner.timer_began(timer, name)
        timer._scheduled = True  # type: ignore[attr-defined]
        self._pending[timer.key] = timer
        heapq.heappush(self._timers, (timer.due_at, self.next_number(), timer))
        self.owner.timers_changed()
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        assert isinstance(handle, Timer)
        if self._pending.pop(handle.key, None) is not None:
            self.owner.timers_changed()

    def is_pending(self, key: Key) -> bool:
        return key in self._pending

    @property
    def pending(self) -> list[Timer]:
        """Timers that go on, in the order in which they began."""
        return list(self._pending.values())

    @property
    def pending_count(self) -> int:
        return len(self._pending)

    def first_timer(self, excluded: set[Key] | None = None) -> Timer | None:
        """The one that is due first."""
        if excluded:
            left = [timer for timer in self._pending.values() if timer.key not in excluded]
            return min(left, key=lambda timer: timer.due_at, default=None)
        timers = self._timers
        while timers and self._pending.get(timers[0][2].key) is not timers[0][2]:
            heapq.heappop(timers)
        return timers[0][2] if timers else None

    def move_timers(self, now: int) -> None:
        """Those of which no record says when they are due begin now."""
        timers = []
        for due_at, number, timer in self._timers:
            if not timer.is_recorded:
                timer.begun_at = now
                due_at = timer.due_at = now + round(timer.seconds * 1e6)
            timers.append((due_at, number, timer))
        heapq.heapify(timers)
        self._timers = timers

    def take(self, key: Key, at: int) -> None:
        """A timer is over, at that recorded time; what it calls is the next to run."""
        timer = self._pending.pop(key)
        self.time_us = max(self.time_us, round(timer.when() * 1e6), at)
        self._ready.append(timer)

    # what asyncio asks of a loop

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        self._check_thread()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def _check_thread(self) -> None:
        if not self._is_pumping or threading.get_ident() != self._thread:
            raise HydraError(
                "an async body is reached from outside by events only: in place of `call_soon_threadsafe`, or of a "
                "future set in a thread, use a step's result, `hydra.aio.wait_event` or `hydra.aio.wait_callback`"
            )

    def create_future(self) -> asyncio.Future[Any]:
        return Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coroutine: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[Any]:  # fmt: skip
        self._check_thread()
        if self._is_eager:
            options.setdefault("eager_start", True)
        context = self.owner.new_task_context(context)
        task = Task(coroutine, loop=self, name=name, context=context, **options)
        if not task.done():
            self.owner.task_made(task, context)
        return task

    def set_task_factory(self, factory: Any) -> None:
        if factory is not None and factory is not getattr(asyncio, "eager_task_factory", ...):
            raise HydraError("an async body makes its tasks itself, so that replay finds them; leave the task factory")
        self._is_eager = factory is not None

    def get_task_factory(self) -> Any:
        return getattr(asyncio, "eager_task_factory", None) if self._is_eager else None

    def is_running(self) -> bool:
        return self._is_pumping

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        """It has no debug mode."""

    async def shutdown_asyncgens(self) -> None:
        """Nothing of it is left to be closed by a loop."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none."""

    def set_exception_handler(self, handler: Any) -> None:
        self._handle_exception = handler

    def get_exception_handler(self) -> Any:
        return self._handle_exception

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._handle_exception is None or not self._is_pumping:
            self.default_exception_handler(context)
            return
        try:
            self._handle_exception(self, context)
        except BaseException:
            log.exception("the exception handler of an async body failed")

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.is_stopped:
            log.error("in an async body: %s", context.get("message"), exc_info=context.get("exception"))

    def _enter_generator(self, generator: Any) -> None:
        self._generators[generator] = copy_context()

    def awaited_by_generators(self) -> list[tuple[Any, Context]]:
        """The coroutines, and what wraps some, in which async generators stand. CPython 3.11 does not reach them when a
        task is closed; left to the collector, their `finally` blocks would run at any time, in whatever body goes on
        at that moment."""
        found = [(generator.ag_await, context) for generator, context in list(self._generators.items())]
        return [(each, context) for each, context in found if hasattr(each, "close")]

    def _leave_generator(self, generator: Any) -> None:
        """Nobody holds it any more: closed where the body let go of it, but not where the garbage collector did, since
        that would be chance. One that is not closed goes without any more of its code run: Python asks once."""
        is_chance = not self._is_pumping or threading.get_ident() != self._thread or asyncio_patches.is_collecting()
        if not self.is_stopped and not is_chance:
            self.create_task(generator.aclose())

    def __repr__(self) -> str:
        return "<hydra's event loop of an async body>"


def refusing(name: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: BodyLoop, *args: Any, **kwargs: Any) -> NoReturn:
        for coroutine in filter(asyncio.iscoroutine, args):
            coroutine.close()
        raise HydraError(f"`{name}` of an event loop cannot be replayed, so an async body has none: {instead}")

    return refuse


for _name, _instead in REFUSED.items():
    setattr(BodyLoop, _name, refusing(_name, _instead))


class Future(asyncio.Future[Any]):
    """One whose place in a set does not depend on its address."""

    __slots__ = ("_number",)

    def __init__(self, *, loop: BodyLoop) -> None:
        self._number = loop.next_number()
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class Task(asyncio.Task[Any]):
    """The same, for a task."""

    __slots__ = ("_number",)

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], *, loop: BodyLoop, name: str | None, context: Context, **options: Any
    ) -> None:
        self._number = loop.next_number()
        name = f"Task-{self._number}" if name is None else name
        super().__init__(coroutine, loop=loop, name=name, context=context, **options)

    def __hash__(self) -> int:
        return self._number
