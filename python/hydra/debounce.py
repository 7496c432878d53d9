"""Debounce: many submissions under one key become one execution, which begins when they have been quiet for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hydra.clock import seconds_of
from hydra.errors import ConfigError
from hydra.execution import Debounced
from hydra.written import written


@dataclass(frozen=True, slots=True)
class Debounce:
    """One execution for a burst of submissions under one key, with the arguments of the last.

        engine.submit(reindex.bind(product), key=product.id, debounce=hydra.Debounce(5, max_wait=60))

    Each submission puts the execution off until `wait` after it, until one has let `wait` pass. `max_wait` bounds how
    long after the first it begins, however many follow; None: no bound.

    A submission that is repeated because its reply was lost counts as the last: it replaces the arguments of another
    that came in between. Where that matters, let the workflow read what is newest, and give it only what names it.

    Args:
        wait: seconds, or a timedelta; longer than 0.
        max_wait: seconds, or a timedelta; no shorter than `wait`.

    Raises:
        ConfigError: they are no such durations.
    """

    wait: timedelta | float
    max_wait: timedelta | float | None = None

    def __post_init__(self) -> None:
        debounced(self)


def debounced(debounce: Debounce) -> Debounced:
    """In microseconds, checked."""
    if not isinstance(debounce, Debounce):
        raise ConfigError(
            f"`debounce` must be a `hydra.Debounce`, such as `hydra.Debounce(5)`, not `{written(debounce)}`"
        )
    wait_us = round(seconds_of(debounce.wait, "`wait` of `hydra.Debounce`") * 1e6)
    if not wait_us:
        raise ConfigError("`wait` of `hydra.Debounce` must be longer than 0 seconds")
    if debounce.max_wait is None:
        return Debounced(wait_us)
    max_wait_us = round(seconds_of(debounce.max_wait, "`max_wait` of `hydra.Debounce`") * 1e6)
    if max_wait_us < wait_us:
        raise ConfigError("`max_wait` of `hydra.Debounce` is shorter than its `wait`; make it longer")
    return Debounced(wait_us, max_wait_us)
