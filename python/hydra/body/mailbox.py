"""What was put before an execution and not consumed yet. Waits for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from hydra.body.replay import Key
from hydra.body.strand import Strand
from hydra.execution import Claimed, Message, Record, RecordKind

EVENT = str(RecordKind.EVENT)


class Mailbox:
    """Messages by name, in the order of arrival; each is taken once."""

    def __init__(self, claimed: Claimed) -> None:
        self._messages: dict[str, list[Message]] = {}
        self._numbers: dict[str, int] = {}  # by id, in the order of arrival
        self._expiring: Counter[str] = Counter()  # names whose next message the database may be giving to a wait
        self.has_more = claimed.has_more  # there are messages that were not brought yet
        # What comes once and is asked for as often as one likes: the ends of children, callbacks (None: expired).
        self.kept: dict[str, tuple[bytes | None, int, int]] = {}  # and when, and where, it was recorded
        self.waiting_for: dict[str, list[Strand]] = {}  # more than one may wait for what is kept
        self.child_seqs: dict[str, int] = {}  # the records of what children said
        self.arrived: dict[int, Record] = {}  # events that the database wrote in the place of expiries, by number
        self.undecided: list[int] = []  # expiries in whose place it may write some
        self.set_aside_count = 0
        self.noted: set[Key] = set()  # waits that senders know of
        if claimed.messages:
            # A worker that died may have consumed some since the claim that brought them.
            consumed = {record.digest for record in claimed.records if record.kind == EVENT}
            self.add([message for message in claimed.messages if UUID(message.id).bytes not in consumed])

    def add(self, messages: list[Message]) -> None:
        for message in messages:
            self._numbers[message.id] = len(self._numbers)
            self._messages.setdefault(message.name, []).append(message)

    def first_arrival(self) -> tuple[Message, Strand] | None:
        """The message that arrived first of those that are waited for, and who waits."""
        arrived = [
            messages[0]
            for name, messages in self._messages.items()
            if messages and self.waiting_for.get(name) and not self._expiring[name]
        ]
        if not arrived:
            return None
        first = min(arrived, key=lambda message: self._numbers[message.id])
        return first, self.waiting_for[first.name][0]

    def before(self, name: str) -> Strand | None:
        """Who waits for a message that arrived before the next one of that name."""
        messages = self._messages.get(name)
        first = self.first_arrival() if messages else None
        if not messages or first is None or self._numbers[first[0].id] >= self._numbers[messages[0].id]:
            return None
        return first[1]

    def arrived_at(self, name: str) -> int:
        """When the next message of that name was sent; 0 where none has come."""
        messages = self._messages.get(name)
        return messages[0].sent_at if messages else 0

    def take(self, name: str) -> Message | None:
        waiting = None if self._expiring[name] else self._messages.get(name)
        return waiting.pop(0) if waiting else None

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
