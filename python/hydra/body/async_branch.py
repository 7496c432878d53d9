"""Who is calling in an async body, or in one of its tasks: what a call of hydra's means there."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NoReturn, Protocol, cast

from hydra import codec
from hydra.body import attributes, callbacks, child_executions, generations, recorded_values, steps, waits
from hydra.body.calls import Branch
from hydra.body.compensation import ON_FAILURE
from hydra.body.protocol import RunningExecution
from hydra.body.replay import PATCHED_PREFIX, Key
from hydra.body.replay_order import SLEEP, Order
from hydra.body.step_call import CalledStep
from hydra.body.versions import is_patched
from hydra.definitions import BoundEach, BoundStep, BoundWorkflow, Step, unknown_caller
from hydra.errors import HydraError
from hydra.execution import EVENT_PREFIX, ChildKey
from hydra.records.child_records import SPAWN_PREFIX


class Body(Protocol):
    """What a call needs of the async body that it is made in."""

    order: Order
    pinned: dict[str, Any]

    @property
    def execution(self) -> RunningExecution: ...
    @property
    def is_own_thread(self) -> bool: ...
    def check_open(self) -> None: ...
    def outcome(self, run: Callable[[], Any], key: Key = ...) -> Coroutine[Any, Any, Any]: ...
    def sleep(self, seconds: float, ordinal: int) -> Coroutine[Any, Any, None]: ...


class AsyncBranch(Branch):
    """The caller in an async body, or in one of its tasks."""

    __slots__ = ("body",)

    def __init__(self, body: Body, name: str) -> None:
        super().__init__(body.execution, name)
        self.body = body

    def next_ordinal(self, name: str) -> int:
        """Another thread that got the body's context with it is none of its lines of control."""
        if not self.body.is_own_thread:
            raise unknown_caller(f"`{name}`")
        return super().next_ordinal(name)

    def child(self) -> AsyncBranch:
        return AsyncBranch(self.body, f"{self.name}/{self.next_ordinal('hydra.task')}")

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not step.is_async:
            raise HydraError(
                f"step `{step.name}` is not async: in an async workflow, `await hydra.aio.call({step.name}.bind(…))`"
            )
        return self.call(step, args, kwargs)

    def call(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Any]:
        """The key is taken now, at the call; the step runs when the coroutine is awaited."""
        digest, is_fixed = codec.digest_of_call(args, kwargs)
        key = (self.name, step.name, self.next_ordinal(step.name))
        called = CalledStep(key, step, digest, args, kwargs, is_fixed)
        return self.body.outcome(partial(steps.run_step, self.execution, called), key)

    def sleep(self, seconds: float) -> None:
        raise HydraError("`hydra.sleep` would block the event loop: in an async workflow, `await hydra.aio.sleep(…)`")

    def sleep_async(self, seconds: float) -> Coroutine[Any, Any, None]:
        return self.body.sleep(seconds, self.next_ordinal(SLEEP))

    def wait_event(self, name: str, annotation: Any, seconds: float | None) -> Any:
        raise HydraError(
            "`hydra.wait_event` would block the event loop: in an async workflow, `await hydra.aio.wait_event(…)`"
        )

    def wait_event_async(self, name: str, annotation: Any, seconds: float | None) -> Coroutine[Any, Any, Any]:
        ordinal = self.next_ordinal(EVENT_PREFIX + name)
        wait = partial(waits.wait_event, self.execution, self.name, ordinal, name, annotation, seconds)
        return self.body.outcome(wait)

    def wait_callback(self, token: str, annotation: Any, seconds: float | None) -> Any:
        raise HydraError(
            "`hydra.wait_callback` would block the event loop: in an async body, `await hydra.aio.wait_callback(…)`"
        )

    def wait_callback_async(self, token: str, annotation: Any, seconds: float | None) -> Coroutine[Any, Any, Any]:
        return self.body.outcome(partial(callbacks.wait, self.execution, token, annotation, seconds))

    def on_failure(self, bound: BoundStep[Any]) -> None:
        raise HydraError("`hydra.on_failure` waits: in an async workflow, `await hydra.aio.on_failure(…)`")

    def on_failure_async(self, bound: BoundStep[Any]) -> Coroutine[Any, Any, None]:
        ordinal = self.next_ordinal(ON_FAILURE)
        self.execution.recall_undo(self.name, ordinal, bound)
        return self.body.outcome(partial(self.execution.register_undo, self.name, ordinal, bound))

    def set_attributes(self, values: dict[str, Any]) -> None:
        raise HydraError("`hydra.set_attributes` waits: in an async workflow, `await hydra.aio.set_attributes(…)`")

    def set_attributes_async(self, values: dict[str, Any]) -> Coroutine[Any, Any, None]:
        return self.body.outcome(partial(attributes.change, self.execution, self.name, *self.changing(values)))

    def spawn(self, bound: BoundWorkflow[Any], key: ChildKey | None) -> Any:
        raise HydraError("`hydra.spawn` would block the event loop: in an async workflow, `await hydra.aio.spawn(…)`")

    def spawn_async(self, bound: BoundWorkflow[Any], key: ChildKey | None) -> Coroutine[Any, Any, Any]:
        ordinal = self.next_ordinal(SPAWN_PREFIX + bound.name)
        begin = partial(
            child_executions.spawn, self.execution, self.name, ordinal, bound, key, child_executions.AsyncChild
        )
        return self.body.outcome(begin)

    def child_result(self, child: child_executions.Child[Any]) -> Any:
        return self.body.outcome(partial(child.wait, self.execution))

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        raise HydraError("`hydra.continue_as_new` waits: in an async workflow, `await hydra.aio.continue_as_new(…)`")

    def continue_as_new_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, NoReturn]:
        call = generations.next_call(self.execution.workflow, args, kwargs)
        return self.body.outcome(partial(generations.begin_next, self.execution, *call))

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
        key = (branch, name, ordinal)
        return codec.decode(recorded_values.value_at_once(self.execution, self.body.order, key, make))

    def patched(self, name: str) -> bool:
        self.body.check_open()
        pinned, full_name = self.body.pinned, PATCHED_PREFIX + name
        if full_name not in pinned:
            known = is_patched(self.execution.history, self.name, name)
            pinned[full_name] = self._value("", full_name, 0, lambda: True) if known is None else known
        return cast(bool, pinned[full_name])

    def gather(self, bound: tuple[BoundStep[Any], ...], concurrency: int | None) -> tuple[Any, ...]:
        raise HydraError("`hydra.gather` would block the event loop: in an async workflow, use asyncio.gather")

    def gather_async(
        self, bound: tuple[BoundStep[Any], ...], concurrency: int | None
    ) -> Coroutine[Any, Any, tuple[Any, ...]]:
        branch, run = self.gathering(bound, concurrency)
        return self.body.outcome(run, (branch, "", 0))

    def wait_first(self, waits: Any, losers: Any) -> Any:
        raise HydraError(
            "`hydra.wait_first` would block the event loop: in an async body, "
            "`await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)`"
        )

    def map(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Any:
        raise HydraError("`hydra.map` would block the event loop: in an async workflow, `await hydra.aio.map(…)`")

    def map_async(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Coroutine[Any, Any, Any]:
        return self.body.outcome(self.mapping(bound, chunk, concurrency))
