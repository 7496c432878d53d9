"""What the app wants done in each worker: open clients after the fork, close them before the end. Holds, and calls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from hydra.errors import ConfigError

Hook = TypeVar("Hook", bound=Callable[[], object])

_start_hooks: list[Callable[[], object]] = []
_stop_hooks: list[Callable[[], object]] = []

log = logging.getLogger("hydra.worker")


def on_worker_start(function: Hook) -> Hook:
    """Call the function in every worker before it takes work; what it sets in context variables, all steps see.

        @hydra.on_worker_start
        def open_clients() -> None: ...

    A worker in which it raises takes no work and ends.
    """
    _start_hooks.append(checked(function, "on_worker_start"))
    return function


def on_worker_stop(function: Hook) -> Hook:
    """Call the function in every worker that ends in peace, the last one first; one that is killed calls nothing.

    What it raises is logged, and the other functions are called.
    """
    _stop_hooks.append(checked(function, "on_worker_stop"))
    return function


def run_start_hooks() -> None:
    for hook in _start_hooks:
        hook()


def run_stop_hooks() -> None:
    """In reverse, so that what was opened last is closed first. One that fails keeps no other from running."""
    for hook in reversed(_stop_hooks):
        try:
            hook()
        except (Exception, SystemExit):
            log.exception("the `on_worker_stop` hook `%s` failed", getattr(hook, "__name__", hook))


def checked(function: Hook, decorator: str) -> Hook:
    if not callable(function):
        raise ConfigError(f"`@hydra.{decorator}` belongs on a function without parameters, not on {function!r}")
    return function
