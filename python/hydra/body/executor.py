"""One claimed execution, from its records to its next stop: what is replayed, run, recorded, retried, waited for.

    body ──step──► replayed? its outcome
              └──► durable so far? ──► run ──► result: recorded, handed out at once
                                         └───► failure: recorded; again after the back-off, or raised in the body
    every branch waits long ──► suspended          halted ──► Interrupt in every branch, then the end

It does no I/O and reads no clock: the `Host` (the hub) runs steps, keeps timers, and carries records away. All of it
happens on the hub's thread; each line of control is a greenlet (`Strand`), set aside by switching to the hub.
"""

from __future__ import annotations

from asyncio import CancelledError
from functools import cached_property
from typing import Any, NoReturn

import msgspec

from hydra import codec
from hydra.body import endings, versions
from hydra.body.calls import Branch
from hydra.body.endings import Difference, told
from hydra.body.host import Host, Strand, running
from hydra.body.mailbox import Mailbox
from hydra.body.places import place_in, place_of_function
from hydra.body.replay import History, Key, Past
from hydra.body.step_call import StepCall
from hydra.body.undoing import UNDONE_ENDS, Undoing, was_undone
from hydra.context import Current
from hydra.definitions import Step, Workflow, caller
from hydra.errors import Interrupt, StepTimeout
from hydra.execution import Claimed, End, Ending, Message, Record, RecordKind

HOLD_US = 1_000_000  # an execution whose every branch waits longer than this is suspended
RECHECK_US = 60_000_000  # a branch that waits while others run looks at the clock this often
YIELDING = (Ending.SLEEPING, Ending.WAITING, Ending.RELEASED)  # ends that another end may still replace
INTERRUPTS_MAXIMUM = 100  # a body that swallows this many is never resumed

CRASH = str(RecordKind.CRASH)


