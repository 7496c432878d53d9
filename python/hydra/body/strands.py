"""The strands of one execution: which run, which wait, and when nothing of it goes on but waits. Records nothing.

start ──► running ──► wait ──► resumed: looks again at what it waits for ──► … ──► ended
                       └──► all of them wait: `at_rest`        the last one: `strands_ended`
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import NoReturn, Protocol

from hydra import codec
from hydra.body.record_log import RecordLog
from hydra.body.strand import GivenUp, Request, Strand, running
from hydra.errors import Interrupt
from hydra.execution import End

HOLD_US = 1_000_000  # an execution whose every branch waits longer than this is suspended
RECHECK_US = 60_000_000  # a branch that waits while others run looks at the clock this often


class StrandHost(Protocol):
    """What strands need of the hub."""

    def now(self) -> int: ...
    def may_start(self) -> bool: ...
    def start(self, run: Callable[[], None], context: Context | None = None) -> Strand:
        """`context`: of the body, where it is a part of it; a new one otherwise."""
        ...

    def resume(self, strand: Strand) -> None: ...
    def resume_at(self, strand: Strand, due_at: int) -> None: ...
    def resume_when_leased(self, strand: Strand) -> None: ...
    def yield_turn(self, strand: Strand) -> None:
        """Set the running strand aside until frames, timers and other strands had their turn."""
        ...

    def abandon(self, strand: Strand) -> None: ...


class OwnerOfStrands(Protocol):
    """The execution, as its strands see it."""

    stopping: End | None
    unwinding: End | None

    @property
    def host(self) -> StrandHost: ...
    @property
    def log(self) -> RecordLog: ...
    @property
    def is_to_stop(self) -> bool: ...
    @property
    def blocked_count(self) -> int:
        """Strands that wait for their turn in a replay."""
        ...

    def interrupt(self) -> NoReturn: ...
    def listen(self) -> None: ...
    def message_awaited(self) -> None: ...
    def strand_failed(self, error: BaseException) -> None: ...
    def at_rest(self) -> None: ...
    def strands_ended(self) -> None: ...


class Strands:
    """`live_count`: those not yet ended. Of these `idle_count` wait for a time or for other strands, `woken_count` were
    resumed and have not run yet, `listening_count` wait for a message.

    `waiting`: those that may be resumed, and when they are due, or 0.
    """

    def __init__(self, execution: OwnerOfStrands) -> None:
        self.execution = execution
        self.live_count = 0
        self.idle_count = 0
        self.woken_count = 0
        self.listening_count = 0
        self.is_listening = False  # the supervisor knows that some wait for a message
        self.waiting: dict[Strand, int] = {}

    # their life

    def start(self, run: Callable[[], None], context: Context | None = None) -> Strand:
        """A line of control, counted from here on."""
        self.live_count += 1
        return self.execution.host.start(partial(self._run, run), context)

    def start_part(self, run: Callable[[], None]) -> Strand:
        """A strand that does a part of what the running one does, in a copy of its context."""
        whole = running()
        strand = self.start(run, copy_context())
        strand.request, strand.place = whole.request, whole.place
        return strand

    def _run(self, run: Callable[[], None]) -> None:
        """User code runs in it: whatever gets out of that ends this execution, and no other."""
        try:
            run()
        except GivenUp:
            pass
        except BaseException as error:
            if self.execution.stopping is None or not codec.is_a(error, Interrupt):
                self.execution.strand_failed(error)
        self.ended()

    def ended(self) -> None:
        """One of them is over."""
        self.live_count -= 1
        if self.live_count == 0:
            self.execution.strands_ended()
        else:
            self.settle()

    def abandon(self) -> NoReturn:
        """The running one counts as ended, though its code does not end: it is never resumed."""
        strand = running()
        self.execution.host.abandon(strand)
        self.ended()
        while True:
            strand.leave()

    # at rest

    @property
    def is_settled(self) -> bool:
        """Whether nothing goes on but waits: for a time, a message, each other, or their turn in a replay."""
        return self.idle_count + self.execution.blocked_count == self.live_count and not self.woken_count

    def settle(self) -> None:
        if self.is_settled and self.execution.stopping is None:
            self.execution.at_rest()

    @property
    def first_due_at(self) -> int:
        """When the first of them is due; 0 where none waits for a time."""
        return min(filter(None, self.waiting.values()), default=0)

    def is_long(self, first_due_at: int) -> bool:
        """Whether nothing will happen here for so long that the execution had better not stay."""
        return first_due_at - self.execution.host.now() > HOLD_US or (not first_due_at and self.listening_count > 0)

    # resumed from outside: each looks again at what it waits for

    def resume_all(self) -> None:
        for strand in self.waiting:
            self.execution.host.resume(strand)

    def resume_given_up(self, request: Request) -> None:
        """Those that see to it end now."""
        for strand in list(self.waiting):
            if strand.request is request:
                self.execution.host.resume(strand)

    # waiting: each sets the running strand aside, and ends it where the execution stops

    def wait(self, due_at: int = 0, *, settle: bool = False, to_the_end: bool = False) -> None:
        """Set the running strand aside until something may have changed; `due_at` if only time can change it.

        `settle`: it waits for long, or for others. `to_the_end`: though what it sees to is given up.
        """
        self._set_aside(running(), due_at, settle, to_the_end)

    def _set_aside(self, strand: Strand, due_at: int = 0, settle: bool = False, to_the_end: bool = False) -> None:
        execution = self.execution
        request = None if to_the_end else strand.request
        if execution.stopping is None and (request is None or not request.is_given_up):
            self._leave(strand, due_at, settle)
        if execution.stopping is not None:
            execution.interrupt()
        if request is not None and request.is_given_up:
            raise GivenUp

    def _leave(self, strand: Strand, due_at: int = 0, settle: bool = False) -> None:
        """Until it is resumed; whoever calls it looks whether the execution stops, before and after."""
        execution = self.execution
        strand.is_waiting = True
        strand.waits_in = self
        self.waiting[strand] = due_at
        if settle:
            self.settle()
            if execution.stopping is None:
                if self.listening_count and not self.is_listening:
                    execution.listen()
                if due_at:
                    execution.host.resume_at(strand, min(due_at, execution.host.now() + RECHECK_US))
        strand.leave()
        strand.waits_in = None
        self.woken_count -= 1
        del self.waiting[strand]

    def wait_until(self, due_at: int) -> None:
        """Until a time has come."""
        while (now := self.execution.host.now()) < due_at:
            self.wait_idle(now, due_at)

    def wait_idle(self, now: int, due_at: int) -> None:
        """Wait for a time (or, with 0, for other strands); end here if every strand does, and for long."""
        self.idle_count += 1
        try:
            self.wait(due_at, settle=True)
        finally:
            self.idle_count -= 1

    def wait_for_message(self, now: int, due_at: int) -> None:
        """`wait_idle`, which a message may end, too."""
        self.listening_count += 1
        self.execution.message_awaited()
        try:
            self.wait_idle(now, due_at)
        finally:
            self.listening_count -= 1

    def wait_to_start(self, needed: int) -> None:
        """G5: what the body knows is durable. R5: this node may still act."""
        execution, strand = self.execution, running()
        log = execution.log
        while True:
            if execution.stopping is not None:
                execution.interrupt()
            if execution.unwinding is not None and execution.is_to_stop:
                self.stand_still()
            if strand.request is not None and strand.request.is_given_up:
                raise GivenUp
            # guard G5: no step starts before what the body knows is durable
            if log.durable >= log.handed and log.durable >= needed:
                if execution.host.may_start():  # guard R5: no step starts past the deadline
                    return
                execution.host.resume_when_leased(strand)
            # As `_leave`, but nobody asks whether it is woken already: it is not at rest, whichever it is.
            strand.is_waiting = True
            self.waiting[strand] = 0
            strand.leave()
            del self.waiting[strand]

    def stand_still(self) -> NoReturn:
        """Here the records end: nothing new is done, and when no other branch has any left the execution ends."""
        self.listening_count += 1
        try:
            while True:
                self.wait_idle(self.execution.host.now(), 0)
        finally:
            self.listening_count -= 1

    # turns: what stops the execution does not end the strand here

    def wait_for_lease(self) -> None:
        """Set the running strand aside for a moment."""
        strand = running()
        self.execution.host.resume_when_leased(strand)
        strand.is_waiting = True
        strand.leave()

    def go_last(self) -> None:
        """Let everything run that is ready now."""
        strand = running()
        strand.is_waiting = True
        self.execution.host.resume(strand)
        strand.leave()

    def yield_turn(self) -> None:
        """Let the hub see to other things."""
        self.execution.host.yield_turn(running())

    def look_up(self) -> None:
        """Whatever stops the execution, or gives up what the running strand sees to, ends the strand here."""
        if self.execution.stopping is not None:
            self.execution.interrupt()
        if running().is_given_up:
            raise GivenUp
