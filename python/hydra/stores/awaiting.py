"""Statements on a caller's asynchronous connection, from code that is the same for both kinds.

    async: run_awaiting(verb) ─► the verb, in a greenlet ─► await_here(execute(…)) ─► awaited by the caller's task ─┐
                                        ▲───────────────────────── its result ──────────────────────────────────────┘

The connection is used by the caller's own task, on its own loop, as its library demands.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet

from hydra.errors import ConfigError

T = TypeVar("T")


class Awaiting(greenlet):
    """A verb that may await what its caller's task can."""


async def run_awaiting(verb: Callable[[], T]) -> T:
    """The verb's answer. What it does not await runs at once, as any call."""
    running = Awaiting(verb)
    running.gr_context = contextvars.copy_context()
    answer = running.switch()
    while not running.dead:
        try:
            value = await answer
        except BaseException as error:
            answer = running.throw(error)
        else:
            answer = running.switch(value)
    return cast(T, answer)


def await_here(awaitable: Awaitable[T]) -> T:
    """Within `run_awaiting`: what the awaitable gives."""
    here = getcurrent()
    if not isinstance(here, Awaiting):
        close: Any = getattr(awaitable, "close", None)
        if close is not None:
            close()
        raise ConfigError("`connection` is asynchronous; give it to `hydra.AsyncEngine`, or a synchronous one here")
    assert here.parent is not None
    return cast(T, here.parent.switch(awaitable))
