"""Threads of the page's own for what it asks of a database: those of the app around it stay free, however slow that is.

What only waits holds none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

MAX_THREADS = 20  # of all pages of one event loop

T = TypeVar("T")

_threads: RunVar[CapacityLimiter] = RunVar("hydra.dashboard.threads")


async def on_thread(call: Callable[..., T], *given: Any) -> T:
    """What the call returns, or raises; it waits its turn where all threads are busy."""
    threads = _threads.get(None)
    if threads is None:
        threads = CapacityLimiter(MAX_THREADS)
        _threads.set(threads)
    return await run_sync(partial(call, *given), limiter=threads)
