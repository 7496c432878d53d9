"""One thread per engine that waits for the end of executions on behalf of everybody who does: one query for all.

It starts with the first waiter. It reads the store and resolves futures; it never writes and never decodes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import NamedTuple

from hydra.errors import NotFound, StoreUnavailable
from hydra.execution import Status
from hydra.stores.store import Store

Outcome = tuple[Status, bytes | None, str]

QUERY_SIZE = 500  # executions asked for in one query
CHANGE_TIMEOUT_SECONDS = 0.25  # a missed hint costs at most this
OUTAGE_PAUSE_SECONDS = 0.5
LOOK_SECONDS = 2.0  # for the first look, however short a time-out is

CLOSED = "the engine was closed while a result was awaited"

log = logging.getLogger("hydra.watcher")


class Wait(NamedTuple):
    """Somebody's wait for one outcome."""

    future: Future[Outcome]
    forget: Callable[[], None]


class OutcomeWatcher:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._waiting: dict[str, list[Future[Outcome]]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch_within(self, id: str, seconds: float) -> Wait:
        """`watch` for somebody with little time: where the database does not say so soon whether it has ended, a wait
        that nothing ends. It has LOOK_SECONDS, at least."""
        asked: Future[Wait] = Future()

        def look() -> None:
            try:
                asked.set_result(self.watch(id))
            except BaseException as error:
                asked.set_exception(error)

        threading.Thread(target=look, name="hydra-look", daemon=True).start()
        try:
            return asked.result(max(seconds, LOOK_SECONDS))
        except FutureTimeout:
            if asked.done():
                return asked.result()
            asked.add_done_callback(_forget_answer)
            return Wait(Future(), lambda: None)

    def watch(self, id: str) -> Wait:
        """A wait for the outcome; `forget` it when nobody is interested any more."""
        if (ended := self._store.outcomes([id])[0]) is not None:
            return _over(ended)
        wait = self._add(id)
        try:
            # What ended before it was watched gives no further hint.
            ended = self._store.outcomes([id])[0]
        except BaseException:
            wait.forget()
            raise
        if ended is None:
            return wait
        wait.forget()
        return _over(ended)

    @property
    def wait_count(self) -> int:
        """How many executions are waited for."""
        return len(self._waiting)

    def _add(self, id: str) -> Wait:
        future: Future[Outcome] = Future()
        with self._changed:
            if self._closed:
                raise StoreUnavailable(CLOSED)
            self._waiting.setdefault(id, []).append(future)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hydra-outcomes", daemon=True)
                self._thread.start()
            self._changed.notify()
        return Wait(future, lambda: self._forget(id, future))

    def _forget(self, id: str, future: Future[Outcome]) -> None:
        with self._changed:
            futures = self._waiting.get(id, [])
            if future in futures:
                futures.remove(future)
            if not futures:
                self._waiting.pop(id, None)

    def close(self) -> None:
        """Stop; whoever still waits gets StoreUnavailable."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._fail_all(StoreUnavailable(CLOSED))

    def _run(self) -> None:
        while ids := self._next_ids():
            try:
                for start in range(0, len(ids), QUERY_SIZE):
                    self._look(ids[start : start + QUERY_SIZE])
                if self._waiting:
                    self._store.wait_for_change(CHANGE_TIMEOUT_SECONDS)
            except StoreUnavailable as error:
                log.warning("the database does not answer, results are waited for: %s", error)
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, OUTAGE_PAUSE_SECONDS)
            except Exception as error:
                self._fail_all(error)

    def _next_ids(self) -> list[str]:
        """Everything waited for, as soon as there is something; empty when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return [] if self._closed else list(self._waiting)

    def _look(self, ids: list[str]) -> None:
        try:
            outcomes = self._store.outcomes(ids)
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
        for future in self._take(id):
            if future.set_running_or_notify_cancel():
                future.set_result(outcome)

    def _fail(self, id: str, error: Exception) -> None:
        for future in self._take(id):
            if future.set_running_or_notify_cancel():
                future.set_exception(error)

    def _fail_all(self, error: Exception) -> None:
        with self._changed:
            ids = list(self._waiting)
        for id in ids:
            self._fail(id, error)

    def _take(self, id: str) -> list[Future[Outcome]]:
        with self._changed:
            return self._waiting.pop(id, [])


def _forget_answer(asked: Future[Wait]) -> None:
    if asked.exception() is None:
        asked.result().forget()


def _over(outcome: Outcome) -> Wait:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return Wait(future, lambda: None)
