"""For async workflows: `hydra.aio.sleep`, `wait_event`, `spawn`, and `hydra.aio.call` to await a step not async."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, NoReturn, TypeVar, cast, overload

from hydra.body.bulk import CHUNK_ITEMS, CONCURRENCY, check_map, map_async
from hydra.body.spawning import AsyncChild, check_bound
from hydra.client.outcomes import Outcomes
from hydra.client.submissions import check_key
from hydra.clock import seconds_of
from hydra.context import check_gather, inside, wait_seconds
from hydra.definitions import BoundEach, BoundStep, BoundWorkflow, caller, check_name
from hydra.errors import HydraError
from hydra.worker.async_body import AsyncBranch

R = TypeVar("R")
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


def sleep(duration: timedelta | float) -> Coroutine[Any, Any, None]:
    """Wait durably; a longer sleep is a row in the database, not a task."""
    here = inside("hydra.aio.sleep")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.sleep` belongs in an async workflow; elsewhere use hydra.sleep or asyncio.sleep.")
    return here.sleep_async(seconds_of(duration, "the duration of `hydra.aio.sleep`"))


@overload
def wait_event(name: str, type: type[T], timeout: timedelta | float | None = ...) -> Coroutine[Any, Any, T]: ...
@overload
def wait_event(name: str, type: Any = ..., timeout: timedelta | float | None = ...) -> Coroutine[Any, Any, Any]: ...
def wait_event(name: str, type: Any = Any, timeout: timedelta | float | None = None) -> Coroutine[Any, Any, Any]:
    """Wait durably for a signal of that name; see `hydra.wait_event`."""
    here = inside("hydra.aio.wait_event")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.wait_event` belongs in an async workflow; elsewhere use hydra.wait_event.")
    return here.wait_event_async(check_name(name, "event"), type, wait_seconds(timeout))


@overload
def wait_callback(token: str, type: type[T], timeout: timedelta | float | None = ...) -> Coroutine[Any, Any, T]: ...
@overload
def wait_callback(token: str, type: Any = ..., timeout: timedelta | float | None = ...) -> Coroutine[Any, Any, Any]: ...
def wait_callback(token: str, type: Any = Any, timeout: timedelta | float | None = None) -> Coroutine[Any, Any, Any]:
    """Wait durably until the token is completed; see `hydra.wait_callback`."""
    here = inside("hydra.aio.wait_callback")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.wait_callback` belongs in an async workflow; elsewhere use hydra.wait_callback.")
    return here.wait_callback_async(token, type, wait_seconds(timeout, "hydra.aio.wait_callback"))


def spawn(bound: BoundWorkflow[R], key: str | None = None) -> Coroutine[Any, Any, AsyncChild[R]]:
    """Begin a child execution; see `hydra.spawn`. Its `result()` is awaited."""
    here = inside("hydra.aio.spawn")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.spawn` belongs in an async workflow; elsewhere use hydra.spawn.")
    return here.spawn_async(check_bound(bound), None if key is None else check_key(key))


def on_failure(undo: BoundStep[Any]) -> Coroutine[Any, Any, None]:
    """Register a step that undoes something; see `hydra.on_failure`."""
    here = inside("hydra.aio.on_failure")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.on_failure` belongs in an async workflow; elsewhere use hydra.on_failure.")
    return here.on_failure_async(undo)


def continue_as_new(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, NoReturn]:
    """Begin the same execution anew; see `hydra.continue_as_new`."""
    here = inside("hydra.aio.continue_as_new")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.continue_as_new` belongs in an async workflow; elsewhere hydra.continue_as_new.")
    return here.continue_as_new_async(args, kwargs)


def call(bound: BoundStep[R]) -> Coroutine[Any, Any, R]:
    """Run a step, async or not, and wait for its result without blocking the event loop."""
    here = caller.get()
    if isinstance(here, AsyncBranch):
        return here.call(bound.step, bound.args, bound.kwargs)
    return call_plainly(bound)


@overload
def gather(a: BoundStep[A], /, *, concurrency: int | None = ...) -> Coroutine[Any, Any, tuple[A]]: ...
@overload
def gather(
    a: BoundStep[A], b: BoundStep[B], /, *, concurrency: int | None = ...
) -> Coroutine[Any, Any, tuple[A, B]]: ...
@overload
def gather(
    a: BoundStep[A], b: BoundStep[B], c: BoundStep[C], /, *, concurrency: int | None = ...
) -> Coroutine[Any, Any, tuple[A, B, C]]: ...
@overload
def gather(
    a: BoundStep[A], b: BoundStep[B], c: BoundStep[C], d: BoundStep[D], /, *, concurrency: int | None = ...
) -> Coroutine[Any, Any, tuple[A, B, C, D]]: ...
@overload
def gather(
    a: BoundStep[A],
    b: BoundStep[B],
    c: BoundStep[C],
    d: BoundStep[D],
    e: BoundStep[E],
    /,
    *,
    concurrency: int | None = ...,
) -> Coroutine[Any, Any, tuple[A, B, C, D, E]]: ...
@overload
def gather(*bound: BoundStep[R], concurrency: int | None = ...) -> Coroutine[Any, Any, tuple[R, ...]]: ...
@overload
def gather(*bound: BoundStep[Any], concurrency: int | None = ...) -> Coroutine[Any, Any, tuple[Any, ...]]: ...
def gather(*bound: BoundStep[Any], concurrency: int | None = None) -> Coroutine[Any, Any, tuple[Any, ...]]:
    """Run steps, async or not, in parallel; see `hydra.gather`. Async steps may be given to asyncio.gather as well."""
    check_gather(bound, concurrency)
    here = caller.get()
    if isinstance(here, AsyncBranch):
        return here.gather_async(bound, concurrency)
    return gather_plainly(bound)


async def gather_plainly(bound: tuple[BoundStep[R], ...]) -> tuple[R, ...]:
    return tuple([await call_plainly(each) for each in bound])


def map(
    bound: BoundEach[R], chunk: int = CHUNK_ITEMS, concurrency: int = CONCURRENCY
) -> Coroutine[Any, Any, Outcomes[R]]:
    """Run a step, async or not, for each of many items; see `hydra.map`."""
    check_map(bound, chunk, concurrency)
    here = caller.get()
    if isinstance(here, AsyncBranch):
        return here.map_async(bound, chunk, concurrency)
    return map_async(bound)


async def call_plainly(bound: BoundStep[R]) -> R:
    value: Any = bound.step.function(*bound.args, **bound.kwargs)
    return cast(R, await value if inspect.isawaitable(value) else value)
