"""Where asyncio itself has to be told that it is in an async body. Elsewhere everything stays as it is.

What it orders by the addresses of objects no replay can repeat: `as_completed` makes tasks of a set of coroutines; the
futures of `gather` are kept in sets. Here they are put into the order of the program.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import builtins
import functools
import gc
import threading
from asyncio import events
from collections.abc import Callable, Iterable
from typing import Any

from greenlet import getcurrent

from hydra.body.strand import Strand
from hydra.definitions import caller
from hydra.errors import HydraError

_collecting_thread = 0  # the one in which the garbage collector runs right now
_is_left_out = False


def leave_out() -> None:
    """Once a process."""
    global _is_left_out
    if not _is_left_out:
        _is_left_out = True
        setattr(asyncio.tasks, "set", set_in_order)  # noqa: B010  # the name its functions look up
        gathering: Any = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined]
        gathering.__hash__ = number_of
        gc.callbacks.append(note_collection)
        asyncio.run = refusing_loop(asyncio.run, "asyncio.run", is_of_body)
        base: Any = asyncio.BaseEventLoop  # what `asyncio.run` is made of, by whatever name it was imported
        base.run_until_complete = refusing_loop(base.run_until_complete, "run_until_complete", is_body)
        base.run_forever = refusing_loop(base.run_forever, "run_forever", is_body)


def set_in_order(items: Iterable[Any] = ()) -> builtins.set[Any]:
    """`set`, with a task for each coroutine, made in the order given."""
    if hasattr(events._get_running_loop(), "next_number"):
        items = [asyncio.ensure_future(item) if asyncio.iscoroutine(item) else item for item in dict.fromkeys(items)]
    return builtins.set(items)


def is_of_body() -> bool:
    """A body, or a thread that one has started."""
    return getattr(caller.get(), "is_body", False)


def is_body() -> bool:
    return type(getcurrent()) is Strand and is_of_body()


def refusing_loop(run: Callable[..., Any], name: str, is_refused: Callable[[], bool]) -> Callable[..., Any]:
    """In an async body it says by itself that it cannot be called, but not what to do. In a sync one nothing of what it
    did would be recorded, and where the body waits in it the whole thread of the worker would count as in that loop. In
    a step it may do what it likes."""

    @functools.wraps(run)
    def refusing(*args: Any, **options: Any) -> Any:
        if is_refused():
            for each in filter(asyncio.iscoroutine, args):
                each.close()
            if hasattr(events._get_running_loop(), "next_number"):
                instead = "an async body: await the coroutine, or do it in a step"
            else:
                instead = "a body, where what it does is not recorded: do it in a step, or make the workflow async"
            raise HydraError(f"`{name}` cannot be called in {instead}")
        return run(*args, **options)

    return refusing


def number_of(future: Any) -> int:
    """In the order in which they are first asked for theirs."""
    loop = future.get_loop()
    if not hasattr(loop, "next_number"):
        return object.__hash__(future)
    number: int | None = getattr(future, "hydra_number", None)  # it has no `__dict__` to look into
    if number is None:
        number = future.hydra_number = loop.next_number()
    return number


def note_collection(phase: str, info: dict[str, int]) -> None:
    global _collecting_thread
    _collecting_thread = threading.get_ident() if phase == "start" else 0


def is_collecting() -> bool:
    """Whether the garbage collector runs in this thread, so that what ends here, ends by chance."""
    return _collecting_thread == threading.get_ident()
