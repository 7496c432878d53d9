"""Nothing of SQLite is carried over a fork: the library keeps file locks by process, and a child would believe in locks
that it does not have. So a fork waits until no connection is in use and closes them; both sides open again when needed.
"""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from typing import Protocol

from hydra.errors import StoreUnavailable
from hydra.locks import RLock

FORK_WAIT_SECONDS = 5.0  # for the connections in use by other threads


class Forkable(Protocol):
    path: str

    def let_go(self, timeout_seconds: float) -> bool:
        """Close every connection and keep others from opening one; False if one stays in use."""
        ...

    def take_up(self) -> None:
        """Connections may be opened again, in the parent."""
        ...

    def start_anew(self) -> None:
        """Connections may be opened again, in the child, where the other threads are gone."""
        ...


_databases: weakref.WeakSet[Forkable] = weakref.WeakSet()
_turn = RLock()  # threads fork one after the other: what one has let go of it takes up itself
_forking: list[Forkable] = []
_carried: set[str] = set()


def register(database: Forkable) -> None:
    """Let go of it before every fork from now on."""
    _databases.add(database)


def refuse_carried(path: str) -> None:
    """A process that was forked while a connection was in use must never touch that file again."""
    if path in _carried:
        message = (
            f"this process was forked in the middle of a transaction on `{path}` and cannot use that database safely"
        )
        raise StoreUnavailable(f"{message}; fork outside of transactions, or start a new program instead")


def _before() -> None:
    _turn.acquire()
    _forking[:] = list(_databases)
    _carried.update(database.path for database in _forking if not database.let_go(FORK_WAIT_SECONDS))


def _after_in_parent() -> None:
    for database in _forking:
        database.take_up()
        _carried.discard(database.path)
    _forking.clear()
    with suppress(RuntimeError):  # a signal's handler raised before it was had
        _turn.release()


def _after_in_child() -> None:
    global _turn
    _turn = RLock()
    for database in _forking:
        database.start_anew()
    _forking.clear()


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
