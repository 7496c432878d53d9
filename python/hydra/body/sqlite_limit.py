"""How long a transaction's function may keep all others from writing to a SQLite file (R21).

    has had the file too long ──► its statement is interrupted, StepTimeout in it ──a grace──► the worker is killed

So the executions beside it in its worker are spared, unless it does not end.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from hydra.body.step_limits import YIELD_GRACE_NS, RunningInThread
from hydra.errors import StepTimeout
from hydra.stores.step_connection import StepConnection

FILE_LOCK_SECONDS = 5.0

log = logging.getLogger("hydra.worker")


class FileLimit:
    """Made and used in the thread of the function, when the transaction has the file: a wait for it does not count."""

    def __init__(self, name: str, own: StepConnection) -> None:
        self._name = name
        self._own = own
        self._running = RunningInThread()
        self._timers = [
            threading.Timer(FILE_LOCK_SECONDS, self._interrupt),
            threading.Timer(FILE_LOCK_SECONDS + YIELD_GRACE_NS / 1e9, self._kill),
        ]
        for timer in self._timers:
            timer.daemon = True
            timer.start()

    @property
    def is_over(self) -> bool:
        return self._running.is_interrupted

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The function. StepTimeout may be raised anywhere in here; one that comes after its end changes nothing."""
        result: Any = None
        failure: BaseException | None = None
        has_ended = False
        try:
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                failure = error
            has_ended = True
            self._running.close()
        except StepTimeout as late:
            self._running.close()
            if not has_ended and failure is None:
                failure = late
        if failure is None:
            return result
        if self.is_over:
            sentence = f"transaction `{self._name}` held the database's file for more than {FILE_LOCK_SECONDS:g} s"
            raise StepTimeout(sentence) from failure
        raise failure

    def cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _interrupt(self) -> None:
        self._running.interrupt()
        if self._running.is_interrupted:
            self._own.interrupt()

    def _kill(self) -> None:
        log.error(
            "transaction `%s` does not let the database's file go after %g s: killed", self._name, FILE_LOCK_SECONDS
        )
        os.kill(os.getpid(), signal.SIGKILL)
