"""For async workflows: `hydra.aio.sleep`, `wait_event`, `spawn`, and `hydra.aio.call` to await a step not async."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, NoReturn, TypeVar, cast, overload

from hydra.body.async_branch import AsyncBranch
from hydra.body.calls import Branch
from hydra.body.child_executions import AsyncChild, check_bound, check_child_key
from hydra.body.maps import CHUNK_ITEMS, CONCURRENCY, check_map
from hydra.body.plain_map import map_async
from hydra.clock import seconds_of
from hydra.context import check_gather, inside, wait_seconds
from hydra.definition_checks import check_name
from hydra.definitions import BoundEach, BoundStep, BoundWorkflow, UnknownCaller, calling, unknown_caller
from hydra.errors import HydraError
from hydra.execution import KeyReuse
from hydra.records.map_outcomes import Outcomes

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
        raise HydraError("`hydra.aio.sleep` belongs in an async workflow; elsewhere use hydra.sleep or asyncio.sleep")
    return here.sleep_async(seconds_of(duration, "the duration of `hydra.aio.sleep`"))


@overload
def wait_event(name: str, type: type[T], timeout: timedelta | float | None = ...) -> Coroutine[Any, Any, T]: ...
@overload
def wait_event(name: str, type: Any = ..., timeout: timedelta | float | None = ...) -> Coroutine[Any, Any, Any]: ...
def wait_event(name: str, type: Any = Any, timeout: timedelta | float | None = None) -> Coroutine[Any, Any, Any]:
    """Wait durably for a signal of that name; see `hydra.wait_event`."""
    here = inside("hydra.aio.wait_event")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.wait_event` belongs in an async workflow; elsewhere use hydra.wait_event")
    return here.wait_event_async(check_name(name, "event"), type, wait_seconds(timeout))


@overload
def wait_callback(token: str, type: type[T], timeout: timedelta | float | None = ...) -> Coroutine[Any, Any, T]: ...
@overload
def wait_callback(token: str, type: Any = ..., timeout: timedelta | float | None = ...) -> Coroutine[Any, Any, Any]: ...
def wait_callback(token: str, type: Any = Any, timeout: timedelta | float | None = None) -> Coroutine[Any, Any, Any]:
    """Wait durably until the token is completed; see `hydra.wait_callback`."""
    here = inside("hydra.aio.wait_callback")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.wait_callback` belongs in an async workflow; elsewhere use hydra.wait_callback")
    return here.wait_callback_async(token, type, wait_seconds(timeout, "hydra.aio.wait_callback"))


def spawn(
    bound: BoundWorkflow[R], key: str | None = None, *, key_reuse: str = KeyReuse.FIRST
) -> Coroutine[Any, Any, AsyncChild[R]]:
    """Begin a child execution; see `hydra.spawn`. Its `result()` is awaited."""
    here = inside("hydra.aio.spawn")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.spawn` belongs in an async workflow; elsewhere use hydra.spawn")
    return here.spawn_async(check_bound(bound), check_child_key(key, key_reuse))


def on_failure(undo: BoundStep[Any]) -> Coroutine[Any, Any, None]:
    """Register a step that undoes something; see `hydra.on_failure`."""
    here = inside("hydra.aio.on_failure")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.on_failure` belongs in an async workflow; elsewhere use hydra.on_failure")
    return here.on_failure_async(undo)


def set_attributes(**kwargs: Any) -> Coroutine[Any, Any, None]:
    """Change what this execution is found by; see `hydra.set_attributes`."""
    here = inside("hydra.aio.set_attributes")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.set_attributes` belongs in an async workflow; elsewhere use hydra.set_attributes")
    return here.set_attributes_async(kwargs)


def continue_as_new(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, NoReturn]:
    """Begin the same execution again; see `hydra.continue_as_new`."""
    here = inside("hydra.aio.continue_as_new")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.continue_as_new` belongs in an async workflow; elsewhere hydra.continue_as_new")
    return here.continue_as_new_async(args, kwargs)


def call(bound: BoundStep[R]) -> Coroutine[Any, Any, R]:
    """Run a step, async or not, and wait for its result without blocking the event loop."""
    here = async_body("hydra.aio.call")
    if here is not None:
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
    here = async_body("hydra.aio.gather")
    if here is not None:
        return here.gather_async(bound, concurrency)
    return gather_plainly(bound)


async def gather_plainly(bound: tuple[BoundStep[R], ...]) -> tuple[R, ...]:
    """`gather` outside an execution: one after the other."""
    return tuple([await call_plainly(each) for each in bound])


def map(
    bound: BoundEach[R], chunk: int = CHUNK_ITEMS, concurrency: int = CONCURRENCY
) -> Coroutine[Any, Any, Outcomes[R]]:
    """Run a step, async or not, for each of many items; see `hydra.map`."""
    check_map(bound, chunk, concurrency)
    here = async_body("hydra.aio.map")
    if here is not None:
        return here.map_async(bound, chunk, concurrency)
    return map_async(bound)


def async_body(what: str) -> AsyncBranch | None:
    """The async body that calls; None where the call is plain."""
    here = calling(f"`{what}`")
    if isinstance(here, AsyncBranch):
        return here
    if isinstance(here, UnknownCaller):
        raise unknown_caller(f"`{what}`")
    if isinstance(here, Branch):
        raise HydraError(f"`{what}` belongs in an async workflow; in this one use hydra.gather or hydra.map")
    return None


async def call_plainly(bound: BoundStep[R]) -> R:
    """`call` outside an execution."""
    value: Any = bound.step.function(*bound.args, **bound.kwargs)
    return cast(R, await value if inspect.isawaitable(value) else value)
