"""One claimed execution, from its records to its next stop: what is replayed, run, recorded, retried, waited for.

    body ──step──► replayed? its outcome
              └──► durable so far? ──► run ──► result: recorded, handed out at once
                                         └───► failure: recorded; again after the back-off, or raised in the body
    every branch waits long ──► suspended          halted ──► Interrupt in every branch, then the end

It does no I/O and reads no clock: the `Host` (the hub) runs steps, keeps timers, and carries records away. All of it
happens on the hub's thread; each line of control is a greenlet (`Strand`), set aside by switching to the hub.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import cached_property, partial
from typing import Any, NoReturn

import msgspec
from greenlet import getcurrent

from hydra import codec
from hydra.body import asyncio_patches, endings, versions
from hydra.body.async_body import AsyncBody
from hydra.body.calls import Branch
from hydra.body.compensation import UNDONE_ENDS, Compensation
from hydra.body.endings import OTHER_PATH, SAME_CODE, Difference, told
from hydra.body.exhausted import park_attempt
from hydra.body.mailbox import Mailbox
from hydra.body.protocol import Call, Host
from hydra.body.record_log import RecordLog
from hydra.body.replay import History, Key, Past
from hydra.body.retrying import judge_attempt
from hydra.body.source_places import place_in, place_of_error, place_of_function
from hydra.body.step_call import StepCall
from hydra.body.strand import GivenUp, Request, Strand, running
from hydra.context import Current
from hydra.definitions import BoundStep, Workflow, caller, unknown_caller
from hydra.errors import Interrupt, StepTimeout
from hydra.execution import (
    CANCELLED_MEANWHILE,
    CAUSES,
    EXHAUSTED,
    PARKED_ATTEMPT,
    PARKED_TRIES,
    Claimed,
    End,
    Ending,
    Message,
    RecordKind,
)
from hydra.records.ends import was_undone

HOLD_US = 1_000_000  # an execution whose every branch waits longer than this is suspended
RECHECK_US = 60_000_000  # a branch that waits while others run looks at the clock this often
YIELDING = (Ending.SLEEPING, Ending.WAITING, Ending.RELEASED)  # ends that another end may still replace
MAX_INTERRUPTS = 100  # a body that swallows this many is never resumed

log = logging.getLogger("hydra.worker")

CRASH, SUPERSEDE, VALUE = str(RecordKind.CRASH), str(RecordKind.SUPERSEDE), str(RecordKind.VALUE)


def is_recorded(digest: bytes, call: Call | None) -> bool:
    return call is not None and codec.is_call_of(digest, *call)


class Executor:
    """`stopping` is how this claim ends, once that is decided; nothing new starts from then on."""

    def __init__(self, token: int, claimed: Claimed, workflow: Workflow[..., Any], host: Host) -> None:
        self.token = token
        self.claimed = claimed
        self.workflow = workflow
        self.host = host
        self.history = History(claimed.records) if claimed.records else None
        self.stopping: End | None = None
        self.live_count = 0  # strands not yet ended
        self.idle_count = 0  # of these, strands that wait for a time or for other strands
        self.woken_count = 0  # of these, strands that were resumed, and have not run yet
        self.waiting: dict[Strand, int] = {}  # strands that may be resumed; when they are due, or 0
        self.mailbox = Mailbox(claimed)
        if self.history is not None:
            self.mailbox.set_aside_count, self.mailbox.noted = self.history.set_aside_count, self.history.noted
        self.listening_count = 0  # strands that wait for a message
        self.is_listening = False  # the supervisor knows that
        self.compensation = Compensation(claimed.records)
        self.calls: set[StepCall] = set()  # steps under way that can be told to stop
        self.is_held = False  # a step that was given up still runs: it stays as it is
        self.unwinding: End | None = None  # how it ends once the records are replayed: nothing new is done
        self.pinned: dict[str, Any] = {}
        self.version: str | None = None  # it began under
        self.difference: Difference | None = None  # where code and records part
        self.raised: dict[int, tuple[BaseException, int]] = {}  # failures of steps and children, and their records
        self.requested: list[tuple[int, Request]] = []  # records of failures that an async body asked for, and how
        self._causes: list[int] = []  # the records of what left the body
        self._is_of_child = False
        self.beside: dict[int, list[BaseException]] = {}  # what failed in one gather with what it raised
        self.exhausted: list[int] = []
        self._interrupt_count = 0
        self.is_async = workflow.is_async
        asyncio_patches.leave_out()
        self.body = AsyncBody(self) if workflow.is_async else None
        announce = partial(host.has_unsent, self)
        self.log = RecordLog(len(claimed.records), announce, None if self.body is None else self.body.recorded)

    @property
    def is_to_stop(self) -> bool:
        """Whether nothing new is to start, and what runs had better end. Any thread may ask."""
        return self.stopping is not None or (self.unwinding is not None and self.compensation.end is None)

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
        if self.unwinding is not None and not self.compensation.has_records:
            self.host.ended(self, self.unwinding)
            return
        if self.compensation.has_records and was_undone(self.claimed.records, self.claimed.attempt):
            self.host.ended(self, self.unwinding or endings.undone(self.claimed))
            return
        if self.compensation.sealed is not None:
            self.unwinding = self.compensation.sealed
        self._begin_resumed_attempt()
        if (end := self._differing_version()) is not None:
            self.host.ended(self, end)
        else:
            self._supersede_together()
            self.live_count = 1
            if self.body is None:
                self.start_strand(self._run_body)
            else:
                self.live_count, self.idle_count = 2, 1  # the body itself only ever waits for its calls
                self.start_strand(self.body.begin)

    def _begin_resumed_attempt(self) -> None:
        """A person resumed what was parked for want of attempts. One who cancelled it wants it undone, as it failed."""
        history = self.history
        if self.unwinding is None and history is not None and history.exhausted:
            if self.body is not None:
                self.body.order.supersede(history.exhausted)
            history.supersede_exhausted()

    def _supersede_together(self) -> None:
        """A retry superseded one of several failures that left the body together: the others are, too."""
        for seq in self.history.to_supersede if self.history is not None else ():
            now = self.host.now()
            self.log.append(SUPERSEDE, ("", "", seq), self.claimed.attempt, b"", None, now, now)
            self.log.hand_out()

    def _differing_version(self) -> End | None:
        """Costs nothing where no version was ever declared."""
        records = self.claimed.records
        if self.workflow.versions or (records and records[0].name == versions.VERSION):
            self.version, self.difference = versions.begin(self)
            if self.difference is not None:
                return versions.undeclared(self.claimed, self.workflow, self.version)
        return None

    def start_strand(self, run: Callable[[], None], context: Context | None = None) -> Strand:
        """A line of control of this execution, which is counted already."""
        return self.host.start(partial(self._run_strand, run), context)

    def _run_strand(self, run: Callable[[], None]) -> None:
        """User code runs in it: whatever gets out of that ends this execution, and no other."""
        try:
            run()
        except GivenUp:
            pass
        except BaseException as error:
            if self.stopping is None or not codec.is_a(error, Interrupt):
                self._met(error)
        self.strand_ended()

    def _met(self, error: BaseException) -> None:
        with suppress(BaseException):  # handlers and filters of logging are the user's, too
            log.error("execution `%s` met an error where none is expected", self.claimed.id, exc_info=error)
        self.stop(endings.unexpected(self.claimed, error))

    def start_request(self, run: Callable[[], None], context: Context | None = None) -> Strand:
        """A strand that does something for the async body."""
        self.live_count += 1
        return self.start_strand(run, context)

    def body_is_over(self) -> None:
        """The async body, which counts as a strand that waits, has ended."""
        self.idle_count -= 1
        self.strand_ended()

    def start_part(self, run: Callable[[], None]) -> Strand:
        """A strand that does a part of what the running one does, in a copy of its context."""
        whole = running()
        strand = self.start_strand(run, copy_context())
        strand.request, strand.place = whole.request, whole.place
        self.live_count += 1
        return strand

    def became_durable(self, seq: int) -> None:
        self.log.durable = seq
        for strand, due_at in self.waiting.items():
            if not due_at:
                self.host.resume(strand)

    def deliver(self, messages: list[Message], *, has_more: bool | None = None) -> None:
        self.mailbox.add(messages)
        if has_more is not None:
            self.mailbox.has_more = has_more
        if self.body is not None:
            self.body.look()
            return
        for message in messages:
            if (taker := self.mailbox.taker_of(message)) is not None:
                self.host.resume(taker)  # in the order of arrival
        for strand in self.waiting:
            self.host.resume(strand)

    def halt(self, reason: str) -> None:
        if reason == "cancelled" and self.stopping is not None and self.stopping.cause == EXHAUSTED:
            self.stopping = End(Ending.RELEASED, cause=CANCELLED_MEANWHILE)  # to be claimed again, and undone
        if reason in ("cancelled", "timeout"):
            if self.compensation.end is not None or self.unwinding is not None:
                return  # it is ending already, and what it did is undone first
            if not self.compensation.is_complete:
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
        if self.body is not None:
            self.body.close()

    # strands

    def _run_body(self) -> None:
        if self.stopping is None:
            end = self._call_body()
            if end is not None:
                self.stop(end)

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]] | End:
        """What the body is called with, or the end of an execution whose input does not fit."""
        try:
            args, kwargs = self.workflow.types.decode_arguments(self.claimed.input)
            self.workflow.check_call(args, kwargs)
        except BaseException as error:  # user classes take part in decoding
            if self.history is None:
                return endings.unfit_input(self.claimed, error)
            # Other code began it, with this input: it must not end for what has changed since.
            place = place_of_function(self.workflow.function)
            sentence = f"its input does not fit the code's parameters: {codec.message_of(error)}"
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
            if self.log.reserved:
                self.log.unreserve()
            assert self.stopping is not None
            self._keep_causes()
            self._keep_exhausted()
            if self._misses_undo_steps(self.stopping):
                self.stopping = endings.not_undone(self.claimed, self.unwinding)
            if self.compensation.is_due(self.stopping):
                self.compensation.end, self.stopping = self.stopping, None
                self.live_count, self.idle_count = 1, 0
                self.start_strand(self._undo)
            else:
                self.host.ended(self, self.stopping)
        else:
            self.settle()

    def _misses_undo_steps(self, end: End) -> bool:
        """Whether it would end without having come to all it registered, so that a person must look."""
        if end.kind not in UNDONE_ENDS or self.compensation.is_complete or self.compensation.end is not None:
            return False
        return self.unwinding is not None or self.claimed.attempt == 1  # a new attempt may take another path

    def _undo(self) -> None:
        if self.stopping is None:
            self.compensation.run(self)

    def wait(self, due_at: int = 0, *, settle: bool = False, to_the_end: bool = False) -> None:
        """Set the running strand aside until something may have changed; `due_at` if only time can change it.

        `settle`: it waits for long, or for others. `to_the_end`: though what it sees to is given up.
        """
        self._set_aside(running(), due_at, settle=settle, to_the_end=to_the_end)

    def _set_aside(self, strand: Strand, due_at: int = 0, *, settle: bool = False, to_the_end: bool = False) -> None:
        request = None if to_the_end else strand.request
        if self.stopping is None and (request is None or not request.is_given_up):
            strand.is_waiting = True
            strand.waits_in = self
            self.waiting[strand] = due_at
            if settle:
                self.settle()
                if self.stopping is None:
                    if self.listening_count and not self.is_listening:
                        self.listen()
                    if due_at:
                        self.host.resume_at(strand, min(due_at, self.host.now() + RECHECK_US))
            strand.leave()
            strand.waits_in = None
            self.woken_count -= 1
            del self.waiting[strand]
        if self.stopping is not None:
            self.interrupt()
        if request is not None and request.is_given_up:
            raise GivenUp

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it goes on but waits: for a time, a message, each other, or their turn in a replay."""
        blocked_count = 0 if self.body is None else self.body.order.blocked_count
        return self.idle_count + blocked_count == self.live_count and not self.woken_count

    def settle(self) -> None:
        """Where everything waits: the replay goes on, or the execution ends here if it waits for long."""
        if not self.is_settled or self.stopping is not None or self.compensation.end is not None:
            return
        if self.body is not None and not self.body.order.is_live:
            self.body.order.advance()
            return
        first_due_at = min(filter(None, self.waiting.values()), default=0)
        if self.is_long(first_due_at, self.host.now()):
            self.suspend(first_due_at)
        elif self.body is not None and self.live_count == 1 and not self.body.is_over:
            self.stop(self.unwinding or endings.waits_for_nothing(self.claimed))

    def is_early(self, seq: int) -> bool:
        """Whether the outcome of an earlier record than this is not known yet: that is handed out first."""
        return 0 < self.log.reserved < seq or any(undecided < seq for undecided in self.mailbox.undecided)

    def listen(self) -> None:
        """It stays in memory, and waits for a message."""
        self.is_listening = True
        self.host.listen(self)

    def give_up(self, request: Request, line: str, key: Key) -> None:
        """Nobody waits for it any more: a step is asked to stop, as at a cancel; what waits ends."""
        request.is_given_up = True
        self.host.gave_up(self, line, key)
        for call in list(self.calls):
            if call.strand is not None and call.strand.request is request:
                self.host.ask_to_stop(call)
        for strand in list(self.waiting):
            if strand.request is request:
                self.host.resume(strand)

    def interrupt(self) -> NoReturn:
        """Leave the running strand; for good, if its code goes on in spite of it."""
        assert self.stopping is not None
        self._interrupt_count += 1
        if self._interrupt_count > MAX_INTERRUPTS:
            strand = running()
            self.host.abandon(strand)
            self.strand_ended()
            while True:
                strand.leave()
        raise Interrupt(f"execution `{self.claimed.id}` stops here ({self.stopping.kind}); let this exception pass")

    def body_returned(self, value: Any) -> End | None:
        if self.stopping is not None:
            return self.unwinding
        if (end := self._left_over("the code returned", "a return")) is not None:
            return end
        return self.unwinding or endings.returned(value, codec.Signature.of(self.workflow.function))

    def _left_over(self, how: str, code: str, place: str = "") -> End | None:
        """The end of one that comes to an end, or to a wait, with records that its code has not asked for."""
        left = self.history.unasked() if self.history is not None else None
        if left is None:
            return None
        sentence = f"{how}, and never asked for {told(left)}, which is recorded"
        place = place or place_of_function(self.workflow.function)
        return self._diverged(Difference(sentence, code, told(left), place))

    def _diverged(self, difference: Difference) -> End:
        self.difference = difference
        return endings.diverged(self.claimed, difference, self.unwinding)

    def body_raised(self, error: BaseException) -> End | None:
        if self.stopping is not None:
            return self.unwinding
        raised = codec.told_error(error)
        if (end := self._left_over(f"the code raised {raised:.500}", raised, place_of_error(error))) is not None:
            return end
        if self.unwinding is not None:
            return self.unwinding
        steps, children = self._causes_of(error)
        workflow, claimed, history, host = self.workflow, self.claimed, self.history, self.host
        payload = codec.encode_failure(error)
        attempt = claimed.attempt - (0 if history is None else history.forgiven_count)
        verdict = judge_attempt(workflow, error, attempt, host.random())
        end = endings.raised(payload, verdict, steps[0] if steps else 0, host.now())
        if verdict.is_exhausted and workflow.retry.parks and not children:
            end = park_attempt(claimed, payload)
        if end.kind == Ending.FAILED and children:
            end = msgspec.structs.replace(end, cause_seq=(steps + children)[0])
        elif end.kind == Ending.RETRY:
            children = []  # what a child said stands, until a person has seen to the child
        self._causes, self._is_of_child = steps + children, bool(children)
        return end

    def _causes_of(self, error: BaseException) -> tuple[list[int], list[int]]:
        """The records of the failures that left the body: of steps, and what children said."""
        found = endings.causes_of(error, self.raised, self.beside)
        of_children = set(self.mailbox.child_seqs.values())
        return [seq for seq in found if seq not in of_children], [seq for seq in found if seq in of_children]

    def _keep_causes(self) -> None:
        """What a retry is to supersede, with failures that nobody was told of, since their calls had been given up."""
        assert self.stopping is not None
        if not self._causes or self.stopping.kind not in (Ending.FAILED, Ending.RETRY):
            return
        unanswered = [seq for seq, request in self.requested if not request.is_answered]
        seqs = list(dict.fromkeys(self._causes + unanswered))
        attempt, now = self.claimed.attempt, self.host.now()
        is_known = self.history is not None and attempt in self.history.causes
        if (self._is_of_child or len(seqs) > 1) and not is_known:
            self.log.append(VALUE, ("", CAUSES, attempt), attempt, b"", codec.encode(seqs), now, now)
        self._causes = []

    def _keep_exhausted(self) -> None:
        """What a resume gives new attempts: the last record, so that it is durable with the park or not at all."""
        end, now, attempt = self.stopping, self.host.now(), self.claimed.attempt
        if end is None or end.cause != EXHAUSTED:
            return
        seqs, name = self.exhausted, PARKED_TRIES
        if not seqs:
            unanswered = [seq for seq, request in self.requested if not request.is_answered]
            seqs, name = list(dict.fromkeys(self._causes + unanswered)), PARKED_ATTEMPT
        key = ("", name, self.log.seq + 1)
        self.log.append(VALUE, key, attempt, b"", codec.encode(seqs), now, now)

    # what a body asks for

    def ask(
        self, key: Key, kinds: tuple[str, ...], digest: bytes, call: Call | None = None, *, has_parts: bool = False
    ) -> Past | None:
        """What the records say of this call; stops the execution where code and records differ.

        `call`: what the digest is of. A field that its classes have gained since, at its default, is no difference.
        `has_parts`: parts of it have records of their own, and go on with them where its own record is lacking.
        """
        if type(getcurrent()) is not Strand:
            raise unknown_caller(told(key))
        if self.stopping is not None:
            self.interrupt()
        if self.history is None:
            return None
        past = self.history.ask(key)
        difference, remedy, code = None, "", told(key)
        if past is None or past.outcome is None:
            left = None if self.workflow.is_async else self.history.unasked(key[0])
            if left is not None:
                difference = f"the code asks for {told(key)}, the record has {told(left)}", told(left)
        elif past.outcome.kind not in kinds:
            difference = f"{told(key)} is recorded as a `{past.outcome.kind}`", f"a `{past.outcome.kind}`"
        if past is not None and digest and past.digest not in (b"", digest) and not is_recorded(past.digest, call):
            reason = "" if call is None else codec.why_other_call(past.digest, *call)
            sentence = (
                f"{told(key)} is called with other arguments "
                f"(digest {digest.hex()}) than the record has (digest {past.digest.hex()})"
            )
            if reason:
                sentence, code = f"{sentence}: {reason}", f"{code} with other arguments: {reason}"
            difference = sentence, f"{told(key)} with arguments of digest {past.digest.hex()}"
            if self.claimed.attempt > 1:
                remedy = OTHER_PATH
        if difference is not None:
            self.diverge(difference[0], code, difference[1], remedy)
        if self.body is not None and self.compensation.end is None:
            if not self.body.order.is_live:
                self.body.order.wait_turn(key, past)
            if past is not None and past.outcome is not None:
                running().had(past.outcome.finished_at, past.outcome.seq)
        is_new = past is None or past.outcome is None
        if is_new and not has_parts and self.unwinding is not None and self.compensation.end is None:
            self.stand_still()
        return past

    def differ(self, sentence: str, code: str, record: str, place: str) -> None:
        """Code and records part: it ends, if nothing has ended it yet."""
        self.stop(self._diverged(Difference(sentence, code, record, place)))

    def diverge(self, sentence: str, code: str, record: str, remedy: str = "") -> NoReturn:
        """Stop here, because code and records differ."""
        difference = Difference(sentence, code, record, place_in(running(), self.waiting), remedy or SAME_CODE)
        self.stop(self._diverged(difference))
        self.interrupt()

    def park(self, sentence: str) -> NoReturn:
        """Stop here, because only a person can say how to go on."""
        self.stop(End(Ending.PARKED, codec.encode(sentence)))
        self.interrupt()

    def past(self, key: Key) -> Past | None:
        return None if self.history is None else self.history.ask(key)

    def crash_count(self, key: Key) -> int:
        """How many tries of that key died with their worker."""
        past = self.past(key)
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
            sentence = f"the code begins again, and never asked for {told(left)}, which is recorded"
            self.diverge(sentence, "`hydra.continue_as_new`", told(left))
        if self.unwinding is not None:
            self.stand_still()
        self.stop(
            End(Ending.CONTINUED, codec.encode_generation(self.workflow.function, args, kwargs, self.generation + 1))
        )
        self.interrupt()

    def cut_off(self, call: StepCall, key: Key) -> None:
        """Where a try was ended with its execution, nobody knows what it did: no outcome, and no attempt used up."""
        if not self.was_cut_off(call, key):
            return
        if call.is_abandoned:
            raise GivenUp
        if self.stopping is None:
            self.stand_still()
        self.interrupt()

    def was_cut_off(self, call: StepCall, key: Key) -> bool:
        """Whether the try was ended with its execution; if so its crash is recorded."""
        is_ended = call.is_cut_off and codec.is_a(call.error, StepTimeout)
        is_cancelled = call.stop_at_ns > 0 and codec.is_a(call.error, CancelledError)  # how an async step is asked
        if not is_ended and not is_cancelled:
            return False
        if not call.is_given_up:  # of such a one the supervisor writes the crash, with the worker's
            reason = call.overdue_reason or f"step `{call.step.name}` was cancelled with its execution"
            self.log.append(
                CRASH, key, call.attempt, call.digest, codec.encode(reason), call.started_at, call.finished_at
            )
        return True

    def go_on_sending(self) -> None:
        """No number is kept any more: what waited behind it leaves, and who waited for it looks again."""
        if self.log.unsent:
            self.host.has_unsent(self)
        for strand in self.waiting:
            self.host.resume(strand)

    def rebuilt(self, key: Key, payload: bytes, seq: int) -> BaseException:
        """The failure of a step, recorded as that; a divergence where the code has not its class any more."""
        failure = codec.read_failure(payload)
        self.require_class(key, failure)
        error = codec.rebuild_exception(failure)
        self.note_failure(error, seq)
        if (request := running().request) is not None:
            self.requested.append((seq, request))
        self.log.hand_out(seq)  # guard G5: a body learns of its own results only with their number
        return error

    def note_failure(self, error: BaseException, seq: int) -> None:
        """It is the failure of a step or a child, and has this record."""
        self.raised[id(error)] = (error, seq)

    def note_beside(self, error: BaseException, others: list[BaseException]) -> None:
        """What else failed in the gather that raises this."""
        self.beside[id(error)] = others

    def require_class(self, key: Key, failure: codec.Failure) -> None:
        missing = codec.missing_class(failure)
        if missing:
            sentence = f"{told(key)} failed with `{missing}`, and the code has no such class"
            self.diverge(sentence, "no such class", f"a failure of class `{missing}`")

    def wait_to_start(self, needed: int) -> None:
        """G5: what the body knows is durable. R5: this node may still act."""
        strand = running()
        while True:
            if self.stopping is not None:
                self.interrupt()
            if self.unwinding is not None and self.is_to_stop:
                self.stand_still()
            if (request := strand.request) is not None and request.is_given_up:
                raise GivenUp
            # guard G5: no step starts before what the body knows is durable
            if not self.log.is_durable(needed):
                self._set_aside(strand)
            elif not self.host.may_start():  # guard R5: no step starts past the deadline
                self.host.resume_when_leased(strand)
                self.wait()
            else:
                return

    def wait_for_lease(self) -> None:
        """Set the running strand aside for a moment; whatever stops the execution does not end it here."""
        self.host.resume_when_leased(running())
        running().is_waiting = True
        running().leave()

    def go_last(self) -> None:
        """Let everything run that is ready now."""
        strand = running()
        strand.is_waiting = True
        self.host.resume(strand)
        strand.leave()

    def look_up(self) -> None:
        """Whatever stops the execution, or gives up what the running strand sees to, ends the strand here."""
        if self.stopping is not None:
            self.interrupt()
        if running().is_given_up:
            raise GivenUp

    def yield_turn(self) -> None:
        """Let the hub see to other things; whatever stops the execution does not end the strand here."""
        self.host.yield_turn(running())

    def wait_until(self, due_at: int) -> None:
        while (now := self.host.now()) < due_at:
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
        if self.body is not None:
            self.body.look()
        try:
            self.wait_idle(now, due_at)
        finally:
            self.listening_count -= 1

    def is_long(self, first_due_at: int, now: int) -> bool:
        """Whether nothing will happen here for so long that the execution had better not stay."""
        return first_due_at - now > HOLD_US or (not first_due_at and self.listening_count > 0)

    def suspend(self, due_at: int) -> None:
        end = self._left_over("the code waits", "a wait") or self.unwinding
        if end is not None:
            self.stop(end)
            return
        if self.listening_count and self.mailbox.has_more:
            self.listen()  # what it waits for may be among them
            return
        if self.body is not None:
            self.body.suspending()
        kind = Ending.WAITING if self.listening_count else Ending.SLEEPING
        self.stop(End(kind, wake_at=due_at, wake_seq=self.claimed.wake_seq))

    def register_undo(self, branch: str, ordinal: int, bound: BoundStep[Any]) -> None:
        """`hydra.on_failure`."""
        self.compensation.register(self, branch, ordinal, bound)

    def recall_undo(self, branch: str, ordinal: int, bound: BoundStep[Any]) -> None:
        """The body has come to it; whether anybody waits for it will be seen."""
        self.compensation.recall(self, branch, ordinal, bound)

    def current(self, step: str | None, attempt: int) -> Current:
        claimed, namespace = self.claimed, self.host.namespace
        attempts = (attempt, claimed.attempt)
        return Current(claimed.id, claimed.workflow, step, namespace, claimed.tags, *attempts, self.version)
