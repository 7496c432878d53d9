"""A strand: the greenlet in which one line of control of an execution runs, and which the hub switches to and from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from greenlet import getcurrent, greenlet


class GivenUp(BaseException):
    """Raised in a strand: whoever asked for what it does waits for that no more. No code of a user's sees it."""


class Request:
    """Something that was asked for, by the strands which see to it: nobody may wait for it any more."""

    __slots__ = ("is_answered", "is_given_up")

    def __init__(self) -> None:
        self.is_answered = False
        self.is_given_up = False


class Waiting(Protocol):
    """What a strand waits in."""

    woken_count: int


class Strand(greenlet):
    """One line of control of an execution. `is_waiting`: it may be resumed, and looks again at what it waits for.

    Making one costs more than most of what it does, so it may be given something else to do when it is done.
    """

    __slots__ = (  # read and written at every step; a greenlet's own dictionary is slower
        "_rest",
        "is_blocked",
        "is_waiting",
        "may_take",
        "outcome_at",
        "outcome_seq",
        "place",
        "request",
        "waits_in",
        "work",
    )

    def __init__(self, parent: greenlet, rest: Callable[[Strand], bool]) -> None:
        super().__init__(parent=parent)
        self.work: Callable[[], None] | None = None
        self.is_waiting = False
        self.may_take = False  # what has arrived: it is its turn
        self.is_blocked = False  # until the replay comes to what it asks for
        self.waits_in: Waiting | None = None
        self.request: Request | None = None  # what it sees to, where that can be given up
        self.outcome_at = 0  # when what it was given last had happened
        self.outcome_seq = 0  # the record of that
        self.place = ""  # the line of an async body that asked for it, noted while it replays
        self._rest = rest

    def run(self) -> None:
        while (work := self.work) is not None:
            work()
            self.work = work = self.request = None
            self.place, self.outcome_at, self.outcome_seq = "", 0, 0
            if not self._rest(self):
                return
            self.leave()

    def had(self, at: int, seq: int) -> None:
        """It was given something that had happened then, and has this record."""
        self.outcome_at = max(self.outcome_at, at)
        self.outcome_seq = max(self.outcome_seq, seq)

    @property
    def is_given_up(self) -> bool:
        return self.request is not None and self.request.is_given_up

    def leave(self) -> None:
        """Let the hub (the parent of every strand) go on; returns when it switches back."""
        self.parent.switch()  # type: ignore[union-attr]


def running() -> Strand:
    """Only strands ask."""
    return getcurrent()  # type: ignore[return-value]
