"""What was put before an execution and not taken yet, and which wait takes it. Waits for nothing.

A message goes to the first wait of its name that can read it. One that no open wait can read is set aside, once, and
a later wait may still take it. (What a callback was completed with is then gone: it may be completed again.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, Protocol
from uuid import UUID

from hydra.blocks import contextmanager
from hydra.body.replay import Key
from hydra.body.strand import Strand
from hydra.execution import EVENT_PREFIX, SET_ASIDE_PREFIX, Claimed, Message, Record, RecordKind
from hydra.records.wait_notes import message_in

EVENT = str(RecordKind.EVENT)
BEFORE_ALL = -1  # the number of what a wait was given too late, and could not read


class Reader(Protocol):
    """As what a wait reads its message."""

    def problem(self, payload: bytes) -> str | None:
        """Why it cannot."""
        ...


class Waiter:
    """One wait that is open: the strand that waits, and what it can read (None: anything)."""

    __slots__ = ("_problems", "reader", "strand")

    def __init__(self, strand: Strand, reader: Reader | None) -> None:
        self.strand = strand
        self.reader = reader
        self._problems: dict[str, str | None] = {}  # by message: user classes are asked once

    def problem(self, message: Message) -> str | None:
        if self.reader is None:
            return None
        if message.id not in self._problems:
            self._problems[message.id] = self.reader.problem(message.payload)
        return self._problems[message.id]


class Arrival(NamedTuple):
    """A message, and the wait that takes it. With a problem: that sets it aside, since none can read it."""

    message: Message
    waiter: Waiter
    problem: str | None


class Mailbox:
    """Messages by name, in the order of arrival; each is taken once."""

    def __init__(self, claimed: Claimed) -> None:
        self._messages: dict[str, list[Message]] = {}
        self._numbers: dict[str, int] = {}  # by id, in the order of arrival
        self._expiring: Counter[str] = Counter()  # names whose next message the database may be giving to a wait
        self.has_more = claimed.has_more  # there are messages that were not brought yet
        # What comes once and is asked for as often as one likes: the ends of children, callbacks (None: expired).
        self.kept: dict[str, tuple[bytes | None, int, int]] = {}  # and when, and where, it was recorded
        self._waiters: dict[str, list[Waiter]] = {}  # by name, in the order in which they began
        self._aside: set[str] = set()  # messages that are recorded as set aside
        self._last_use: dict[bytes, int] = {}  # of each message that a record took, the number of the last that did
        self.child_seqs: dict[str, int] = {}  # the records of what children said
        self.arrived: dict[int, Record] = {}  # events that the database wrote in the place of expiries, by number
        self.undecided: list[int] = []  # expiries in whose place it may write some
        self.set_aside_count = 0
        self.noted: set[Key] = set()  # waits that senders know of
        events = [record for record in claimed.records if record.kind == EVENT]
        if events:
            self._last_use = {record.digest: record.seq for record in events}
            aside = [record for record in events if self._is_open_aside(record)]
            self._aside = {str(UUID(bytes=record.digest)) for record in aside}
            self.add([message_of(record) for record in aside])
        if claimed.messages:
            # A worker that died may have consumed some since the claim that brought them.
            self.add([message for message in claimed.messages if UUID(message.id).bytes not in self._last_use])

    def _is_open_aside(self, record: Record) -> bool:
        """Whether it was set aside and may still be taken."""
        is_aside = record.name.startswith(SET_ASIDE_PREFIX + EVENT_PREFIX)
        return is_aside and self._last_use[record.digest] == record.seq

    def add(self, messages: list[Message]) -> None:
        for message in messages:
            self._numbers[message.id] = len(self._numbers)
            self._messages.setdefault(message.name, []).append(message)

    @contextmanager
    def waiting(self, name: str, waiter: Waiter) -> Iterator[None]:
        """While this wait is open."""
        waiters = self._waiters.setdefault(name, [])
        waiters.append(waiter)
        try:
            yield
        finally:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[name]

    def others(self, name: str, waiter: Waiter) -> list[Strand]:
        """Who else waits for that name."""
        return [each.strand for each in self._waiters.get(name, ()) if each is not waiter]

    def taker_of(self, message: Message) -> Strand | None:
        """Who is to look at it first."""
        arrivals = list(self._arrivals(message.name))
        return next((each.waiter.strand for each in arrivals if each.message is message), None)

    def first_arrival(self) -> Arrival | None:
        """Of the messages that a wait takes, or sets aside, the one that arrived first."""
        firsts = [next(self._arrivals(name), None) for name in self._messages.keys() & self._waiters.keys()]
        return min(filter(None, firsts), key=self._number, default=None)

    def next_for(self, name: str, waiter: Waiter) -> Arrival | None:
        """The one of that name that is this wait's."""
        return next((each for each in self._arrivals(name) if each.waiter is waiter), None)

    def any_for(self, name: str, waiter: Waiter) -> Arrival | None:
        """The first that this wait, whose time is over, can read, whoever else waits."""
        messages = () if self._expiring[name] else self._messages.get(name, ())
        fits = (message for message in messages if waiter.problem(message) is None)
        return next((Arrival(message, waiter, None) for message in fits), None)

    def before(self, arrival: Arrival | None, due_at: int) -> Strand | None:
        """Who is to take or set aside a message that arrived before this one, or (None) before a wait was over."""
        first = self.first_arrival() if arrival is not None or due_at else None
        if first is None:
            return None
        has_come = first.message.sent_at <= due_at if arrival is None else self._number(first) < self._number(arrival)
        return first.waiter.strand if has_come else None

    def arrived_at(self, name: str, reader: Reader | None) -> int:
        """When the next message of that name which can be read so was sent; 0 where none has come."""
        fits = (each for each in self._messages.get(name, ()) if reader is None or not reader.problem(each.payload))
        return next((message.sent_at for message in fits), 0)

    def take(self, message: Message) -> None:
        messages = self._messages[message.name]
        messages.remove(message)
        if not messages:
            del self._messages[message.name]

    def set_aside(self, message: Message, *, is_open: bool) -> None:
        """It is recorded as that. `is_open`: a later wait may take it."""
        self.set_aside_count += 1
        if is_open:
            self._aside.add(message.id)
        else:
            self.take(message)

    def give_back(self, record: Record) -> None:
        """The database gave it to a wait that was over and could not read it. Others may, unless one has."""
        if self._last_use.get(record.digest, record.seq) == record.seq:
            message = message_of(record)
            self._numbers[message.id] = BEFORE_ALL
            self._messages.setdefault(message.name, []).insert(0, message)

    def _arrivals(self, name: str) -> Iterator[Arrival]:
        """Which message is whose: in the order of arrival, each to the first wait that can read it and has none yet."""
        messages = self._messages.get(name)
        if not messages or self._expiring[name]:
            return
        waiters = [each for each in self._waiters.get(name, ()) if not each.strand.is_given_up]
        free = list(waiters)
        for message in messages:
            if not free:
                return
            taker = next((each for each in free if each.problem(message) is None), None)
            if taker is not None:
                free.remove(taker)
                yield Arrival(message, taker, None)
            elif message.id not in self._aside and all(each.problem(message) is not None for each in waiters):
                yield Arrival(message, waiters[0], waiters[0].problem(message))

    def _number(self, arrival: Arrival) -> int:
        return self._numbers[arrival.message.id]

    @contextmanager
    def expiring(self, name: str) -> Iterator[None]:
        """While it is not known which message a wait that is over got, none of its name is taken."""
        self._expiring[name] += 1
        try:
            yield
        finally:
            self._expiring[name] -= 1

    def forget(self, record: Record) -> None:
        """The database has given this one to a wait."""
        for messages in self._messages.values():
            messages[:] = [message for message in messages if UUID(message.id).bytes != record.digest]


def message_of(record: Record) -> Message:
    """The one that this event took, or set aside."""
    return Message(
        str(UUID(bytes=record.digest)), "", *message_in(record.name, record.payload or b""), record.started_at
    )
