"""What stands between an execution under way and everything that happens in it: steps, waits, children, maps, undo.

    recorded.ask ──► the record of a call, if there is one    log.append ──► a new record
    log.hand_out ──► the body rests on it (G5)                strands.wait_to_start ──► until that is durable, and the
                                                              lease holds

`Executor` is the one implementation, the `Hub` the one host.
"""

from __future__ import annotations

from typing import Any, NoReturn, Protocol

from hydra.body.causes import Causes
from hydra.body.mailbox import Mailbox
from hydra.body.record_log import RecordLog
from hydra.body.recorded import Recorded
from hydra.body.replay import History, Key
from hydra.body.step_call import StepCall, StepHost, StepOwner
from hydra.body.strand import Request, Strand
from hydra.body.strands import StrandHost, Strands
from hydra.body.transactions import TransactionCall, Transactions
from hydra.breakers import Breaker
from hydra.definitions import BoundStep, Workflow
from hydra.execution import End, Message


class Breakers(Protocol):
    """The breakers of steps, as a worker knows them."""

    def ask(self, breaker: Breaker, strand: Strand) -> int:
        """0: it is closed, and the call may be made. Else the number of a question; the strand is resumed then."""
        ...

    def answer(self, number: int) -> int | None:
        """None: not yet. 0: the call may be made. Else for how long to wait before asking again, in microseconds."""
        ...

    def forget(self, number: int, breaker: Breaker) -> None:
        """Whoever asked does not call."""
        ...

    def tell(self, number: int, breaker: Breaker, is_good: bool | None, took_us: int) -> None: ...
    def wait_us(self, breaker: Breaker) -> int:
        """For how long it is not closed, as far as that is known; 0: it is closed."""
        ...


class Host(StepHost, StrandHost, Protocol):
    """What an execution needs of the hub."""

    @property
    def breakers(self) -> Breakers: ...

    namespace: str
    node: str  # its id
    worker: int | None
    has_hooks: bool  # whether those of programs are called: not where a replay is only looked at
    transactions: Transactions | None

    def random(self) -> float: ...
    def ask_to_stop(self, call: StepCall) -> None:
        """Tell a step that its execution stops; it is ended when it does not end in time."""
        ...

    def resume_next(self, strand: Strand) -> None:
        """Before everything else that is ready."""
        ...

    def listen(self, execution: RunningExecution) -> None:
        """Have it told of messages while it stays in memory; of the next page, where there are more."""
        ...

    def perform(self, call: StepCall) -> None:
        """Run the call and fill in its outcome; the strand is set aside meanwhile if need be."""
        ...

    def left_transaction(self, call: TransactionCall) -> None:
        """Tell the supervisor what the call committed, if it did, before its place in the page is given up."""
        ...

    def leave_page(self, place: int) -> None:
        """The step that stands there in the worker's page needs to be seen no longer."""
        ...

    def has_unsent(self, execution: RunningExecution) -> None: ...
    def ended(self, execution: RunningExecution, end: End) -> None: ...
    def gave_up(self, execution: RunningExecution, line: str, key: Key) -> None:
        """This line of calls does not wait any more for what it asked for by this key."""
        ...


class RunningExecution(StepOwner, Protocol):
    """One claimed execution under way, as what happens in it sees it. All of it happens on the hub's thread."""

    workflow: Workflow[..., Any]
    strands: Strands  # what waits
    recorded: Recorded  # what the records say of a call, and where code and records part
    history: History | None  # of `recorded`; None: it has no records
    pinned: dict[str, Any]  # values recorded once for the whole execution, by name
    unwinding: End | None  # how it ends once the records are replayed: nothing new is done
    step_requests: tuple[str, ...]  # executions of steps that this claim came to

    @property
    def host(self) -> Host: ...
    @property
    def log(self) -> RecordLog: ...
    @property
    def causes(self) -> Causes:
        """Records of what failed."""
        ...

    @property
    def mailbox(self) -> Mailbox: ...
    @property
    def is_async(self) -> bool: ...
    @property
    def is_undoing(self) -> bool:
        """Whether undo steps run."""
        ...

    def give_up(self, request: Request, line: str, key: Key) -> None: ...
    def wait_for_breaker(self, name: str, due_at: int) -> None: ...
    def go_on_sending(self) -> None: ...
    def deliver(self, messages: list[Message]) -> None:
        """Whoever waits for a message looks again, also without a new one."""
        ...

    # the end

    def stop(self, end: End) -> None: ...
    def halt(self, reason: str) -> None: ...
    def park(self, sentence: str) -> NoReturn: ...
    def interrupt(self) -> NoReturn: ...
    def register_undo(self, branch: str, ordinal: int, bound: BoundStep[Any]) -> None: ...
    def recall_undo(self, branch: str, ordinal: int, bound: BoundStep[Any]) -> None: ...
