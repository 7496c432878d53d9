"""Steps under way that wait on the test's clock: who is next, and how each goes on. Others run meanwhile.

step ──wait──► heap, by due time and order of asking ──the clock is there──► goes on, one at a time
"""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import Callable
from typing import Any

from hydra.body.step_call import StepCall
from hydra.body.strand import running
from hydra.definitions import caller
from hydra.errors import HydraError, StepTimeout

Entry = tuple[int, int, Any, Callable[[], None]]


class Waits:
    """Of all nodes under one clock. The event loop's thread adds and removes, the harness's fires."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._added_count = 0
        self._lock = threading.Lock()

    def add(self, due_at: int, host: Any, wake: Callable[[], None]) -> Entry:
        with self._lock:
            self._added_count += 1
            entry = (due_at, self._added_count, host, wake)
            heapq.heappush(self._entries, entry)
            return entry

    def remove(self, entry: Entry) -> None:
        with self._lock:
            if entry in self._entries:
                self._entries.remove(entry)
                heapq.heapify(self._entries)

    def forget(self, host: Any) -> None:
        """Its node is gone, and its steps with it."""
        with self._lock:
            self._entries = [entry for entry in self._entries if entry[2] is not host]
            heapq.heapify(self._entries)

    def count(self, host: Any) -> int:
        return sum(entry[2] is host for entry in list(self._entries))

    def next_at(self, host: Any) -> int | None:
        return min((entry[0] for entry in list(self._entries) if entry[2] is host), default=None)

    def fire(self, host: Any, now: int) -> bool:
        """Let the first that is due go on."""
        with self._lock:
            entry = min((each for each in self._entries if each[2] is host and each[0] <= now), default=None)
            if entry is None:
                return False
            self._entries.remove(entry)
            heapq.heapify(self._entries)
        entry[3]()
        return True


def wait_in_strand(waits: Waits, now: Callable[[], int], due_at: int) -> None:
    """For a step that runs on the harness's own thread: its strand is set aside until the clock is there."""
    call = caller.get()
    if not isinstance(call, StepCall) or call.step.is_async or call.running is None:
        raise HydraError(
            "`clock.wait` belongs in a step that is neither async (`await clock.wait_async(…)`), nor inline, "
            "nor a transaction"
        )
    strand, host, own = running(), call.execution.host, call.running

    def wake() -> None:
        strand.is_waiting = True
        host.resume(strand)

    waiting = call.running = _WaitingInStrand(own.ask, wake)
    while now() < due_at and not waiting.is_interrupted:
        entry = waits.add(due_at, host, wake)
        try:
            strand.leave()
        finally:
            waits.remove(entry)
    call.running = own
    if waiting.is_interrupted:
        own.is_interrupted = True
        raise StepTimeout


async def wait_on_loop(waits: Waits, due_at: int) -> None:
    """For an async step, on the event loop of its worker."""
    call = caller.get()
    if not isinstance(call, StepCall) or not call.step.is_async:
        raise HydraError("`clock.wait_async` belongs in an async step; in others, `clock.wait(…)`")
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not future.done():
            future.set_result(None)

    def wake() -> None:
        loop.call_soon_threadsafe(settle)

    entry = waits.add(due_at, call.execution.host, wake)
    try:
        await future
    finally:
        waits.remove(entry)


class _WaitingInStrand:
    """A step set aside: StepTimeout is raised in it by resuming it, since its thread is everybody's."""

    def __init__(self, ask: Callable[[], None], wake: Callable[[], None]) -> None:
        self.ask = ask
        self.is_interrupted = False
        self._wake = wake

    def interrupt(self) -> None:
        self.is_interrupted = True
        self._wake()
