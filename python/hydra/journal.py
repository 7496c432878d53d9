"""Group commit: what arrives while one transaction commits is the next one. No artificial delay, no thread of its own.

    write ──► queue ──► the first in it leads: commits the batch, wakes its writers, hands the lead to the next in line

A writer returns only after the commit that holds its items. Knows nothing of what it commits.
"""

from __future__ import annotations

import copy
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from hydra.condition import Condition
from hydra.errors import HydraError, StoreUnavailable
from hydra.interruptions import is_interruption, let_out_cause, refuse_within

T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")

MAX_ITEMS = 1_000
MAX_BYTES = 1024 * 1024
TURN_SECONDS = 60.0  # for others before one who waits


class Journal(Generic[T, R]):
    """`commit` writes many items in one transaction and answers for each; it is called by one thread at a time."""

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Sequence[R]],
        size: Callable[[T], int],
        *,
        max_items: int = MAX_ITEMS,
        max_bytes: int = MAX_BYTES,
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        self._commit = commit
        self._size = size
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._turn_seconds = turn_seconds
        self._start()

    def _start(self) -> None:
        self._process_id = os.getpid()
        self._idle = Condition()
        self._mutex = self._idle.lock
        self._queue: deque[_Writer] = deque()
        self._is_led = False
        self._is_closed = False

    def write(self, item: T) -> R:
        """The answer to this item, once it is committed; alone, and without a queue, where nobody writes meanwhile."""
        answers: list[R] = []
        self._take_turn(_Writer(None, 0), lambda _: answers.extend(self._commit([item])), waits=False)
        return answers[0] if answers else self.write_many([item])[0]

    def write_many(self, items: Sequence[T]) -> list[R]:
        """One transaction for all. When some fail the others are committed, then the first error is raised."""
        answers: list[R] = []
        for answer in self.write_each(items):
            if isinstance(answer, Exception):
                raise answer
            answers.append(answer)
        return answers

    def write_each(self, items: Sequence[T]) -> list[R | Exception]:
        """Like write_many, with an error in the place of the answer of each item that failed."""
        if not items:
            return []
        writer = _Writer(items, sum(map(self._size, items)))
        self._take_turn(writer, self._write_batch)
        return [answer.own_error() if isinstance(answer, _Failed) else answer for answer in writer.answers]

    def run(self, verb: Callable[[], V]) -> V:
        """Another write of the same store, in this thread, in turn with the batches."""
        results: list[V] = []
        writer = _Writer(None, 0)
        self._take_turn(writer, lambda _: results.append(verb()))
        return results[0]

    def close(self) -> None:
        """Refuse what comes from now on; return when what came before is committed."""
        if os.getpid() != self._process_id:
            return
        with self._mutex:
            self._is_closed = True
        self._idle.wait_for(lambda: not self._is_led)

    def _take_turn(self, writer: _Writer, lead: Callable[[_Writer], None], *, waits: bool = True) -> None:
        """Queue; then either another leader answers, or this thread leads. Not `waits`: where nobody leads, or not at
        all."""
        if os.getpid() != self._process_id:
            self._start()
        try:
            with self._mutex:
                if self._is_closed:
                    raise HydraError("the journal is closed; nothing more can be written")
                if waits:
                    writer.is_queued = True
                    self._queue.append(writer)
                writer.leads = not self._is_led
                self._is_led = True
            if waits and not writer.leads:
                refuse_within(Journal._take_turn.__code__, self, "writing to the database")
            if waits and not writer.leads and not writer.turn.acquire(timeout=self._turn_seconds):
                self._refuse_queued(writer)
                writer.turn.acquire()  # its batch is being committed, or it leads by now
            if writer.leads:
                lead(writer)
        finally:
            try:
                self._leave(writer)
            except BaseException:
                self._leave(writer)
                raise

    def _refuse_queued(self, writer: _Writer) -> None:
        with self._mutex:
            if writer.is_queued and not writer.leads:
                seconds = f"{self._turn_seconds:g} s"
                message = f"other threads of this program have waited for the database for {seconds}; try again"
                raise StoreUnavailable(f"{message} (nothing of this was sent)")

    def _leave(self, writer: _Writer) -> None:
        """Hand on the lead if this writer has it; also the way out of one that was interrupted, be it here: a signal's
        handler may raise behind any call, and nobody else would ever give the lead back. Safe to repeat."""
        with self._mutex:
            if writer.is_queued:
                if writer in self._queue:  # else interrupted before it stood there
                    self._queue.remove(writer)
                writer.is_queued = False
            if writer.leads:  # no call in between: the lead is never given twice, and never to nobody
                writer.leads = False
                if self._queue:
                    self._queue[0].leads = True
                else:
                    self._is_led = False
            if self._queue and self._queue[0].leads and self._queue[0].turn.locked():
                self._queue[0].turn.release()
            if self._is_closed and not self._is_led:
                self._idle.notify_all()

    def _write_batch(self, leader: _Writer) -> None:
        batch: list[_Writer] = []
        try:
            self._take_batch(batch)
            items = [item for writer in batch for item in writer.items or ()]
            answers = self._commit_or_split(items)
            start = 0
            for writer in batch:
                writer.answers = answers[start : start + len(writer.items or ())]
                start += len(writer.answers)
        finally:
            try:
                self._wake(batch, leader)
            except BaseException:
                self._wake(batch, leader)
                raise

    def _wake(self, batch: list[_Writer], leader: _Writer) -> None:
        for writer in batch:
            if not writer.answers:  # this thread was interrupted by what is not an error
                message = "the thread that wrote was interrupted; it may or may not have happened"
                writer.answers = [_Failed(StoreUnavailable(message, outcome="unknown"))] * len(writer.items or ())
            if writer is not leader and writer.turn.locked():
                writer.turn.release()

    def _take_batch(self, batch: list[_Writer]) -> None:
        """Into it the leader, who is first in the queue, and as many behind it as the limits allow."""
        with self._mutex:
            self._take_next(batch)
            item_count, byte_count = len(batch[0].items or ()), batch[0].byte_count
            while self._queue and self._queue[0].items is not None:
                item_count += len(self._queue[0].items)
                byte_count += self._queue[0].byte_count
                if item_count > self._max_items or byte_count > self._max_bytes:
                    break
                self._take_next(batch)

    def _take_next(self, batch: list[_Writer]) -> None:
        writer = self._queue[0]
        batch.append(writer)  # first: whoever is in the batch is answered, whatever happens here
        self._queue.popleft()
        writer.is_queued = False

    def _commit_or_split(self, items: Sequence[T]) -> list[Any]:
        """An answer or a `_Failed` for each. Halves find the item at fault, unless the store cannot serve."""
        outer = sys.exception()
        try:
            return list(self._commit(items))
        except Exception as error:
            let_out_cause(error, outer)
            if is_interruption(error):
                raise
            if len(items) == 1 or isinstance(error, StoreUnavailable):
                return [_Failed(error)] * len(items)
        middle = len(items) // 2
        return self._commit_or_split(items[:middle]) + self._commit_or_split(items[middle:])


class _Writer:
    """One caller in the queue. `turn` opens when it is answered or shall lead."""

    __slots__ = ("answers", "byte_count", "is_queued", "items", "leads", "turn")

    def __init__(self, items: Sequence[Any] | None, byte_count: int) -> None:
        self.items = items
        self.byte_count = byte_count
        self.answers: list[Any] = []
        self.leads = False
        self.is_queued = False
        self.turn = threading.Lock()
        self.turn.acquire()


class _Failed:
    """Stands where an answer would, for items whose commit raised."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error

    def own_error(self) -> Exception:
        """A new instance for each caller: tracebacks of several threads must not pile up on one."""
        error = copy.copy(self.error)
        error.__cause__ = self.error
        return error
