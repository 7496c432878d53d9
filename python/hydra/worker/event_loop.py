"""Async bodies and steps: one event loop in a thread of its own, started when first needed.

The hub owns every execution, those of async bodies too: what a body asks for goes to the hub as a message, runs there
in a strand like any call, and its outcome comes back as a message. The loop's thread never waits for the hub.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

from hydra.body.executor import Execution
from hydra.body.step_call import StepCall
from hydra.definitions import caller
from hydra.errors import StepTimeout
from hydra.worker.async_body import AsyncBody, RunnerOfLoop, make_task

QUIET_ROUNDS = 3  # of the loop, in which a body asks for nothing, before it counts as waiting


class EventLoop:
    """Public methods are for the hub's thread."""

    def __init__(self, runner: RunnerOfLoop) -> None:
        self.runner = runner
        self._bodies: dict[Execution, AsyncBody] = {}
        self._started_loop: asyncio.AbstractEventLoop | None = None

    def start_body(self, execution: Execution) -> None:
        self._loop().call_soon_threadsafe(self._start_body, execution)

    def close_body(self, execution: Execution) -> None:
        """End the body where it stands; its end is reported like any other."""
        self._loop().call_soon_threadsafe(
            lambda: self._bodies[execution].close() if execution in self._bodies else None
        )

    def ask_quiet(self, execution: Execution) -> None:
        """Have `Requests.fell_quiet` called if the body asks for nothing more."""
        self._loop().call_soon_threadsafe(self._ask_quiet, execution, QUIET_ROUNDS)

    def run_step(self, call: StepCall) -> None:
        self._loop().call_soon_threadsafe(self._start_step, call)

    def wait_quiet(self, timeout_seconds: float) -> bool:
        """Until the loop has gone some rounds, in which what was ready has run; False when it does not come to that."""
        if self._started_loop is None:
            return True
        is_quiet = threading.Event()
        self._started_loop.call_soon_threadsafe(self._count_rounds, is_quiet, QUIET_ROUNDS)
        return is_quiet.wait(timeout_seconds)

    def close(self) -> None:
        if self._started_loop is not None:
            self._started_loop.call_soon_threadsafe(self._started_loop.stop)

    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._started_loop is None:
            loop = self._started_loop = asyncio.new_event_loop()
            loop.set_exception_handler(report)
            loop.set_task_factory(make_task)  # type: ignore[arg-type]  # its options differ between Python's versions
            threading.Thread(target=self._run, args=(loop,), name="hydra-loop", daemon=True).start()
        return self._started_loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while True:
            try:
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # asyncio raises these of any task here; the task is over, and no other shall be.
                continue
            loop.close()
            return

    # in the loop's thread

    def _start_body(self, execution: Execution) -> None:
        body = self._bodies[execution] = AsyncBody(self.runner, execution, partial(self._bodies.pop, execution))
        body.start()

    def _ask_quiet(self, execution: Execution, rounds_left: int) -> None:
        body = self._bodies.get(execution)
        if body is None:
            return
        if rounds_left:
            asyncio.get_running_loop().call_soon(self._ask_quiet, execution, rounds_left - 1)
        else:
            self.runner.post(body.requests.fell_quiet, body.request_count)

    def _count_rounds(self, is_quiet: threading.Event, rounds_left: int) -> None:
        if rounds_left:
            asyncio.get_running_loop().call_soon(self._count_rounds, is_quiet, rounds_left - 1)
        else:
            is_quiet.set()

    def _start_step(self, call: StepCall) -> None:
        if not self.runner.may_run(call):
            self.runner.finished(call)
            return
        self.runner.start_limits(call)
        call.started_at = self.runner.now()
        context = self.runner.new_context()
        context.run(caller.set, call)
        loop = asyncio.get_running_loop()
        place = self.runner.enter_page(call)
        task = asyncio.Task(run_step(call), loop=loop, context=context)
        call.running = RunningTask(loop, task)
        if call.stop_at_ns:  # asked a moment ago, when there was nothing to ask
            call.running.ask()
        task.add_done_callback(partial(self._step_ended, call, place))

    def _step_ended(self, call: StepCall, place: int, task: asyncio.Task[None]) -> None:
        self.runner.leave_page(place)
        call.finished_at = self.runner.now()
        if task.cancelled():
            call.error = asyncio.CancelledError()  # before it began
        if isinstance(call.error, asyncio.CancelledError) and call.running is not None and call.running.is_interrupted:
            call.error = StepTimeout().with_traceback(call.error.__traceback__)
        self.runner.finished(call)


async def run_step(call: StepCall) -> None:
    try:
        args, kwargs = call.own_arguments()
        call.result = await call.function(*args, **kwargs)
    except BaseException as error:
        call.error = error


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


def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Like asyncio's own handler, but silent on tasks which were woken after their body had been closed."""
    error = context.get("exception")
    if not (isinstance(error, RuntimeError) and str(error) == "cannot reuse already awaited coroutine"):
        loop.default_exception_handler(context)
