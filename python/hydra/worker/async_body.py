"""An async body on the event loop: its tasks, each a branch of its own, and what a call of hydra means in them.

Lives in the loop's thread; the hub owns the execution and does what the body asks for, by messages.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import Any, NoReturn, Protocol, cast

from hydra import codec
from hydra.body import callbacks, mailbox, recorded, spawning, steps
from hydra.body.calls import Branch, next_call
from hydra.body.executor import INTERRUPTS_MAXIMUM, Execution
from hydra.body.places import place_of
from hydra.body.replay import PATCHED_PREFIX
from hydra.body.requests import Requests
from hydra.body.step_call import StepCall
from hydra.body.undoing import ON_FAILURE
from hydra.body.versions import is_patched
from hydra.definitions import BoundEach, BoundStep, BoundWorkflow, Step, caller
from hydra.errors import HydraError, Interrupt
from hydra.execution import End

log = logging.getLogger("hydra.worker")

CLOSE_ATTEMPTS_MAXIMUM = 10  # to close a coroutine whose `finally` awaits something

abandoned: list[Any] = []  # coroutines that cannot be closed; collecting one would resume its code without a context


class RunnerOfLoop(Protocol):
    """What the loop needs of the runner; all of it is safe from this thread."""

    def now(self) -> int: ...
    def post(self, function: Callable[[Any], None], argument: Any) -> None: ...
    def new_context(self) -> Context: ...
    def may_run(self, call: StepCall) -> bool: ...
    def start_limits(self, call: StepCall) -> None: ...
    def enter_page(self, call: StepCall) -> int: ...
    def leave_page(self, place: int) -> None: ...
    def finished(self, call: StepCall) -> None: ...


class AsyncBody:
    """A body on the loop, with the tasks it made. Lives in the loop's thread."""

    def __init__(self, runner: RunnerOfLoop, execution: Execution, forget: Callable[[], Any]) -> None:
        self.runner = runner
        self.execution = execution
        self.tasks: dict[asyncio.Task[Any], Context] = {}
        self.requests = Requests(execution)
        self.request_count = 0
        self.is_closed = False
        self.pinned: dict[str, Any] = {}
        self._forget = forget
        self._interrupt_count = 0
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        arguments = self.execution.arguments()
        if isinstance(arguments, End):
            self._report(lambda: arguments)
            return
        context = self.runner.new_context()
        context.run(caller.set, AsyncBranch(self, ""))
        coroutine = self._run(*arguments)
        self.adopt(asyncio.Task(coroutine, loop=self._loop, context=context), context)

    def adopt(self, task: asyncio.Task[Any], context: Context) -> None:
        self.tasks[task] = context
        task.add_done_callback(lambda task: self.tasks.pop(task, None))

    def close(self) -> None:
        """Every task ends where it stands; hydra calls in its `finally` blocks raise Interrupt."""
        if not self.is_closed:
            self._close_tasks()
            self._report(lambda: None)

    def check_open(self) -> None:
        if self.is_closed:
            raise Interrupt(f"execution `{self.execution.claimed.id}` stops here; let this exception pass")

    async def _check_open(self) -> None:
        if self.is_closed:
            self._interrupt_count += 1
            if self._interrupt_count > INTERRUPTS_MAXIMUM:
                await self._loop.create_future()  # its code goes on in spite of Interrupt: leave it here for good
            self.check_open()

    def request(self, function: Callable[[Any], None], argument: Any) -> None:
        self.request_count += 1
        self.runner.post(function, argument)

    async def outcome(self, run: Callable[[], Any]) -> Any:
        """Have the hub run this in a strand; its result, or its exception."""
        await self._check_open()
        future: asyncio.Future[tuple[Any, BaseException | None]] = self._loop.create_future()
        place = "" if self.execution.history is None else place_of(sys._getframe())
        self.request(self.requests.start_call, (run, partial(self._answer, future), place))
        value, error = await future
        if error is not None:
            raise error
        return value

    def _answer(
        self, future: asyncio.Future[tuple[Any, BaseException | None]], outcome: tuple[Any, BaseException | None]
    ) -> None:
        def settle() -> None:
            if not future.done():
                future.set_result(outcome)

        self._loop.call_soon_threadsafe(settle)

    async def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            value = await self.execution.workflow.function(*args, **kwargs)
        except BaseException as error:
            if not self.is_closed:
                failure = error
                self._finish(lambda: self.execution.body_raised(failure))
            return
        if not self.is_closed:
            self._finish(lambda: self.execution.body_returned(value))

    def _finish(self, decide: Callable[[], End | None]) -> None:
        """The body is over; what it left running is closed, and then the hub decides what follows."""
        self.tasks.pop(asyncio.current_task(), None)  # type: ignore[arg-type]
        self._close_tasks()
        self._report(decide)

    def _report(self, decide: Callable[[], End | None]) -> None:
        self.is_closed = True
        self._forget()
        self.runner.post(self.requests.body_ended, decide)

    def _close_tasks(self) -> None:
        """In its own context each, so that a step called by a `finally` block is still a call of this body."""
        self.is_closed = True
        for task, context in reversed(list(self.tasks.items())):
            task._log_destroy_pending = False  # it is meant to end unfinished
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
            coroutine = task.get_coro()
            assert coroutine is not None
            if not context.run(closed, coroutine):
                abandoned.append(coroutine)
                log.warning("an async body catches GeneratorExit and goes on; it is set aside until this worker ends")


