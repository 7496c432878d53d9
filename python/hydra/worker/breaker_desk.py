"""What a worker knows of its steps' breakers, and its questions to the supervisor, who decides. On the hub's thread."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hydra.body.strand import Strand
from hydra.breakers import Breaker
from hydra.frames import AskBreaker, BreakerAnswer, BreakerIs, FromWorker, Tried


class BreakerDesk:
    """See `hydra.body.protocol.Breakers`."""

    def __init__(
        self, add: Callable[[FromWorker], None], resume: Callable[[Strand], None], now: Callable[[], int]
    ) -> None:
        self._add = add
        self._now = now
        self._resume = resume
        self._waits: dict[str, int] = {}  # of each that is known: 0 while it is closed, else how long it is not
        self._numbers = itertools.count(1)
        self._asking: dict[int, Strand] = {}
        self._answers: dict[int, int] = {}

    def ask(self, breaker: Breaker, strand: Strand) -> int:
        if self._waits.get(breaker.name) == 0:
            return 0
        number = next(self._numbers)
        self._asking[number] = strand
        self._add(AskBreaker(number, breaker.name, breaker.settings, self._now()))
        return number

    def answer(self, number: int) -> int | None:
        return self._answers.pop(number, None)

    def forget(self, number: int, breaker: Breaker) -> None:
        self._asking.pop(number, None)
        self._answers.pop(number, None)
        self._add(Tried(number, breaker.name, None, 0, self._now()))

    def tell(self, number: int, breaker: Breaker, is_good: bool | None, took_us: int) -> None:
        if number or is_good is not None:
            self._add(Tried(number, breaker.name, is_good, max(0, took_us), self._now()))

    def wait_us(self, breaker: Breaker) -> int:
        return self._waits.get(breaker.name, 0)

    def receive(self, frame: BreakerAnswer | BreakerIs) -> None:
        if isinstance(frame, BreakerIs):
            self._waits[frame.breaker] = frame.wait_us
        elif (strand := self._asking.pop(frame.number, None)) is not None:
            self._answers[frame.number] = frame.wait_us
            self._resume(strand)
