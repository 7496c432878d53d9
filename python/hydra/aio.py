"""For async workflows: `hydra.aio.sleep`, and `hydra.aio.call` to await a step that is not async."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar, cast

from hydra.clock import seconds_of
from hydra.context import inside
from hydra.errors import HydraError
from hydra.event_loop import AsyncBranch
from hydra.workflow import BoundStep, caller

R = TypeVar("R")


def sleep(duration: timedelta | float) -> Coroutine[Any, Any, None]:
    """Wait durably; a longer sleep is a row in the database, not a task."""
    here = inside("hydra.aio.sleep")
    if not isinstance(here, AsyncBranch):
        raise HydraError("`hydra.aio.sleep` belongs in an async workflow; elsewhere use hydra.sleep or asyncio.sleep.")
    return here.sleep_async(seconds_of(duration, "the duration of `hydra.aio.sleep`"))


def call(bound: BoundStep[R]) -> Coroutine[Any, Any, R]:
    """Run a step, async or not, and wait for its result without blocking the event loop."""
    here = caller.get()
    if isinstance(here, AsyncBranch):
        return here.call(bound.step, bound.args, bound.kwargs)
    return call_plainly(bound)


async def call_plainly(bound: BoundStep[R]) -> R:
    value: Any = bound.step.function(*bound.args, **bound.kwargs)
    return cast(R, await value if inspect.isawaitable(value) else value)
