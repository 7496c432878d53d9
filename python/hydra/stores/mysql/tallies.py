"""How many executions are in each state, and whether anything changed: written by every transaction, polled by watches.

Each store writes rows of one slot, so that committers of different processes do not queue for one row. The row without
a workflow counts transactions. A transaction of a caller's own, which may stay open, leaves rows nobody else writes;
heartbeats fold them. Watches of the same process are told at once; others poll, all nodes together at a steady rate.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable

from hydra.stores.mysql.heads import Heads
from hydra.stores.mysql.statements import Word, literal

SLOT_COUNT = 64
POLL_SECONDS = 0.02  # between two looks, for each node alive
MIN_POLL_SECONDS = 0.01
MAX_POLL_SECONDS = 0.5
JITTER = 0.25

Changes = Counter[tuple[str, str]]


def own_slot() -> int:
    return random.randrange(SLOT_COUNT)


def tally_rows(namespace: str, changes: Changes, slot: int) -> list[str]:
    """Rows for `add_tallies`, the transaction counter first: who holds it has the slot. `namespace` is a literal."""
    rows = [
        f"({namespace}, {literal(workflow)}, {literal(Word(status))}, {slot}, {count})"
        for (workflow, status), count in sorted(changes.items())
        if count
    ]
    return [f"({namespace}, x'', '', {slot}, 1)", *rows] if changes else []


def delta_rows(namespace: str, changes: Changes) -> list[str]:
    """Rows for `add_deltas`."""
    return [
        f"({literal(uuid.uuid4().bytes)}, {namespace}, {literal(workflow)}, {literal(Word(status))}, {count})"
        for (workflow, status), count in changes.items()
        if count
    ]


class Bell:
    """Rung by each commit of this process on one database and namespace."""

    def __init__(self) -> None:
        self.count = 0
        self.start()

    def start(self) -> None:
        """Also in the child of a fork, where a thread that held the lock is gone."""
        self._condition = threading.Condition()

    def ring(self) -> None:
        with self._condition:
            self.count += 1
            self._condition.notify_all()

    def wait(self, heard: int, timeout_seconds: float) -> None:
        """Until it rang again since it had rung `heard` times."""
        with self._condition:
            self._condition.wait_for(lambda: self.count != heard, timeout_seconds)


_bells: dict[str, Bell] = {}


def bell(place: str) -> Bell:
    return _bells.setdefault(place, Bell())


def _after_fork() -> None:
    for own in _bells.values():
        own.start()


os.register_at_fork(after_in_child=_after_fork)


class Watch:
    """`read` gives what is another after every transaction, and the number of nodes alive."""

    def __init__(self, bell: Bell, heads: Heads, read: Callable[[], tuple[object, int]]) -> None:
        self._bell = bell
        self._heads = heads
        self._read = read
        self._seen = threading.local()

    def wait(self, timeout_seconds: float) -> bool:
        """True as soon as something was committed since this thread's last call; its first call is told so at once."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            heard = self._bell.count
            state, node_count = self._read()
            if state != getattr(self._seen, "state", None):
                self._seen.state = state
                return True
            pause = min(max(MIN_POLL_SECONDS, POLL_SECONDS * node_count), MAX_POLL_SECONDS)
            pause *= random.uniform(1 - JITTER, 1 + JITTER)
            again = self._heads.look_again_seconds()
            if again == 0:
                return True
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            self._bell.wait(heard, min(pause, remaining, again or remaining))
