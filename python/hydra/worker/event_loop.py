"""Async steps: one event loop in a thread of its own, started when first needed, with sockets, threads and all.

Async bodies are elsewhere, on the hub's thread (`hydra.body.loop`). The loop's thread never waits for the hub.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextvars import Context
from functools import partial
from typing import Any, Protocol

from hydra import middleware
from hydra.body.fork_guard import Forked, end_child
from hydra.body.step_call import StepCall
from hydra.definitions import caller
from hydra.errors import StepTimeout


class LoopLost(SystemExit):
    """Raised in the loop's thread, which ends where it stands, as if its process had died (`hydra.testing`)."""


HELD_SECONDS = 1.0  # for a thread that is held to end; longer only if a step blocks it
QUIET_ROUNDS = 3  # of the loop, after which what was ready has run


class RunnerOfLoop(Protocol):
    """What the loop needs of the runner; all of it is safe from this thread."""

    def now(self) -> int: ...
    def context_of(self, call: StepCall) -> Context: ...
    def may_run(self, call: StepCall) -> bool: ...
    def start_limits(self, call: StepCall) -> None: ...
    def enter_page(self, call: StepCall) -> int: ...
    def end_in_page(self, place: int) -> None: ...
    def finished(self, call: StepCall) -> None: ...


class EventLoop:
    """Public methods are for the hub's thread."""

    def __init__(self, runner: RunnerOfLoop) -> None:
        self.runner = runner
        self._started_loop: asyncio.AbstractEventLoop | None = None
        self._starting: deque[StepCall] = deque()
        self._is_asked = False  # to start them
        self._thread: threading.Thread | None = None
        self._is_quiet = threading.Event()
        self._may_go_on: threading.Event | None = None
        self._is_left = False  # nothing on it runs again

    def run_step(self, call: StepCall) -> None:
        self._starting.append(call)
        if not self._is_asked:
            self._is_asked = True
            self._loop().call_soon_threadsafe(self._start_steps)

    def wait_quiet(self, timeout_seconds: float) -> bool:
        """Until the loop has gone some rounds, in which what was ready has run; False when it does not come to that."""
        if self._started_loop is None:
            return True
        is_quiet = self._is_quiet = threading.Event()
        self._started_loop.call_soon_threadsafe(self._count_rounds, is_quiet, QUIET_ROUNDS)
        if self._may_go_on is not None:
            self._may_go_on.set()
        return is_quiet.wait(timeout_seconds)

    def hold(self) -> None:
        """Run within `wait_quiet` only, so that the order of things does not depend on threads (`hydra.testing`)."""
        self._may_go_on = threading.Event()

    def close(self) -> None:
        if self._started_loop is None:
            return
        if self._may_go_on is None:
            self._started_loop.call_soon_threadsafe(self._started_loop.stop)
            return
        self._is_left = True
        self._may_go_on.set()
        assert self._thread is not None
        self._thread.join(HELD_SECONDS)
        if not self._thread.is_alive():
            self._started_loop.close()

    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._started_loop is None:
            loop = self._started_loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._run, args=(loop,), name="hydra-loop", daemon=True)
            self._thread.start()
        return self._started_loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(self._pause)
        while True:
            try:
                loop.run_forever()
            except LoopLost:
                self._is_quiet.set()
                return
            except (SystemExit, KeyboardInterrupt):
                # asyncio raises these of any task here; the task is over, and no other shall be.
                continue
            loop.close()
            return

    # in the loop's thread

    def _count_rounds(self, is_quiet: threading.Event, rounds_left: int) -> None:
        if rounds_left:
            asyncio.get_running_loop().call_soon(self._count_rounds, is_quiet, rounds_left - 1)
        else:
            is_quiet.set()
            self._pause()

    def _pause(self) -> None:
        if self._may_go_on is not None:
            self._may_go_on.wait()
            self._may_go_on.clear()
            if self._is_left:
                raise LoopLost

    def _start_steps(self) -> None:
        self._is_asked = False
        while self._starting:
            self._start_step(self._starting.popleft())

    def _start_step(self, call: StepCall) -> None:
        if not self.runner.may_run(call):
            self.runner.finished(call)
            return
        self.runner.start_limits(call)
        call.started_at = self.runner.now()
        context = self.runner.context_of(call)
        context.run(caller.set, call)
        loop = asyncio.get_running_loop()
        place = self.runner.enter_page(call)
        task = asyncio.Task(run_step(call), loop=loop, context=context)
        call.running = RunningTask(loop, task)
        if call.stop_at_ns:  # asked a moment ago, when there was nothing to ask
            call.running.ask()
        task.add_done_callback(partial(self._step_ended, call, place))

    def _step_ended(self, call: StepCall, place: int, task: asyncio.Task[None]) -> None:
        call.finished_at = self.runner.now()
        self.runner.end_in_page(place)
        if task.cancelled():
            call.error = asyncio.CancelledError()  # before it began
        if isinstance(call.error, asyncio.CancelledError) and call.running is not None and call.running.is_interrupted:
            call.error = StepTimeout(call.overdue_reason).with_traceback(call.error.__traceback__)
        self.runner.finished(call)


async def run_step(call: StepCall) -> None:
    try:
        args, kwargs = call.own_arguments()
        if middleware.step_hooks:
            call.result = await run_with_hooks(call, args, kwargs)
        else:
            call.result = await call.function(*args, **kwargs)
    except BaseException as error:
        call.error = error
    if Forked.is_child:
        end_child(call.error)


async def run_with_hooks(call: StepCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    around = await middleware.Around(call.as_try()).enter_async(middleware.step_hooks)
    try:
        result = await call.function(*args, **kwargs)
    except BaseException as error:
        await around.leave_async("failed", error)
        raise
    await around.leave_async("completed", None)
    return result


class RunningTask:
    """An async step under way; a cancel and a time-out are both a cancellation of its task."""

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
        self._loop = loop
        self._task = task
        self.is_interrupted = False

    def ask(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)

    def interrupt(self) -> None:
        self.is_interrupted = True
        self._loop.call_soon_threadsafe(self._task.cancel)
