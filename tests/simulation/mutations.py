"""Dispatchers with one rule left out, to show that the simulation notices."""

from __future__ import annotations

from random import Random

from hydra.dispatch import events
from hydra.dispatch.crew import Crew
from hydra.dispatch.dispatcher import Dispatcher, Settings
from hydra.dispatch.outbox import Pair
from hydra.execution import Ending
from hydra.frames import Ended


class DispatchesAgainEarly(Dispatcher):
    """R22: dispatches a dead worker's executions again before what it sent, and its crash, is durable."""

    def _worker_gone(self, event: events.WorkerGone) -> None:
        victims = list(self._crew.slots[event.slot].runs.values())
        super()._worker_gone(event)
        for held in victims:
            if held.commit is not None and held.commit.end is not None and held.commit.end.kind == Ending.CRASHED:
                held.reopen(self._now_ns)
                self._crew.enqueue(held)

    def _written(self, pairs: list[Pair]) -> None:
        super()._written(
            [(held, commit) for held, commit in pairs if not commit.end or commit.end.kind != Ending.CRASHED]
        )


class CountsEndsTwice(Dispatcher):
    """R22: what ended before its worker died is taken for one of its victims, too."""

    def _received(self, event: events.Received) -> None:
        slot = self._crew.slots[event.slot]
        before = dict(slot.runs)
        super()._received(event)
        for frame in event.frames:
            if isinstance(frame, Ended) and frame.end.kind == Ending.CONTINUED and frame.token in before:
                slot.runs[frame.token] = before[frame.token]


class SharesMessages(Dispatcher):
    """R17: what a beat brings is put into the frame that has not left, and sent once more."""

    def _beaten(self, event: events.Beaten) -> None:
        lists = {id: held.execution.messages for id, held in self._held.items()}
        super()._beaten(event)
        for id, held in self._held.items():
            if held.execution.messages is not lists[id]:
                lists[id] += [message for message in held.execution.messages if message not in lists[id]]


class _NeverWaits(Crew):
    @property
    def is_gone(self) -> bool:
        return True


class RegistersEarly(Dispatcher):
    """R1: registers anew while workers of the old registration live."""

    def __init__(self, settings: Settings, now_ns: int, random: Random) -> None:
        super().__init__(settings, now_ns, random)
        self._crew.__class__ = _NeverWaits
