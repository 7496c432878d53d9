"""What an async body asks for, by messages from the event loop. All of it runs on the hub's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hydra.body import recorded
from hydra.body.replay import Key
from hydra.execution import End

if TYPE_CHECKING:
    from hydra.body.executor import Execution


class Requests:
    """Of one body, in the order in which it made them."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self._count = 0

    def start_call(
        self, request: tuple[Callable[[], Any], Callable[[tuple[Any, BaseException | None]], None], str]
    ) -> None:
        """Run one call of the body in a strand, and answer with its outcome."""
        run, answer, place = request
        execution = self.execution
        self._count += 1
        if execution.stopping is not None:
            return

        def strand() -> None:
            outcome: tuple[Any, BaseException | None]
            try:
                outcome = (run(), None)
            except BaseException as error:
                outcome = (None, error)
            if execution.stopping is None:
                execution.handed = execution.seq
                answer(outcome)
            execution.strand_ended()

        execution.live_count += 1
        execution.host.start(strand).place = place

    def keep_value(self, kept: tuple[Key, bytes]) -> None:
        """A value the body has been given: from its record, or new."""
        key, payload = kept
        self._count += 1
        if self.execution.stopping is not None:
            return
        execution = self.execution
        past = None if execution.history is None else execution.history.ask(key)
        if (past is None or past.outcome is None) and execution.unwinding is None:
            recorded.append_value(execution, key, payload)

    def fell_quiet(self, request_count: int) -> None:
        """The loop has nothing more to do; unless it asks for something meanwhile, only time or messages go on."""
        execution = self.execution
        is_idle = request_count == self._count and execution.idle_count == execution.live_count
        if execution.stopping is None and is_idle:
            first_due_at = min(filter(None, execution.waiting.values()), default=0)
            if execution.is_long(first_due_at, execution.host.now()):
                execution.suspend(first_due_at)

    def body_ended(self, decide: Callable[[], End | None]) -> None:
        execution = self.execution
        execution.is_body_over = True
        end = decide()
        if end is not None:
            execution.stop(end)
        execution.idle_count -= 1
        execution.strand_ended()
