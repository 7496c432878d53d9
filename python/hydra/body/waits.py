"""The waits that consume messages: for events, callbacks, the answers and ends of children. Never writes a database."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from hydra import codec
from hydra.body.mailbox import Waiter
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import Key
from hydra.body.strand import running
from hydra.errors import EventTimeout
from hydra.execution import EVENT_PREFIX, SET_ASIDE_PREFIX, Message, Record, RecordKind
from hydra.records.callbacks import CALLBACK_PREFIX
from hydra.records.child_records import CHILD_PREFIX, PURGED, is_purged
from hydra.records.wait_notes import note_of, set_aside_note

BY_HAND = "settle it by hand and cancel this execution, or resume it with code that does not ask"
EVENT, EXPIRY, WAIT = str(RecordKind.EVENT), str(RecordKind.EXPIRY), str(RecordKind.WAIT)


def expire(execution: RunningExecution, key: Key, name: str, now: int, wanted: Wanted | None) -> bytes | None:
    """The wait is over, unless a message was durable first: of the two the database has one win, in the transaction
    that records which. So nothing is handed out before that is durable. A message that it cannot read is for others."""
    mailbox = execution.mailbox
    strand = running()
    before = strand.outcome_at
    execution.log.append(EXPIRY, key, b"", None, Timing(1, now, now))
    seq = execution.log.seq
    mailbox.undecided.append(seq)
    try:
        with mailbox.expiring(name):
            while execution.log.durable < seq:
                execution.strands.wait(to_the_end=True)
            arrived = mailbox.arrived.pop(seq, None)
            if arrived is not None:
                mailbox.forget(arrived)
                strand.outcome_at = max(before, arrived.finished_at)
    finally:
        mailbox.undecided.remove(seq)
    execution.log.hand_out(seq)
    payload = None if arrived is None else fitting(execution, arrived, wanted)
    execution.deliver([])  # others may wait for a message of that name
    return payload


def wait_event(
    execution: RunningExecution, branch: str, ordinal: int, name: str, annotation: Any, seconds: float | None
) -> Any:
    """What the next message of that name says; EventTimeout when none came in time. One that is there wins."""
    wanted = Wanted(annotation)
    payload = wait_message(execution, (branch, EVENT_PREFIX + name, ordinal), name, seconds, wanted)
    if payload is None:
        raise EventTimeout(f"no event `{name}` came to execution `{execution.claimed.id}` in time")
    return codec.decode_taken(payload, annotation)


def wait_message(
    execution: RunningExecution, key: Key, name: str, seconds: float | None, wanted: Wanted | None = None
) -> bytes | None:
    """The payload of the next message of that name, consumed by a record; None, recorded too, when the time is over.

    With `wanted` the wait itself is recorded, so that senders know of it. A message goes to the first wait of its name
    that can read it; one that none can is set aside, by a record of its own which replays pass over.
    """
    past = execution.recorded.ask(key, (EVENT, EXPIRY), b"")
    if past is not None and past.outcome is not None:
        if name.startswith(CHILD_PREFIX):
            execution.mailbox.child_seqs[name] = past.outcome.seq
        was_late = past.due_at and past.outcome.finished_at >= past.due_at
        return fitting(execution, past.outcome, wanted) if was_late else past.outcome.payload
    due_at = 0 if past is None else past.due_at
    host = execution.host
    if seconds is not None and not due_at and name not in execution.mailbox.kept:
        now = host.now()
        due_at = now + round(seconds * 1e6)
        execution.log.append(WAIT, key, b"", None if wanted is None else wanted.note(), Timing(1, now, now, due_at))
    waiter = Waiter(running(), wanted)
    with execution.mailbox.waiting(name, waiter):
        return _wait_message(execution, key, name, due_at, wanted, waiter)


def _wait_message(
    execution: RunningExecution, key: Key, name: str, due_at: int, wanted: Wanted | None, waiter: Waiter
) -> bytes | None:
    host, mailbox, strand = execution.host, execution.mailbox, waiter.strand
    strand.may_take = not execution.is_async
    has_let_run = False
    while True:
        if name in mailbox.kept:
            said, *recorded = mailbox.kept[name]
            strand.had(*recorded)
            return said
        now = host.now()
        is_over = 0 < due_at <= now
        if is_over and execution.is_async and not has_let_run:
            has_let_run = True
            execution.strands.go_last()  # what is asked for in the same moment waits by then, too
            execution.strands.look_up()
            continue
        arrival = mailbox.next_for(name, waiter) if strand.may_take or is_over else None
        if arrival is None and is_over:
            arrival = mailbox.any_for(name, waiter)
        if (
            not (execution.is_async and strand.may_take)
            and (earlier := mailbox.before(arrival, due_at if is_over else 0)) is not None
        ):
            earlier.may_take = True
            host.resume(earlier)  # messages are taken in the order of arrival, whoever was woken first
            execution.strands.go_last()
            execution.strands.look_up()
            continue
        message = None if arrival is None else arrival.message
        if message is not None and name.startswith(CHILD_PREFIX) and is_purged(message.payload):
            execution.park(
                f"it asked for a child by its key: {PURGED}, so what that did is not known any more; {BY_HAND}"
            )
        if arrival is not None and arrival.problem is not None:
            set_aside(execution, key, arrival.message, arrival.problem, now)
            strand.may_take = not execution.is_async  # of what came next the body decides again whose it is
            continue
        if message is not None:
            mailbox.take(message)
            execution.log.append(EVENT, key, UUID(message.id).bytes, message.payload, Timing(1, message.sent_at, now))
            execution.log.hand_out()
            payload: bytes | None = message.payload
        elif is_over:
            payload = expire(execution, key, name, now, wanted)
        else:
            if wanted is not None and not due_at and key not in mailbox.noted:
                execution.log.append(WAIT, key, b"", wanted.note(), Timing(1, now, now))
                mailbox.noted.add(key)
            execution.strands.wait_for_message(now, due_at)
            continue
        if name.startswith(CHILD_PREFIX):
            mailbox.child_seqs[name] = execution.log.seq
        if name.startswith((CHILD_PREFIX, CALLBACK_PREFIX)):
            mailbox.kept[name] = payload, strand.outcome_at, strand.outcome_seq
            for other in reversed(mailbox.others(name, waiter)):
                host.resume_next(other)  # nothing comes between: in a replay they are all told in one go
        return payload


def fitting(execution: RunningExecution, outcome: Record, wanted: Wanted | None) -> bytes | None:
    """What the database gave to a wait that was over, where it can be read; there is no time for another."""
    payload = outcome.payload
    if payload is None or wanted is None or wanted.problem(payload) is None:
        return payload
    if outcome.name.startswith(EVENT_PREFIX):
        execution.mailbox.give_back(outcome)
    return None


class Wanted(NamedTuple):
    """As what a message is to be read."""

    annotation: Any

    def note(self) -> bytes | None:
        return note_of(self.annotation)

    def problem(self, payload: bytes) -> str | None:
        """Why it cannot be; user classes take part in that, and may raise what they like."""
        try:
            self.read(payload)
        except BaseException as error:
            return codec.told_error(error)
        return None

    def read(self, payload: bytes) -> None:
        codec.decode_as(payload, self.annotation, "value")


class WantedCompletion(Wanted):
    """Of a callback; that it failed may be told whatever its type."""

    def read(self, payload: bytes) -> None:
        is_completed, said = codec.decode(payload)
        if is_completed:
            codec.decode_as(said, self.annotation, "value")


def set_aside(execution: RunningExecution, key: Key, message: Message, problem: str, now: int) -> None:
    execution.mailbox.set_aside(message, is_open=key[1].startswith(EVENT_PREFIX))
    place = (key[0], SET_ASIDE_PREFIX + key[1], execution.mailbox.set_aside_count)
    note = set_aside_note(problem, message.payload)
    execution.log.append(EVENT, place, UUID(message.id).bytes, note, Timing(1, message.sent_at, now))