class Execution:
    """`stopping` is how this claim ends, once that is decided; nothing new starts from then on."""

    def __init__(self, token: int, claimed: Claimed, workflow: Workflow[..., Any], host: Host) -> None:
        self.token = token
        self.claimed = claimed
        self.workflow = workflow
        self.host = host
        self.seq = len(claimed.records)
        self.durable = self.seq
        self.handed = 0
        self.unsent: list[Record] = []
        self.history = History(claimed.records) if claimed.records else None
        self.stopping: End | None = None
        self.live_count = 0  # strands not yet ended
        self.idle_count = 0  # of these, strands that wait for a time or for other strands
        self.waiting: dict[Strand, int] = {}  # strands that may be resumed; when they are due, or 0
        self.mailbox = Mailbox(claimed)
        self.listening_count = 0  # strands that wait for a message
        self.undoing = Undoing(claimed.records)
        self.calls: set[StepCall] = set()  # steps under way that can be told to stop
        self.is_held = False  # a step that was given up still runs: it stays as it is
        self.unwinding: End | None = None  # how it ends once the records are replayed: nothing new is done
        self.reserved = 0  # the number kept for a transaction under way; what follows it is not sent before it
        self.pinned: dict[str, Any] = {}
        self.version: str | None = None  # it began under
        self.difference: Difference | None = None  # where code and records part
        self.raised: dict[int, tuple[BaseException, int]] = {}
        self._interrupt_count = 0
        self.is_body_over = False

    @property
    def is_to_stop(self) -> bool:
        """Whether nothing new is to start, and what runs had better end. Any thread may ask."""
        return self.stopping is not None or (self.unwinding is not None and self.undoing.end is None)

    @property
    def is_lost(self) -> bool:
        return self.stopping is not None and self.stopping.kind == Ending.LOST

    # the hub's side

    def start(self) -> None:
        timeout_at = self.claimed.timeout_at
        if self.claimed.cancel_requested:
            self.unwinding = End(Ending.CANCELLED)
        elif timeout_at is not None and timeout_at <= self.host.now():
            self.unwinding = endings.timed_out(self.claimed)
        if self.unwinding is not None and not self.undoing.has_records:
            self.host.ended(self, self.unwinding)
            return
        if self.undoing.has_records and was_undone(self.claimed):
            self.host.ended(self, self.unwinding or endings.undone(self.claimed))
            return
        if self.undoing.sealed is not None:
            self.unwinding = self.undoing.sealed
        if (end := self._differing_version()) is not None:
            self.host.ended(self, end)
        else:
            self.live_count = 1
            if self.workflow.is_async:
                self.idle_count = 1  # the body itself only ever waits for its calls
                self.host.start_body(self)
            else:
                self.host.start(self._run_body)

    def _differing_version(self) -> End | None:
        """Costs nothing where no version was ever declared."""
        records = self.claimed.records
        if self.workflow.versions or (records and records[0].name == versions.VERSION):
            return versions.begin(self)
        return None

    def became_durable(self, seq: int) -> None:
        self.durable = seq
        for strand, due_at in self.waiting.items():
            if not due_at:
                self.host.resume(strand)

    def deliver(self, messages: list[Message]) -> None:
        self.mailbox.add(messages)
        for strand in self.waiting:
            self.host.resume(strand)

    def halt(self, reason: str) -> None:
        if reason in ("cancelled", "timeout"):
            if self.undoing.end is not None or self.unwinding is not None:
                return  # it is ending already, and what it did is undone first
            if not self.undoing.is_complete:
                # in the middle of a replay: what is to be undone is not known yet
                self.unwinding = endings.end_of_halt(reason, self.claimed)
                self._ask_steps_to_stop()
                return
        self.stop(endings.end_of_halt(reason, self.claimed))
        if reason in ("cancelled", "timeout"):
            self._ask_steps_to_stop()

    def _ask_steps_to_stop(self) -> None:
        for call in list(self.calls):
            self.host.ask_to_stop(call)

    def hold(self) -> None:
        """Handed back once the step that does not end is dead, or has ended after all; until then nothing ends it."""
        self.stop(End(Ending.RELEASED))
        self.stopping = End(Ending.RELEASED)
        self.is_held = True

    def stop(self, end: End) -> None:
        """Decide how this claim ends. A decision stands, but a halt outweighs waiting, and a lost lease everything."""
        if self.is_held and end.kind != Ending.LOST:
            return
        if self.stopping is None or end.kind == Ending.LOST or self.stopping.kind in YIELDING:
            self.stopping = end
        for strand in self.waiting:
            self.host.resume(strand)
        if self.workflow.is_async and not self.is_body_over:
            self.host.close_body(self)

    # strands

    def _run_body(self) -> None:
        if self.stopping is None:
            end = self._call_body()
            if end is not None:
                self.stop(end)
        self.strand_ended()

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]] | End:
        """What the body is called with, or the end of an execution whose input does not fit."""
        try:
            args, kwargs = codec.decode_call(self.claimed.input, self.workflow.function)
            self.workflow.check_call(args, kwargs)
        except Exception as error:  # user classes take part in decoding
            if self.history is None:
                return endings.unfit_input(self.claimed, error)
            # Other code began it, with this input: it must not end for what has changed since.
            place = place_of_function(self.workflow.function)
            sentence = f"its input does not fit the code's parameters: {error}"
            return self._diverged(Difference(sentence, "its parameters", "its input", place))
        return args, kwargs

    def _call_body(self) -> End | None:
        arguments = self.arguments()
        if isinstance(arguments, End):
            return arguments
        args, kwargs = arguments
        caller.set(Branch(self, ""))
        try:
            value = self.workflow.function(*args, **kwargs)
        except BaseException as error:
            return self.body_raised(error)
        return self.body_returned(value)

    def strand_ended(self) -> None:
        self.live_count -= 1
        if self.live_count == 0:
            if self.reserved:
                self.unreserve()
            assert self.stopping is not None
            if self._misses_undo_steps(self.stopping):
                self.stopping = endings.not_undone(self.claimed, self.unwinding)
            if self.undoing.is_due(self.stopping):
                self.undoing.end, self.stopping = self.stopping, None
                self.live_count, self.idle_count = 1, 0
                self.host.start(self._undo)
            else:
                self.host.ended(self, self.stopping)

    def _misses_undo_steps(self, end: End) -> bool:
        """Whether it would end without having come to all it registered, so that a person must look."""
        if end.kind not in UNDONE_ENDS or self.undoing.is_complete or self.undoing.end is not None:
            return False
        return self.unwinding is not None or self.claimed.attempt == 1  # a new attempt may take another path

    def _undo(self) -> None:
        if self.stopping is None:
            self.undoing.run(self)
        self.strand_ended()

    def wait(self, due_at: int = 0) -> None:
        """Set the running strand aside until something may have changed; `due_at` if only time can change it."""
        strand = running()
        if self.stopping is None:
            strand.is_waiting = True
            self.waiting[strand] = due_at
            strand.leave()
            del self.waiting[strand]
        if self.stopping is not None:
            self.interrupt()

    def interrupt(self) -> NoReturn:
        """Leave the running strand; for good, if its code goes on in spite of it."""
        assert self.stopping is not None
        self._interrupt_count += 1
        if self._interrupt_count > INTERRUPTS_MAXIMUM:
            strand = running()
            self.host.abandon(strand)
            self.strand_ended()
            while True:
                strand.leave()
        raise Interrupt(f"execution `{self.claimed.id}` stops here ({self.stopping.kind}); let this exception pass")

    def body_returned(self, value: Any) -> End | None:
        if self.stopping is not None or self.unwinding is not None:
            return self.unwinding
        left = self.history.unasked() if self.history is not None else None
        if left is not None:
            sentence = f"the code returned, and never asked for {told(left)}, which is recorded"
            difference = Difference(sentence, "a return", told(left), place_of_function(self.workflow.function))
            return self._diverged(difference)
        return endings.returned(value)

    def _diverged(self, difference: Difference) -> End:
        self.difference = difference
        return endings.diverged(self.claimed, difference, self.unwinding)

    def body_raised(self, error: BaseException) -> End | None:
        if self.stopping is not None or self.unwinding is not None:
            return self.unwinding
        cause_seq = endings.cause_seq_of(error, self.raised)
        host = self.host
        return endings.raised(error, self.workflow, self.claimed.attempt, cause_seq, host.now(), host.random())

    # what a body asks for

    def ask(self, key: Key, kinds: tuple[str, ...], digest: bytes) -> Past | None:
        """What the records say of this call; stops the execution where code and records differ."""
        if self.stopping is not None:
            self.interrupt()
        if self.history is None:
            return None
        past = self.history.ask(key)
        difference = None
        if past is None or past.outcome is None:
            left = None if self.workflow.is_async else self.history.unasked(key[0])
            if left is not None:
                difference = f"the code asks for {told(key)}, the record has {told(left)}", told(left)
        elif past.outcome.kind not in kinds:
            difference = f"{told(key)} is recorded as a `{past.outcome.kind}`", f"a `{past.outcome.kind}`"
        if past is not None and past.digest and digest and past.digest != digest:
            sentence = (
                f"{told(key)} is called with other arguments "
                f"(digest {digest.hex()}) than the record has (digest {past.digest.hex()})"
            )
            difference = sentence, f"{told(key)} with arguments of digest {past.digest.hex()}"
        if difference is not None:
            self.diverge(difference[0], told(key), difference[1])
        if self.unwinding is not None and self.undoing.end is None and (past is None or past.outcome is None):
            self.stand_still()
        return past

    def diverge(self, sentence: str, code: str, record: str) -> NoReturn:
        """Stop here, because code and records differ."""
        difference = Difference(sentence, code, record, place_in(running(), self.waiting))
        self.stop(self._diverged(difference))
        self.interrupt()

    def new_call(
        self,
        branch: str,
        step: Step[..., Any],
        ordinal: int,
        attempt: int,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> StepCall:
        return StepCall(self, branch, step, ordinal, attempt, args, kwargs)

    def crash_count(self, key: Key) -> int:
        """How many tries of that key died with their worker."""
        past = None if self.history is None else self.history.ask(key)
        return 0 if past is None else past.try_count - past.failed_count

    def stand_still(self) -> NoReturn:
        """Here the records end: nothing new is done, and when no other branch has any left the execution ends."""
        self.listening_count += 1
        try:
            while True:
                self.wait_idle(self.host.now(), 0)
        finally:
            self.listening_count -= 1

    @cached_property
    def generation(self) -> int:
        """How often the execution has begun, its first time included."""
        return codec.generation_of(self.claimed.input)

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        """End this generation; the next one begins with these arguments, and with no records."""
        if self.stopping is not None:
            self.interrupt()
        left = self.history.unasked() if self.history is not None else None
        if left is not None:
            sentence = f"the code begins anew, and never asked for {told(left)}, which is recorded"
            self.diverge(sentence, "`hydra.continue_as_new`", told(left))
        if self.unwinding is not None:
            self.stand_still()
        self.stop(End(Ending.CONTINUED, codec.encode_generation(args, kwargs, self.generation + 1)))
        self.interrupt()

    def append(
        self,
        kind: str,
        key: Key,
        attempt: int,
        digest: bytes,
        payload: bytes | None,
        started_at: int,
        finished_at: int,
        due_at: int = 0,
        reserved: int = 0,
    ) -> None:
        """`reserved`: a number kept free before, in front of all that is unsent."""
        if not reserved:
            self.seq += 1
        unsent = self.unsent
        if not unsent:
            self.host.has_unsent(self)
        seq = reserved or self.seq
        unsent.insert(
            0 if reserved else len(unsent),
            Record(seq, kind, *key, attempt, digest, payload, started_at, finished_at, due_at),
        )

    def cut_off(self, call: StepCall, key: Key, digest: bytes) -> None:
        """Where a try was ended with its execution, nobody knows what it did: no outcome, and no attempt used up."""
        if not self.was_cut_off(call, key, digest):
            return
        if self.stopping is None:
            self.stand_still()
        self.interrupt()

    def was_cut_off(self, call: StepCall, key: Key, digest: bytes) -> bool:
        """Whether the try was ended with its execution; if so its crash is recorded."""
        is_ended = call.is_cut_off and isinstance(call.error, StepTimeout)
        is_cancelled = call.stop_at_ns > 0 and isinstance(call.error, CancelledError)  # how an async step is asked
        if not is_ended and not is_cancelled:
            return False
        if not call.is_given_up:  # of such a one the supervisor writes the crash, with the worker's
            reason = call.overdue_reason or f"step `{call.step.name}` was cancelled with its execution"
            self.append(CRASH, key, call.attempt, digest, codec.encode(reason), call.started_at, call.finished_at)
        return True

    def go_on_sending(self) -> None:
        """No number is kept any more: what waited behind it leaves, and who waited for it looks again."""
        if self.unsent:
            self.host.has_unsent(self)
        for strand in self.waiting:
            self.host.resume(strand)

    def unreserve(self) -> None:
        """The execution stops before its transaction began: what followed moves up, so that no number is missing."""
        self.unsent = [msgspec.structs.replace(record, seq=record.seq - 1) for record in self.unsent]
        self.seq -= 1
        self.reserved = 0

    def rebuilt(self, payload: bytes, seq: int) -> BaseException:
        error = codec.rebuild_exception(codec.decode_failure(payload))
        self.raised[id(error)] = (error, seq)
        self.handed = max(self.handed, seq)
        return error

    def wait_to_start(self, needed: int) -> None:
        """G5: what the body knows is durable. R5: this node may still act."""
        while True:
            if self.stopping is not None:
                self.interrupt()
            if self.is_to_stop:
                self.stand_still()
            if self.durable < self.handed or self.durable < needed:
                self.wait()
            elif not self.host.may_start():
                self.host.resume_when_leased(running())
                self.wait()
            else:
                return

    def wait_for_lease(self) -> None:
        """Set the running strand aside for a moment; whatever stops the execution does not end it here."""
        self.host.resume_when_leased(running())
        running().is_waiting = True
        running().leave()

    def yield_turn(self) -> None:
        """Let the hub see to other things; whatever stops the execution does not end the strand here."""
        self.host.yield_turn(running())

    def wait_until(self, due_at: int) -> None:
        while (now := self.host.now()) < due_at:
            self.wait_idle(now, due_at)

    def wait_idle(self, now: int, due_at: int) -> None:
        """Wait for a time (or, with 0, for other strands); end here if every strand does, and for long."""
        self.idle_count += 1
        if self.idle_count == self.live_count and self.undoing.end is None:
            first_due_at = min(filter(None, [due_at, *self.waiting.values()]), default=0)
            if self.is_long(first_due_at, now):
                if self.workflow.is_async:
                    self.host.ask_quiet(self)
                else:
                    self.suspend(first_due_at)
        if due_at and self.stopping is None:
            self.host.resume_at(running(), min(due_at, now + RECHECK_US))
        try:
            self.wait(due_at)
        finally:
            self.idle_count -= 1

    def is_long(self, first_due_at: int, now: int) -> bool:
        """Whether nothing will happen here for so long that the execution had better not stay."""
        return first_due_at - now > HOLD_US or (not first_due_at and self.listening_count > 0)

    def suspend(self, due_at: int) -> None:
        if self.unwinding is not None:
            self.stop(self.unwinding)
            return
        kind = Ending.WAITING if self.listening_count else Ending.SLEEPING
        self.stop(End(kind, wake_at=due_at, wake_seq=self.claimed.wake_seq))

    def current(self, step: str | None, attempt: int) -> Current:
        claimed, namespace = self.claimed, self.host.namespace
        attempts = (attempt, claimed.attempt)
        return Current(claimed.id, claimed.workflow, step, namespace, claimed.tags, *attempts, self.version)
