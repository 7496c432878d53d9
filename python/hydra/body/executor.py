"""One claimed execution, from its records to its next stop: what starts it, what stops it, how its claim ends.

    body ──step──► replayed? its outcome
              └──► durable so far? ──► run ──► result: recorded, handed out at once
                                         └───► failure: recorded; again after the back-off, or raised in the body
    every branch waits long ──► suspended          halted ──► Interrupt in every branch, then the end

`strands` wait, `recorded` answers from the records, `body_call` is what the body is called with and how it ends.

It does no I/O and reads no clock: the `Host` (the hub) runs steps, keeps timers, and carries records away. All of it
happens on the hub's thread; each line of control is a greenlet (`Strand`), set aside by switching to the hub.
"""

from __future__ import annotations

import logging
import weakref
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, NoReturn

import msgspec

from hydra import codec
from hydra.body import asyncio_patches, endings, placed_steps, versions
from hydra.body.async_body import AsyncBody
from hydra.body.body_call import BodyCall
from hydra.body.causes import Causes
from hydra.body.compensation import UNDONE_ENDS, Compensation
from hydra.body.mailbox import Mailbox
from hydra.body.protocol import Host
from hydra.body.record_log import RecordLog, Timing
from hydra.body.recorded import Recorded
from hydra.body.replay import Key, Past
from hydra.body.step_call import StepCall
from hydra.body.strand import Request, running
from hydra.body.strands import Strands
from hydra.context import Current
from hydra.definitions import BoundStep, Workflow
from hydra.errors import Interrupt, PayloadError
from hydra.execution import BREAKER, CANCELLED_MEANWHILE, EXHAUSTED, Claimed, End, Ending, Message, RecordKind
from hydra.limit_calls import limits_named
from hydra.records.child_records import CHILD_PREFIX
from hydra.records.ends import was_undone
from hydra.records.placed import Place

YIELDING = (Ending.SLEEPING, Ending.WAITING, Ending.RELEASED)  # ends that another end may still replace
MAX_INTERRUPTS = 100  # a body that swallows this many is never resumed

log = logging.getLogger("hydra.worker")

SUPERSEDE = str(RecordKind.SUPERSEDE)


def place_of(claimed: Claimed) -> Place | None:
    """Whose step it runs; None where the input does not say."""
    try:
        return msgspec.convert(codec.place_in(claimed.input), Place)
    except (PayloadError, msgspec.ValidationError):
        return None


