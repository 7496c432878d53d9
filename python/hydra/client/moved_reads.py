"""Reads of a namespace that `hydra move` moves, or has moved: what is not found there may be elsewhere.

Asks for the lines of moves where a read has found nothing, or found a list, which may be a part of one. Never writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hydra.errors import NotFound
from hydra.stores.moved import MoveLine, why_closed, why_incomplete
from hydra.stores.store import Store

T = TypeVar("T")


def surely(store: Store, read: Callable[[], T]) -> T:
    """What `read` answers. Its NotFound is passed on only where it is sure: not while a move clears or fills the
    namespace, nor where it was moved away, and may have gone on."""
    before: Sequence[MoveLine] = ()
    while True:
        try:
            return read()
        except NotFound:
            lines = store.move_lines()
            refuse_closed(store, lines)
            if list(lines) == list(before):
                raise
            before = lines  # a move to here may have ended since that read


def refuse_closed(store: Store, lines: Sequence[MoveLine]) -> None:
    """Raises DatabaseMoved, or ConfigError, where nothing goes on."""
    if (error := why_closed(lines, store.namespace, store.url)) is not None:
        raise error


def refuse_incomplete(store: Store) -> None:
    """Raises ConfigError where a list may be a part of one."""
    if (error := why_incomplete(store.move_lines(), store.namespace, store.url)) is not None:
        raise error
