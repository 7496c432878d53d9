"""Watches the hub's thread from another one: one that holds it up is logged with its stack and marked on the page.

    hub: strand ─► strand ─► one that does not yield ─────────────────► its worker is killed, its neighbours handed over
    watch:  looks ─► the same strand as at the last look, for `body_timeout` ─► log, page ─► supervisor ─┘

It ends nothing itself: what a body holds a thread up with may be a call that no exception reaches. In a program's own
process there is no page, since nobody could kill it: there it is only named.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import FrameType

from hydra.body.executor import Executor
from hydra.clock import boottime_ns
from hydra.worker.hub import Hub
from hydra.worker.page import Page

LOOK_SECONDS = 0.5

log = logging.getLogger("hydra.worker")


class BodyWatch:
    """Made on the hub's thread; `start` before that runs, and `stop` when it has ended and the process goes on."""

    def __init__(self, hub: Hub, page: Page | None) -> None:
        self._hub = hub
        self._page = page
        self._thread_id = threading.get_ident()
        self._is_over = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="hydra-body-watch", daemon=True).start()

    def stop(self) -> None:
        self._is_over.set()

    def _run(self) -> None:
        seen_count, since_ns = -1, 0
        is_marked = False
        while not self._is_over.wait(LOOK_SECONDS):
            count, now_ns = self._hub.resumed_count, boottime_ns()
            if count != seen_count or self._hub.is_asleep:
                seen_count, since_ns, is_marked = count, now_ns, False
            elif not is_marked:
                is_marked = self._look(count, (now_ns - since_ns) / 1e9)

    def _look(self, count: int, seconds: float) -> bool:
        """Whether the body that has run for so long is over its limit."""
        frame = sys._current_frames().get(self._thread_id)
        execution = execution_of(frame)
        if execution is None or not 0 < execution.workflow.body_timeout_ns <= seconds * 1e9:
            return False
        stack = "".join(traceback.format_stack(frame))
        if self._hub.resumed_count != count:
            return False  # it went on meanwhile, and this may be another one's stack
        log.error(
            "the body of execution `%s` of workflow `%s` has held up its worker for %.0f s, more than its "
            "`body_timeout`; put what takes long into a step; its stack:\n%s",
            execution.claimed.id, execution.workflow.name, seconds, stack,
        )  # fmt: skip
        if self._page is not None:
            self._page.mark_overdue_body(execution.token)
        return True


def execution_of(frame: FrameType | None) -> Executor | None:
    """Whose strand it is: each begins in a function of hydra's that has the execution at hand."""
    found = None
    while frame is not None:
        own = frame.f_locals.get("self")
        for value in (own, getattr(own, "execution", None), frame.f_locals.get("execution")):
            if isinstance(value, Executor):
                found = value
        frame = frame.f_back
    return found
