"""One submission wakes few of many idle nodes, on each database, and who is woken finds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hydra.stores.store import Store

from tests.stores.store_values import claim, register, submit

NODE_COUNT = 16
SUBMISSION_COUNT = 4
QUIET_SECONDS = 0.6  # in which each of them has looked
WAIT_SECONDS = 30.0


class IdleNode:
    """What a node does while it has nothing to do: waits for a hint, then asks for work."""

    def __init__(self, store: Store) -> None:
        self.woken_count = 0
        self.found_count = 0
        self._store = store
        self._node = register(store)
        self._thread = threading.Thread(target=self._watch)
        self._is_ended = threading.Event()

    def start(self) -> None:
        self._store.nodes()  # as its beat does
        self._thread.start()

    def end(self) -> None:
        self._is_ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_ended.is_set():
            if self._store.wait_for_change(0.2):
                self.woken_count += 1
                self.found_count += len(claim(self._store, self._node))


def test_one_submission_wakes_few_of_many_idle_nodes(store: Store, open_another: Callable[..., Store]) -> None:
    nodes = [IdleNode(open_another()) for _ in range(NODE_COUNT)]
    for node in nodes:
        node.start()
    try:
        until_quiet(nodes)
        before = woken_count(nodes)
        for _ in range(SUBMISSION_COUNT):
            submit(store)
            until_quiet(nodes)
        assert sum(node.found_count for node in nodes) > 0
        assert woken_count(nodes) - before <= NODE_COUNT * SUBMISSION_COUNT * 0.75
    finally:
        for node in nodes:
            node.end()


def woken_count(nodes: list[IdleNode]) -> int:
    return sum(node.woken_count for node in nodes)


def until_quiet(nodes: list[IdleNode]) -> None:
    """Nobody was woken for a while."""
    deadline = time.monotonic() + WAIT_SECONDS
    quiet_since, before = time.monotonic(), woken_count(nodes)
    while time.monotonic() - quiet_since < QUIET_SECONDS:
        assert time.monotonic() < deadline, "they keep waking"
        time.sleep(0.02)
        if woken_count(nodes) != before:
            quiet_since, before = time.monotonic(), woken_count(nodes)
