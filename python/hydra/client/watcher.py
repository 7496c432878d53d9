"""One thread per engine that waits for the end of executions on behalf of everybody who does: one query for all.

It starts with the first waiter. It reads the store and resolves futures; it never writes and never decodes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

from hydra.client.moved_reads import refuse_closed, surely
from hydra.condition import Condition, NoThread, start
from hydra.errors import ConfigError, NotFound, StoreUnavailable
from hydra.execution import Status
from hydra.promise import Promise
from hydra.records.ends import Outcome
from hydra.stores.store import Store

QUERY_SIZE = 500  # executions asked for in one query
CHANGE_TIMEOUT_SECONDS = 0.25  # a missed hint costs at most this
OUTAGE_PAUSE_SECONDS = 0.5
LOOK_SECONDS = 2.0  # for the first look, however short a time-out is
MOVE_LOOK_SECONDS = 1.0  # how often somebody looks whether the namespace was moved away, for all who wait

CLOSED = "the engine was closed while a result was awaited"

log = logging.getLogger("hydra.watcher")


class Wait(NamedTuple):
    """Somebody's wait for one outcome."""

    promise: Promise[Outcome]
    forget: Callable[[], None]


class Waiting(NamedTuple):
    """`bears_parked`: a parked execution is waited for until a person has it go on."""

    promise: Promise[Outcome]
    bears_parked: bool

    def takes(self, outcome: Outcome) -> bool:
        return outcome[0] is not Status.PARKED or not self.bears_parked


