"""A supervisor's first connection: waits for a server that is not up yet, and for nothing that waiting does not cure.

A host's start may bring the app up before its database. A wrong password, URL or schema is a ConfigError: it ends.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable

from hydra.errors import StoreUnavailable
from hydra.identity import wait_readable
from hydra.stores.store import Store

RETRY_SECONDS = 1.0
TELL_SECONDS = 5.0  # between two lines in the log that say the same

log = logging.getLogger("hydra.supervisor")


class Opening(threading.Thread):
    """One try on a thread of its own, since a connection may take its time-out to fail, and a signal ends the wait."""

    def __init__(self, store: Store) -> None:
        super().__init__(name="hydra-opening", daemon=True)
        self._store = store
        self.bell = os.eventfd(0, os.EFD_CLOEXEC)
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._store.open()
        except BaseException as error:
            self.error = error
        os.eventfd_write(self.bell, 1)


def open_when_up(
    store: Store, interrupts: socket.socket, is_interrupted: Callable[[], bool], tell: Callable[[str], None]
) -> bool:
    """False when a signal came first. A file is there or not. `tell` hears at each try what stands in the way."""
    if store.path is not None:
        store.open()
        return True
    told_at = -TELL_SECONDS
    while True:
        opening = Opening(store)
        opening.start()
        if _is_ended(interrupts, is_interrupted, opening.bell):
            return False
        os.close(opening.bell)
        if opening.error is None:
            return True
        if not isinstance(opening.error, StoreUnavailable):
            raise opening.error
        tell(str(opening.error))
        if time.monotonic() - told_at >= TELL_SECONDS:
            told_at = time.monotonic()
            log.warning("the node waits for its database: %s", opening.error)
        if _is_ended(interrupts, is_interrupted, seconds=RETRY_SECONDS * random.uniform(0.5, 1.5)):
            return False


def _is_ended(
    interrupts: socket.socket, is_interrupted: Callable[[], bool], bell: int | None = None, seconds: float | None = None
) -> bool:
    """Until the bell rings, the time is over, or a signal asks to end."""
    descriptors = [interrupts.fileno()] if bell is None else [interrupts.fileno(), bell]
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        ready = wait_readable(descriptors, None if deadline is None else max(0.0, deadline - time.monotonic()))
        if interrupts.fileno() in ready and is_interrupted():
            return True
        if bell in ready or not ready:
            return False
