"""A node's circuit breakers: three before its database, and one before each worker's place. Decide, and call nothing.

    commit      what is owned is written, whatever its state: after a failure with a pause, after a slow answer at once
    heartbeat   beats are sent, whatever its state: sooner than they are due while it is to be found out how things are
    claim       claims wait until the pause is over; after failures they ask for one execution then
    dispatch    a worker is started again when the pause is over (`slots`)

While one of the first two is open for failures, nothing new is claimed either: what is owned comes first. On a database
that answers, however slowly, work goes on: claims wait for their own circuit alone, and are smaller (`claim_limit`).
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import msgspec

from hydra.circuit_breaker import CircuitBreaker, CircuitSettings, CircuitState, Permit
from hydra.dispatch.effects import Effects
from hydra.dispatch.slots import NEVER_NS

RETRY_NS = 20_000_000  # after a failure, while the circuit is closed


class NodeCircuits(msgspec.Struct, frozen=True, kw_only=True):
    """What the user chose. A worker's life is judged by its end, so it is never slow and has no time to end in."""

    commit: CircuitSettings = CircuitSettings()
    claim: CircuitSettings = CircuitSettings()
    heartbeat: CircuitSettings = CircuitSettings()
    dispatch: CircuitSettings = CircuitSettings(
        window_ns=60_000_000_000,
        min_calls=2,
        error_rate=0.6,
        slow_ns=NEVER_NS,
        good_probes=1,
        max_wait_ns=10_000_000_000,
        probe_timeout_ns=NEVER_NS,
    )


class CircuitView(msgspec.Struct, frozen=True):
    """How one is, for those who watch it. `worker` is empty but for those of workers' places."""

    circuit: str
    worker: str
    state: CircuitState
    reason: str
    transitions: dict[CircuitState, int]


class Circuit:
    """Calls of one kind to the database, one at a time."""

    def __init__(self, name: str, settings: CircuitSettings, random: Random, effects: Effects) -> None:
        self.name = name
        self.is_closed = True
        self.is_failing = False  # the last call did
        self.due_at_ns = 0  # of the next call after one that failed; of a claim, while the circuit is open
        self._breaker = CircuitBreaker(settings)
        self._permit: Permit | None = None
        self._random = random
        self._effects = effects

    @property
    def is_slow(self) -> bool:
        """Not closed because answers were slow, though they came."""
        return self._breaker.is_slow

    @property
    def is_calling(self) -> bool:
        return self._permit is not None

    @property
    def probe_at_ns(self) -> int:
        """When something should be called to find out how things are."""
        if self._permit is not None or self.is_closed:
            return NEVER_NS
        return self._breaker.probe_at_ns if self._breaker.state is CircuitState.OPEN else self.due_at_ns

    def view(self) -> CircuitView:
        return view_of(self._breaker, self.name)

    def begin(self, now_ns: int) -> None:
        """The caller has waited until `due_at_ns`, and calls now."""
        if self._permit is None:
            self._permit = self._breaker.begin(now_ns, is_urgent=True)
            self.is_closed = self._breaker.state is CircuitState.CLOSED

    def answered(self, now_ns: int) -> None:
        self._end(True, now_ns)

    def failed(self, now_ns: int) -> bool:
        """True when it is the first in a row."""
        was_failing = self.is_failing
        self._end(False, now_ns)
        return not was_failing

    def released(self) -> None:
        """What was called says nothing of the database, or nobody waits for its answer any more."""
        if self._permit is not None:
            self._breaker.released(self._permit)
            self._permit = None

    def expect(self) -> None:
        """The database answered something else: no reason to wait any longer after a failure."""
        if self.is_closed:
            self.due_at_ns = 0

    def _end(self, is_good: bool, now_ns: int) -> None:
        self.is_failing = not is_good
        self.due_at_ns = now_ns + int(RETRY_NS * (0.75 + 0.5 * self._random.random())) if self.is_failing else 0
        permit, self._permit = self._permit, None
        if permit is not None:
            was_closed = self.is_closed
            self._breaker.ended(permit, is_good, now_ns, self._random.random())
            self.is_closed = self._breaker.state is CircuitState.CLOSED
            if self.is_closed is not was_closed:
                self._tell()
        if self._breaker.state is CircuitState.OPEN and self._must_wait():
            self.due_at_ns = self._breaker.probe_at_ns

    def _must_wait(self) -> bool:
        """What is owned is written as fast as a slow database takes it."""
        return self.is_failing

    def _tell(self) -> None:
        if self.is_closed:
            self._effects.log("info", f"the {self.name} circuit is closed again")
        else:
            effect = "fewer are claimed" if self.is_slow else "nothing new is claimed"
            self._effects.log("warning", f"the {self.name} circuit is open, and {effect}: {self._breaker.reason}")


class ClaimCircuit(Circuit):
    """Claims can wait."""

    def _must_wait(self) -> bool:
        return True  # guard G7: nothing is claimed before the pause of an open claim circuit is over


class DatabaseCircuits:
    def __init__(self, settings: NodeCircuits, random: Random, effects: Effects) -> None:
        self.commit = Circuit("commit", settings.commit, random, effects)
        self.heartbeat = Circuit("heartbeat", settings.heartbeat, random, effects)
        self.claim = ClaimCircuit("claim", settings.claim, random, effects)

    def __iter__(self) -> Iterator[Circuit]:
        return iter((self.commit, self.claim, self.heartbeat))

    @property
    def may_claim(self) -> bool:
        """What is owned can be written and kept."""
        commit, heartbeat = self.commit, self.heartbeat
        return (commit.is_closed or commit.is_slow) and (heartbeat.is_closed or heartbeat.is_slow)

    def lost(self, now_ns: int) -> None:
        """No answer came to what is under way, and whether it was done is to be found out at once."""
        for circuit in self:
            if circuit.is_calling:
                circuit.failed(now_ns)
                circuit.expect()

    def released(self) -> None:
        for circuit in self:
            circuit.released()


def view_of(breaker: CircuitBreaker, circuit: str, worker: str = "") -> CircuitView:
    return CircuitView(circuit, worker, breaker.state, breaker.reason, breaker.transitions)