def closed(coroutine: Any) -> bool:
    for _ in range(CLOSE_ATTEMPTS_MAXIMUM):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # its `finally` awaited something; it is now suspended there
        except BaseException:
            return True
        return True
    return False


class AsyncBranch(Branch):
    """The caller in an async body, or in one of its tasks."""

    __slots__ = ("body",)

    def __init__(self, body: AsyncBody, name: str) -> None:
        super().__init__(body.execution, name)
        self.body = body

    def child(self) -> AsyncBranch:
        return AsyncBranch(self.body, f"{self.name}/{self.next_ordinal('hydra.task')}")

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not step.is_async:
            raise HydraError(
                f"step `{step.name}` is not async: in an async workflow, `await hydra.aio.call({step.name}.bind(…))`."
            )
        return self.call(step, args, kwargs)

    def call(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Any]:
        """The key is taken now, at the call; the step runs when the coroutine is awaited."""
        digest = codec.encode_call(args, kwargs)[1]
        ordinal = self.next_ordinal(step.name)
        return self.body.outcome(
            partial(steps.run_step, self.execution, self.name, step, ordinal, digest, args, kwargs)
        )

    def sleep(self, seconds: float) -> None:
        raise HydraError("`hydra.sleep` would block the event loop: in an async workflow, `await hydra.aio.sleep(…)`.")

    def sleep_async(self, seconds: float) -> Coroutine[Any, Any, None]:
        return self.body.outcome(
            partial(recorded.sleep, self.execution, self.name, self.next_ordinal("hydra.sleep"), seconds)
        )

    def wait_event(self, name: str, annotation: Any, seconds: float | None) -> Any:
        raise HydraError(
            "`hydra.wait_event` would block the event loop: in an async workflow, `await hydra.aio.wait_event(…)`."
        )

    def wait_event_async(self, name: str, annotation: Any, seconds: float | None) -> Coroutine[Any, Any, Any]:
        ordinal = self.next_ordinal(mailbox.EVENT_PREFIX + name)
        wait = partial(mailbox.wait_event, self.execution, self.name, ordinal, name, annotation, seconds)
        return self.body.outcome(wait)

    def wait_callback(self, token: str, annotation: Any, seconds: float | None) -> Any:
        raise HydraError(
            "`hydra.wait_callback` would block the event loop: in an async body, `await hydra.aio.wait_callback(…)`."
        )

    def wait_callback_async(self, token: str, annotation: Any, seconds: float | None) -> Coroutine[Any, Any, Any]:
        return self.body.outcome(partial(callbacks.wait, self.execution, token, annotation, seconds))

    def on_failure(self, bound: BoundStep[Any]) -> None:
        raise HydraError("`hydra.on_failure` waits: in an async workflow, `await hydra.aio.on_failure(…)`.")

    def on_failure_async(self, bound: BoundStep[Any]) -> Coroutine[Any, Any, None]:
        execution, ordinal = self.execution, self.next_ordinal(ON_FAILURE)
        return self.body.outcome(partial(execution.undoing.register, execution, self.name, ordinal, bound))

    def spawn(self, bound: BoundWorkflow[Any], key: str | None) -> Any:
        raise HydraError("`hydra.spawn` would block the event loop: in an async workflow, `await hydra.aio.spawn(…)`.")

    def spawn_async(self, bound: BoundWorkflow[Any], key: str | None) -> Coroutine[Any, Any, Any]:
        ordinal = self.next_ordinal(spawning.SPAWN_PREFIX + bound.name)
        begin = partial(spawning.spawn, self.execution, self.name, ordinal, bound, key, spawning.AsyncChild)
        return self.body.outcome(begin)

    def child_result(self, child: spawning.Child[Any]) -> Any:
        return self.body.outcome(partial(child.wait, self.execution))

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        raise HydraError("`hydra.continue_as_new` waits: in an async workflow, `await hydra.aio.continue_as_new(…)`.")

    def continue_as_new_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, NoReturn]:
        call = next_call(self.execution.workflow, args, kwargs)
        return self.body.outcome(partial(self.execution.continue_as_new, *call))

    def value(self, name: str, key: str | None, make: Callable[[], Any]) -> Any:
        self.body.check_open()
        if key is None:
            return self._value(self.name, name, self.next_ordinal(name), make)
        pinned = self.body.pinned
        name = f"{name}:{key}"
        if name not in pinned:
            pinned[name] = self._value("", name, 0, make)
        return pinned[name]

    def _value(self, branch: str, name: str, ordinal: int, make: Callable[[], Any]) -> Any:
        history = self.execution.history
        record = None if history is None else history.value_of((branch, name, ordinal))
        payload = recorded.make_value(self.execution, name, make) if record is None else record
        self.body.request(self.body.requests.keep_value, ((branch, name, ordinal), payload))
        return codec.decode(payload)

    def patched(self, name: str) -> bool:
        self.body.check_open()
        pinned, full_name = self.body.pinned, PATCHED_PREFIX + name
        if full_name not in pinned:
            known = is_patched(self.execution.history, self.name, name)
            pinned[full_name] = self._value("", full_name, 0, lambda: True) if known is None else known
        return cast(bool, pinned[full_name])

    def gather(self, bound: tuple[BoundStep[Any], ...], concurrency: int | None) -> tuple[Any, ...]:
        raise HydraError("`hydra.gather` would block the event loop: in an async workflow, use asyncio.gather.")

    def gather_async(
        self, bound: tuple[BoundStep[Any], ...], concurrency: int | None
    ) -> Coroutine[Any, Any, tuple[Any, ...]]:
        return self.body.outcome(self.gathering(bound, concurrency))

    def map(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Any:
        raise HydraError("`hydra.map` would block the event loop: in an async workflow, `await hydra.aio.map(…)`.")

    def map_async(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Coroutine[Any, Any, Any]:
        return self.body.outcome(self.mapping(bound, chunk, concurrency))


def make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    """A task made inside an async body is a branch of its own, counted by its parent in creation order."""
    here = caller.get()
    if not isinstance(here, AsyncBranch):
        return asyncio.Task(coroutine, loop=loop, **options)
    context = options.pop("context", None) or copy_context()
    context.run(caller.set, here.child())
    task = asyncio.Task(coroutine, loop=loop, context=context, **options)
    here.body.adopt(task, context)
    return task