class OutcomeWatcher:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = Condition()
        self._mutex = self._changed.lock
        self._waiting: dict[str, list[Waiting]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False
        self._moves_looked_at: float | None = None

    def watch_within(self, id: str, seconds: float, bears_parked: bool = False) -> Wait:
        """`watch` for somebody with little time: where the database does not say so soon whether it has ended, a wait
        that nothing ends. It has LOOK_SECONDS, at least."""
        asked: Promise[Wait] = Promise()

        def look() -> None:
            try:
                asked.settle(self.watch(id, bears_parked))
            except BaseException as error:
                asked.fail(error)

        try:
            start(threading.Thread(target=look, name="hydra-look", daemon=True))
        except NoThread:
            return self.watch(id, bears_parked)
        try:
            if asked.wait(max(seconds, LOOK_SECONDS)):
                return asked.result()
        except BaseException:
            asked.when_settled(lambda: _forget_answer(asked))
            raise
        asked.when_settled(lambda: _forget_answer(asked))
        return Wait(Promise(), lambda: None)

    def watch(self, id: str, bears_parked: bool = False) -> Wait:
        """A wait for the outcome; `forget` it when nobody is interested any more. DatabaseMoved where none comes."""
        waiting = Waiting(Promise(), bears_parked)
        if self._is_over(id, waiting):
            return Wait(waiting.promise, lambda: None)
        wait = self._add(id, waiting)
        try:
            # What ended before it was watched gives no further hint.
            if self._is_over(id, waiting):
                wait.forget()
            elif (closed := self._look_for_move()) is not None:
                if not self._is_over(id, waiting):  # before it was closed
                    raise closed
                wait.forget()
        except BaseException:
            wait.forget()
            raise
        return wait

    def _is_over(self, id: str, waiting: Waiting) -> bool:
        """Resolve the wait if there is something to tell."""
        (outcome,) = surely(self._store, lambda: self._store.outcomes([id]))
        if outcome is None or not waiting.takes(outcome) or (told := self._told(id, outcome)) is None:
            return False
        waiting.promise.settle(told)  # the watcher may have seen the end, too
        return True

    def _told(self, id: str, outcome: Outcome) -> Outcome | None:
        """With the reason why it is parked; None where it is no longer."""
        if outcome[0] is not Status.PARKED:
            return outcome
        (snapshot,) = self._store.get([id])
        is_parked = snapshot is not None and snapshot.status is Status.PARKED
        return (Status.PARKED, None, snapshot.reason) if snapshot is not None and is_parked else None

    def _look_for_move(self) -> ConfigError | None:
        """Why nothing ends here any more; looked for once in so many seconds, however many wait."""
        now = monotonic()
        if self._moves_looked_at is not None and now - self._moves_looked_at < MOVE_LOOK_SECONDS:
            return None
        try:
            refuse_closed(self._store, self._store.move_lines())
        except ConfigError as error:
            return error
        self._moves_looked_at = now
        return None

    @property
    def wait_count(self) -> int:
        """How many executions are waited for."""
        return len(self._waiting)

    def _add(self, id: str, waiting: Waiting) -> Wait:
        with self._mutex:
            if self._closed:
                raise StoreUnavailable(CLOSED)
            self._waiting.setdefault(id, []).append(waiting)
            if self._thread is None or not self._thread.is_alive():  # its start may have been interrupted
                self._thread = threading.Thread(target=self._run, name="hydra-outcomes", daemon=True)
                try:
                    start(self._thread)
                except NoThread:
                    self._forget(id, waiting)
                    raise
            self._changed.notify_all()
        return Wait(waiting.promise, lambda: self._forget(id, waiting))

    def _forget(self, id: str, waiting: Waiting) -> None:
        with self._mutex:
            known = self._waiting.get(id, [])
            if waiting in known:
                known.remove(waiting)
            if not known:
                self._waiting.pop(id, None)

    def close(self) -> None:
        """Stop; whoever still waits gets StoreUnavailable."""
        with self._mutex:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        self._fail_all(StoreUnavailable(CLOSED))

    def _run(self) -> None:
        while ids := self._next_ids():
            try:
                self._look_at_all(ids)
                closed = self._look_for_move() if self._waiting else None
                if closed is not None:
                    self._look_at_all(ids)  # what ended before it was closed
                    self._fail_those(ids, closed)  # who came in between is looked after in the next round
                elif self._waiting:
                    self._store.wait_for_change(CHANGE_TIMEOUT_SECONDS)
            except StoreUnavailable as error:
                log.warning("the database does not answer, results are waited for: %s", error)
                self._changed.wait_for(lambda: self._closed, OUTAGE_PAUSE_SECONDS)
            except Exception as error:
                self._fail_all(error)

    def _next_ids(self) -> list[str]:
        """Everything waited for, as soon as there is something; empty when closed."""
        self._changed.wait_for(lambda: self._waiting or self._closed)
        with self._mutex:
            return [] if self._closed else list(self._waiting)

    def _look_at_all(self, ids: list[str]) -> None:
        for first in range(0, len(ids), QUERY_SIZE):
            self._look(ids[first : first + QUERY_SIZE])

    def _look(self, ids: list[str]) -> None:
        try:
            if len(ids) == 1:
                outcomes = surely(self._store, lambda: self._store.outcomes(ids))
            else:
                outcomes = self._store.outcomes(ids)
        except ConfigError as error:
            if len(ids) > 1:
                raise
            self._fail(ids[0], error)  # It was cleared away by a move.
            return
        except NotFound as error:
            if len(ids) == 1:  # It was purged while somebody waited.
                self._fail(ids[0], error)
                return
            middle = len(ids) // 2
            self._look(ids[:middle])
            self._look(ids[middle:])
            return
        for id, outcome in zip(ids, outcomes, strict=True):
            if outcome is not None:
                self._resolve(id, outcome)

    def _resolve(self, id: str, outcome: Outcome) -> None:
        with self._mutex:
            taking = [waiting for waiting in self._waiting.get(id, []) if waiting.takes(outcome)]
        if not taking or (told := self._told(id, outcome)) is None:
            return
        for waiting in taking:
            self._forget(id, waiting)
            waiting.promise.settle(told)

    def _fail(self, id: str, error: Exception) -> None:
        with self._mutex:
            failing = self._waiting.pop(id, [])
        for waiting in failing:
            waiting.promise.fail(error)

    def _fail_all(self, error: Exception) -> None:
        with self._mutex:
            ids = list(self._waiting)
        self._fail_those(ids, error)

    def _fail_those(self, ids: Iterable[str], error: Exception) -> None:
        for id in ids:
            self._fail(id, error)


def _forget_answer(asked: Promise[Wait]) -> None:
    with suppress(BaseException):  # nobody is left to be told of it
        asked.result().forget()