class Executor:
    """`stopping` is how this claim ends, once that is decided; nothing new starts from then on."""

    def __init__(self, token: int, claimed: Claimed, workflow: Workflow[..., Any], host: Host) -> None:
        self.token = token
        self.claimed = claimed
        self.workflow = workflow
        self.host = host
        self.stopping: End | None = None
        self.unwinding: End | None = None  # how it ends once the records are replayed: nothing new is done
        self.strands = Strands(self)
        self.recorded = Recorded(self)
        self.history = self.recorded.history
        self._causes: Causes | None = None  # these two are made when needed: most executions need neither, and
        self._mailbox: Mailbox | None = None  # hundreds of them are better off in a cache than in memory
        self.compensation = Compensation(claimed.records)
        self.open_breakers: list[str] = []  # for which strands wait
        self.calls: set[StepCall] = set()  # steps under way that can be told to stop
        self.is_held = False  # a step that was given up still runs: it stays as it is
        self.pinned: dict[str, Any] = {}
        self.step_requests: tuple[str, ...] = ()
        self.place = None if workflow.step is None else place_of(claimed)
        self.version: str | None = None  # it began under
        self._interrupt_count = 0
        self.is_async = workflow.is_async
        asyncio_patches.leave_out()
        self.body_call = BodyCall(self)
        self.body = AsyncBody(self) if workflow.is_async else None
        announce = partial(host.has_unsent, self)
        self.log = RecordLog(len(claimed.records), announce, None if self.body is None else self.body.recorded)

    @property
    def causes(self) -> Causes:
        if self._causes is None:
            self._causes = Causes()
        return self._causes

    @property
    def mailbox(self) -> Mailbox:
        if self._mailbox is None:
            self._mailbox = Mailbox(self.claimed)
            if self.history is not None:
                self._mailbox.set_aside_count, self._mailbox.noted = self.history.set_aside_count, self.history.noted
        return self._mailbox

    @property
    def is_to_stop(self) -> bool:
        """Whether nothing new is to start, and what runs had better end. Any thread may ask."""
        return self.stopping is not None or (self.unwinding is not None and self.compensation.end is None)

    @property
    def is_undoing(self) -> bool:
        return self.compensation.end is not None

    @property
    def is_lost(self) -> bool:
        return self.stopping is not None and self.stopping.kind == Ending.LOST

    @cached_property
    def generation(self) -> int:
        """How often the execution has begun, its first time included."""
        return codec.generation_of(self.claimed.input)

    def current(self, step: str | None, attempt: int) -> Current:
        claimed, host = self.claimed, self.host
        namespace, where = host.namespace, (host.node, host.worker)
        if (place := self.place) is not None:
            told = (place.tags, attempt, place.attempt, place.version, None, *where)
            return Current(place.execution_id, place.workflow, step, namespace, *told)
        rest = (claimed.tags, attempt, claimed.attempt, self.version, claimed.key)
        return Current(claimed.id, claimed.workflow, step, namespace, *rest, *where)

    @property
    def is_replaying(self) -> bool:
        """Whether the body only goes again through what it did in an earlier claim. Any thread may ask."""
        history = self.history
        if history is None or self.recorded.is_new:
            return False
        if history.is_behind or (self.body is not None and self.body.order.has_left):
            return True
        # It may rest at a child's end, of which nothing is recorded before it is taken.
        return any(message.name.startswith(CHILD_PREFIX) for message in self.claimed.messages)

    def release(self) -> None:
        """It has ended, and its parts keep it alive no longer: a cycle for each would be work for the collector, and
        memory would grow until then. Whoever still has it finds everything as it was."""
        self.strands.execution = self.recorded.execution = self.body_call.execution = weakref.proxy(self)
        self.log.close()
        self._causes = None  # tracebacks lead back here
        if self.body is not None:
            self.body.release()

    # its beginning

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
            if self.body is None:
                self.strands.start(self.body_call.run)
            else:
                self.strands.live_count, self.strands.idle_count = 1, 1  # the body itself only ever waits for its calls
                self.strands.start(self.body.begin)

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
            self.log.append(SUPERSEDE, ("", "", seq), b"", None, Timing(self.claimed.attempt, now, now))
            self.log.hand_out()

    def _differing_version(self) -> End | None:
        """Costs nothing where no version was ever declared."""
        records = self.claimed.records
        if self.workflow.versions or (records and records[0].name == versions.VERSION):
            self.version, self.recorded.difference = versions.begin(self)
            if self.recorded.difference is not None:
                return versions.undeclared(self.claimed, self.workflow, self.version)
        return None

    # what reaches it from outside

    def became_durable(self, seq: int) -> None:
        log = self.log
        log.durable = seq
        if log.places:
            log.leave_told(self.host.leave_page)
        resume = self.host.resume
        for strand, due_at in self.strands.waiting.items():
            if not due_at:  # something else than time can change what it waits for
                resume(strand)

    def deliver(self, messages: list[Message], *, has_more: bool | None = None) -> None:
        self.mailbox.add(messages)
        if has_more is not None:
            self.mailbox.has_more = has_more
        if self.body is not None and not self.is_undoing:
            self.body.look()
            return
        for message in messages:
            if (taker := self.mailbox.taker_of(message)) is not None:
                self.host.resume(taker)  # in the order of arrival
        self.strands.resume_all()

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
        self.strands.resume_all()
        if self.body is not None:
            self.body.close()

    # its strands: how many wait in a replay, what they wait for, and what follows when all have ended or wait

    @property
    def blocked_count(self) -> int:
        return 0 if self.body is None else self.body.order.blocked_count

    def message_awaited(self) -> None:
        if self.body is not None:
            self.body.look()

    def listen(self) -> None:
        """It stays in memory, and waits for a message."""
        self.strands.is_listening = True
        self.host.listen(self)

    def wait_turn(self, key: Key, past: Past | None) -> None:
        """Several branches of an async body get what is recorded in the order of the log."""
        if self.body is not None and self.compensation.end is None:
            if not self.body.order.is_live:
                self.body.order.wait_turn(key, past)
            if past is not None and past.outcome is not None:
                running().had(past.outcome.finished_at, past.outcome.seq)

    def strand_failed(self, error: BaseException) -> None:
        """Where no error is expected."""
        with suppress(BaseException):  # handlers and filters of logging are the user's, too
            log.error("execution `%s` met an error where none is expected", self.claimed.id, exc_info=error)
        self.stop(endings.unexpected(self.claimed, error))

    def body_is_over(self) -> None:
        """The async body, which counts as a strand that waits, has ended."""
        self.strands.idle_count -= 1
        self.strands.ended()

    def at_rest(self) -> None:
        """Everything waits: the replay goes on, or the execution ends here if it waits for long."""
        if self.compensation.end is not None:
            return
        if self.body is not None and not self.body.order.is_live:
            self.body.order.advance()
            return
        first_due_at = self.strands.first_due_at
        if self.strands.is_long(first_due_at):
            self._suspend(first_due_at)
        elif self.body is not None and self.strands.live_count == 1 and not self.body.is_over:
            self.stop(self.unwinding or endings.waits_for_nothing(self.claimed))

    def _suspend(self, due_at: int) -> None:
        end = self.recorded.left_over("the code waits", "a wait") or self.unwinding
        if end is not None:
            self.stop(end)
            return
        if self.strands.listening_count and self.mailbox.has_more:
            self.listen()  # what it waits for may be among them
            return
        if self.body is not None:
            self.body.suspending()
        kind = Ending.WAITING if self.strands.listening_count else Ending.SLEEPING
        cause = f"{BREAKER} {self.open_breakers[0]}" if self.open_breakers and kind == Ending.SLEEPING else ""
        self.stop(End(kind, wake_at=due_at, wake_seq=self.claimed.wake_seq, cause=cause))

    def strands_ended(self) -> None:
        """Its last records are made; what has to be undone is undone first."""
        if self.log.reserved:
            self.log.unreserve()
        end, attempt, now = self.stopping, self.claimed.attempt, self.host.now()
        assert end is not None
        if self._causes is not None or end.cause == EXHAUSTED:
            self.causes.keep(end, attempt, self.history, self.log, now)
            self.causes.keep_exhausted(end, attempt, self.log, now)
        if end.kind == Ending.COMPLETED and attempt > 1:
            placed_steps.stop_passed_by(self)
        if self._misses_undo_steps(end):
            end = self.stopping = endings.not_undone(self.claimed, self.unwinding)
        if self.compensation.is_due(end):
            self.compensation.end, self.stopping = end, None
            self.strands.idle_count = 0
            self.strands.start(self._undo)
        else:
            self.host.ended(self, end)

    def _misses_undo_steps(self, end: End) -> bool:
        """Whether it would end without having come to all it registered, so that a person must look."""
        if end.kind not in UNDONE_ENDS or self.compensation.is_complete or self.compensation.end is not None:
            return False
        return self.unwinding is not None or self.claimed.attempt == 1  # a new attempt may take another path

    def _undo(self) -> None:
        if self.stopping is None:
            self.compensation.run(self)

    def limits_named(self, key: str) -> list[str]:
        return limits_named(self.workflow.limits, self.workflow.name, key)

    # what a body asks for

    def interrupt(self) -> NoReturn:
        """Leave the running strand; for good, if its code goes on in spite of it."""
        assert self.stopping is not None
        self._interrupt_count += 1
        if self._interrupt_count > MAX_INTERRUPTS:
            self.strands.abandon()
        raise Interrupt(f"execution `{self.claimed.id}` stops here ({self.stopping.kind}); let this exception pass")

    def park(self, sentence: str) -> NoReturn:
        """Stop here, because only a person can say how to go on."""
        self.stop(End(Ending.PARKED, codec.encode(sentence)))
        self.interrupt()

    def give_up(self, request: Request, line: str, key: Key) -> None:
        """Nobody waits for it any more: a step is asked to stop, as at a cancel; what waits ends."""
        request.is_given_up = True
        self.host.gave_up(self, line, key)
        for call in list(self.calls):
            if call.strand is not None and call.strand.request is request:
                self.host.ask_to_stop(call)
        self.strands.resume_given_up(request)

    def wait_for_breaker(self, name: str, due_at: int) -> None:
        self.open_breakers.append(name)
        try:
            self.strands.wait_until(due_at)
        finally:
            self.open_breakers.remove(name)

    def is_early(self, seq: int) -> bool:
        """Whether the outcome of an earlier record than this is not known yet: that is handed out first."""
        return 0 < self.log.reserved < seq or any(undecided < seq for undecided in self.mailbox.undecided)

    def go_on_sending(self) -> None:
        """No number is kept any more: what waited behind it leaves, and who waited for it looks again."""
        if self.log.unsent:
            self.host.has_unsent(self)
        self.strands.resume_all()

    def register_undo(self, branch: str, ordinal: int, bound: BoundStep[Any]) -> None:
        """`hydra.on_failure`."""
        self.compensation.register(self, branch, ordinal, bound)

    def recall_undo(self, branch: str, ordinal: int, bound: BoundStep[Any]) -> None:
        """The body has come to it; whether anybody waits for it will be seen."""
        self.compensation.recall(self, branch, ordinal, bound)
