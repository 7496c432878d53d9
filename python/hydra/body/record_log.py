"""The records of one execution in one claim: what is sent, what is durable, what rests on it (G5). Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from hydra.body.replay import Key
from hydra.execution import CoolDown, Record

MAX_PLACES = 4096  # kept of one execution in the worker's page, which has room for 65,535


class Timing(msgspec.Struct, frozen=True, gc=False):
    """In which attempt something happened, and when."""

    attempt: int
    started_at: int
    finished_at: int
    due_at: int = 0  # when it goes on
    reserved: int = 0  # the number that was kept free for its record, in front of all that is unsent
    place: int = -1  # in the worker's page, of a step that is shown there until this is durable


class Timed(Protocol):
    """What has a timing: a `Timing`, or the try of a step itself."""

    @property
    def attempt(self) -> int: ...
    @property
    def started_at(self) -> int: ...
    @property
    def finished_at(self) -> int: ...
    @property
    def due_at(self) -> int: ...
    @property
    def reserved(self) -> int: ...
    @property
    def place(self) -> int: ...


class RecordLog:
    """`durable`: the number of the last record that the database has. `handed`: of the last one that the body rests on.

    `reserved`: the number kept for a transaction under way, which records itself; what follows is not sent before it.
    `places`: in the worker's page, of steps that have ended, and the number of the record that tells of each; 0: of
    none yet. `announce` is told when there is something to send, `recorded` of each record.
    """

    __slots__ = (
        "_announce",
        "_recorded",
        "cool_downs",
        "durable",
        "handed",
        "places",
        "reserved",
        "seq",
        "unsent",
        "unsent_bytes",
    )

    def __init__(
        self, count: int, announce: Callable[[], None], recorded: Callable[[str, int, int], None] | None
    ) -> None:
        self.seq = count
        self.durable = count
        self.handed = 0
        self.reserved = 0
        self.places: dict[int, int] = {}
        self.unsent: list[Record] = []
        self.unsent_bytes = 0  # of their payloads
        self.cool_downs: tuple[CoolDown, ...] = ()  # they leave with the try that was told
        self._announce = announce
        self._recorded = recorded

    def append(self, kind: str, key: Key, digest: bytes, payload: bytes | None, timing: Timed) -> None:
        """The next record, or the one whose number was kept free."""
        reserved = timing.reserved
        if reserved:
            seq = reserved
        else:
            seq = self.seq = self.seq + 1
        unsent = self.unsent
        if not unsent:
            self._announce()
        if payload is not None:
            self.unsent_bytes += len(payload)
        if timing.place in self.places:
            self.places[timing.place] = seq
        if self._recorded is not None:
            self._recorded(kind, timing.finished_at, seq)
        branch, name, ordinal = key
        record = Record(
            seq, kind, branch, name, ordinal, timing.attempt, digest, payload, timing.started_at, timing.finished_at,
            timing.due_at,
        )  # fmt: skip
        if reserved:
            unsent.insert(0, record)
        else:
            unsent.append(record)

    def take_unsent(self, count: int) -> list[Record]:
        """The first ones, which leave."""
        taken, self.unsent = self.unsent[:count], self.unsent[count:]
        self.unsent_bytes = sum(len(record.payload or b"") for record in self.unsent)
        return taken

    def keep_place(self, place: int) -> bool:
        """Of a step that has ended. False: too many are kept, and a death would not tell of this one."""
        if len(self.places) >= MAX_PLACES:
            return False
        self.places[place] = 0
        return True

    def leave_told(self, leave: Callable[[int], None]) -> None:
        """Places of steps whose outcome is durable by now: they are not kept any more."""
        places, durable = self.places, self.durable
        for place, seq in list(places.items()):
            if seq > durable:
                break
            if seq:
                del places[place]
                leave(place)

    def hand_out(self, seq: int = 0) -> None:
        """The body goes on with what all records so far say, or those up to `seq`: nothing starts before they are
        durable (G5)."""
        self.handed = max(self.handed, seq) if seq else self.seq

    def take_cool_downs(self) -> tuple[CoolDown, ...]:
        taken, self.cool_downs = self.cool_downs, ()
        return taken

    def close(self) -> None:
        """Its execution has ended: nothing is sent any more."""
        self._announce, self._recorded = _tell_nobody, None

    # a transaction under way

    def reserve(self) -> int:
        """A number for what a transaction is going to record itself."""
        self.seq += 1
        self.reserved = self.seq
        return self.seq

    def release(self, *, is_written: bool) -> None:
        """The transaction has ended: what waited behind its number may leave. It wrote its record, or nothing will."""
        if is_written:
            self.durable = self.reserved
        self.reserved = 0

    def unreserve(self) -> None:
        """The transaction never began: what followed moves up, so that no number is missing."""
        self.unsent = [msgspec.structs.replace(record, seq=record.seq - 1) for record in self.unsent]
        self.seq -= 1
        self.reserved = 0


def _tell_nobody() -> None:
    """There is nothing to send any more."""
