"""The breakers of a node's steps (`hydra.Breaker`): who may call, and what workers and the database are told. Pure.

    worker: may I? ──► closed, or a probe ──► 0 ──► the call ──► it went well / badly / says nothing
                  └──► open ──► wait so long, and ask again
    opens, closes ──► told to all workers, and to the database, from where other nodes hear of it

Workers ask only while they know that one is not closed, and the first time that they meet it. Time is the database's,
as the workers read it: it goes on while a node is away, and is the same on all nodes.
"""

from __future__ import annotations

from random import Random

import msgspec

from hydra.circuit_breaker import CircuitBreaker, CircuitState, Permit
from hydra.dispatch.circuits import CircuitView, view_of
from hydra.dispatch.effects import Effects
from hydra.dispatch.events import BreakerClosed, BreakerOpened, BreakersSeen, WatchBreakers
from hydra.dispatch.workers import Workers
from hydra.frames import AskBreaker, BreakerAnswer, BreakerIs, Tried

MIN_WAIT_NS = 1_000_000


class StepBreakers:
    def __init__(self, workers: Workers, effects: Effects, random: Random) -> None:
        self._workers = workers
        self._effects = effects
        self._random = random
        self._breakers: dict[str, CircuitBreaker] = {}
        self._permits: dict[tuple[int, int], tuple[str, Permit]] = {}  # by slot and the question's number
        self._now_ns = 0
        self._others: set[str] = set()  # open because another node said so

    def views(self) -> list[CircuitView]:
        """May be asked from any thread."""
        return [view_of(breaker, f"breaker:{name}") for name, breaker in list(self._breakers.items())]

    def asked(self, slot: int, frame: AskBreaker) -> None:
        now_ns = self._time(frame.at)
        breaker = self._breakers.get(frame.breaker)
        if breaker is None:
            self._effects.do(WatchBreakers())
        if breaker is None or breaker.settings != frame.settings:  # new code has other numbers
            breaker = self._breakers[frame.breaker] = CircuitBreaker(frame.settings)
        before = breaker.state
        permit = breaker.begin(now_ns)
        if permit is None:
            wait_ns = self._wait_ns(breaker, now_ns)
        else:
            self._permits[slot, frame.number] = frame.breaker, permit
            wait_ns = 0
        self._workers.send(slot, BreakerAnswer(frame.number, wait_ns // 1000))
        self._tell(frame.breaker, breaker, before, now_ns)
        if breaker.state is not CircuitState.CLOSED:
            self._workers.send(slot, self._state_of(frame.breaker, breaker, now_ns))

    def tried(self, slot: int, frame: Tried) -> None:
        now_ns = self._time(frame.at)
        breaker = self._breakers.get(frame.breaker)
        name, permit = self._permits.pop((slot, frame.number), ("", None))
        if breaker is None or (permit is not None and name != frame.breaker):
            return
        before = breaker.state
        if permit is None and before is CircuitState.CLOSED:
            permit = breaker.begin(now_ns)
        if permit is None:
            return
        if frame.is_good is None:
            breaker.released(permit)
        else:
            begun = msgspec.structs.replace(permit, begun_ns=now_ns - frame.took_us * 1000)
            breaker.ended(begun, frame.is_good, now_ns, self._random.random())
        self._tell(frame.breaker, breaker, before, now_ns)

    def worker_gone(self, slot: int) -> None:
        """What it was trying says nothing: somebody else may probe."""
        for place in [place for place in self._permits if place[0] == slot]:
            name, permit = self._permits.pop(place)
            self._breakers[name].released(permit)

    def seen(self, event: BreakersSeen, _: int) -> None:
        """What the database says of those that other nodes, or this one, opened."""
        now_ns = self._time(event.now)
        for name, breaker in self._breakers.items():
            found = event.open.get(name)
            before = breaker.state
            if found is not None and found[0] * 1000 <= now_ns:
                found = None  # its pause is over
            if found is not None and before is CircuitState.CLOSED:
                until, reason = found
                self._others.add(name)
                breaker.opened_elsewhere(reason, until * 1000)
                self._tell(name, breaker, before, now_ns)
            elif found is None and name in self._others:
                self._others.discard(name)
                breaker.probe_at_ns = min(breaker.probe_at_ns, now_ns)  # it was closed there

    def _time(self, at: int) -> int:
        """A clock that never runs backwards."""
        self._now_ns = max(self._now_ns, at * 1000)
        return self._now_ns

    def _tell(self, name: str, breaker: CircuitBreaker, before: CircuitState, now_ns: int) -> None:
        if breaker.state is before or breaker.state is CircuitState.HALF_OPEN:
            return
        if breaker.state is CircuitState.OPEN:
            if before is CircuitState.CLOSED:
                self._effects.log("warning", f"the breaker `{name}` is open, and its steps wait: {breaker.reason}")
            if name not in self._others:
                self._effects.do(BreakerOpened(name, breaker.probe_at_ns // 1000, breaker.reason))
        else:
            self._others.discard(name)
            self._effects.log("info", f"the breaker `{name}` is closed again")
            self._effects.do(BreakerClosed(name))
        frame = self._state_of(name, breaker, now_ns)
        for slot in self._workers.slots:
            self._workers.send(slot.number, frame)

    def _state_of(self, name: str, breaker: CircuitBreaker, now_ns: int) -> BreakerIs:
        is_closed = breaker.state is CircuitState.CLOSED
        return BreakerIs(name, 0 if is_closed else self._wait_ns(breaker, now_ns) // 1000)

    def _wait_ns(self, breaker: CircuitBreaker, now_ns: int) -> int:
        """Until it is worth asking again; chance spreads those who ask."""
        wait_ns = breaker.settings.wait_ns
        if breaker.state is CircuitState.OPEN:
            wait_ns = max(MIN_WAIT_NS, breaker.probe_at_ns - now_ns)
        return wait_ns + int(wait_ns * self._random.random() / 2)
