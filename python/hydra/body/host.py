"""What an execution needs of the hub, and the greenlet that both switch to and from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from greenlet import getcurrent, greenlet

from hydra.execution import End

if TYPE_CHECKING:
    from hydra.body.executor import Execution
    from hydra.body.step_call import StepCall
    from hydra.body.transactions import TransactionCall, Transactions


class Strand(greenlet):
    """One line of control of an execution. `is_waiting`: it may be resumed, and looks again at what it waits for."""

    is_waiting = False
    place = ""  # the line of an async body that asked for it, noted while it replays

    def leave(self) -> None:
        """Let the hub (the parent of every strand) go on; returns when it switches back."""
        hub = self.parent
        assert hub is not None
        hub.switch()


def running() -> Strand:
    strand = getcurrent()
    assert isinstance(strand, Strand)
    return strand


class Host(Protocol):
    """What an execution needs of the hub."""

    namespace: str
    transactions: Transactions | None

    def now(self) -> int: ...
    def random(self) -> float: ...
    def may_start(self) -> bool: ...
    def boottime_ns(self) -> int: ...
    def report(self, call: StepCall) -> None:
        """Let the supervisor know of the call's progress, now and then. From any thread."""
        ...

    def ask_to_stop(self, call: StepCall) -> None:
        """Tell a step that its execution stops; it is ended when it does not end in time."""
        ...

    def start(self, run: Callable[[], None]) -> Strand: ...
    def start_body(self, execution: Execution) -> None:
        """Run an async body on the event loop."""
        ...

    def close_body(self, execution: Execution) -> None: ...
    def ask_quiet(self, execution: Execution) -> None:
        """Call `fell_quiet` when the async body has asked for everything it wants for now."""
        ...

    def resume(self, strand: Strand) -> None: ...
    def resume_at(self, strand: Strand, due_at: int) -> None: ...
    def resume_when_leased(self, strand: Strand) -> None: ...
    def yield_turn(self, strand: Strand) -> None:
        """Set the running strand aside until frames, timers and other strands had their turn."""
        ...

    def perform(self, call: StepCall) -> None:
        """Run the call and fill in its outcome; the strand is set aside meanwhile if need be."""
        ...

    def left_transaction(self, call: TransactionCall) -> None:
        """Tell the supervisor what the call committed, if it did, before its place in the page is given up."""
        ...

    def has_unsent(self, execution: Execution) -> None: ...
    def ended(self, execution: Execution, end: End) -> None: ...
    def abandon(self, strand: Strand) -> None: ...
