"""Dispatchers with one rule left out, to show that the simulation notices."""

from __future__ import annotations

from random import Random

from hydra.dispatch import events
from hydra.dispatch.dispatcher import Dispatcher, NodeSettings
from hydra.dispatch.inbox import Inbox
from hydra.dispatch.outbox import Pair
from hydra.dispatch.owned_executions import OwnedExecutions
from hydra.dispatch.workers import Workers
from hydra.execution import Ending
from hydra.frames import Ended


class _EndsTwice(Inbox):
    def received(self, event: events.Received, now_ns: int) -> None:
        slot = self._workers.slots[event.slot]
        before = dict(slot.runs)
        super().received(event, now_ns)
        for frame in event.frames:
            if isinstance(frame, Ended) and frame.end.kind == Ending.CONTINUED and frame.token in before:
                slot.runs[frame.token] = before[frame.token]


class _EnqueuesVictims(Inbox):
    def worker_gone(self, event: events.WorkerGone, now_ns: int) -> None:
        victims = list(self._workers.slots[event.slot].runs.values())
        super().worker_gone(event, now_ns)
        for owned in victims:
            if owned.commit is not None and owned.commit.end is not None and owned.commit.end.kind == Ending.CRASHED:
                owned.reopen(now_ns)
                self._workers.enqueue(owned)


class _DispatchedAlready(OwnedExecutions):
    def _written(self, pairs: list[Pair], now_ns: int) -> None:
        others = [(owned, commit) for owned, commit in pairs if not commit.end or commit.end.kind != Ending.CRASHED]
        super()._written(others, now_ns)


class _NeverWaits(Workers):
    @property
    def is_gone(self) -> bool:
        return True


class CountsEndsTwice(Dispatcher):
    """R22: what ended before its worker died is taken for one of its victims, too."""

    def __init__(self, settings: NodeSettings, now_ns: int, random: Random) -> None:
        super().__init__(settings, now_ns, random)
        self._inbox.__class__ = _EndsTwice
        self._handlers[events.Received] = self._inbox.received


class DispatchesAgainEarly(Dispatcher):
    """R22: dispatches a dead worker's executions again before what it sent, and its crash, is durable."""

    def __init__(self, settings: NodeSettings, now_ns: int, random: Random) -> None:
        super().__init__(settings, now_ns, random)
        self._inbox.__class__ = _EnqueuesVictims
        self._handlers[events.WorkerGone] = self._inbox.worker_gone
        self._owned.__class__ = _DispatchedAlready


class RegistersEarly(Dispatcher):
    """R1: registers again while workers of the old registration live."""

    def __init__(self, settings: NodeSettings, now_ns: int, random: Random) -> None:
        super().__init__(settings, now_ns, random)
        self._workers.__class__ = _NeverWaits
