"""A circuit breaker: whether to go on calling what fails or is slow. Pure: no I/O, no clock, no chance of its own.

    closed ──(errors, or slow calls, of enough calls in a window)──► open ──(its pause is over)──► half-open
       ▲                                                              ▲                               │
       │                                                              └──(one bad probe: a longer pause)
       └──────────────────────────────(enough good probes in a row)───────────────────────────────────┘

    permit = breaker.begin(now_ns)            # None: do not call
    breaker.ended(permit, True, now_ns, jitter)

Whoever has a permit tells how the call ended, or gives it up. A probe that is never told of counts as bad after its
time, so a lost caller cannot keep the breaker half-open for ever.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

import msgspec

from hydra.errors import ConfigError

MAX_DOUBLINGS = 30


class CircuitState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class CircuitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Rates are parts of the window's calls, from above 0 to 1; durations are nanoseconds.

    The window is the last `max_calls` calls, as far as they ended within `window_ns`: so thousands of good ones do not
    hide for long that all is bad now. A call is slow that takes `slow_ns` or longer. Nothing opens before the window
    has `min_calls`. A pause is `wait_ns`, doubled for each probe that was bad, never above `max_wait_ns`; chance takes
    up to half of it away.
    """

    window_ns: int = 30_000_000_000
    min_calls: int = 5
    max_calls: int = 10
    error_rate: float = 0.5
    slow_ns: int = 1_000_000_000
    slow_rate: float = 0.5
    max_probes: int = 1  # at a time
    good_probes: int = 2  # in a row close it
    wait_ns: int = 100_000_000
    max_wait_ns: int = 2_000_000_000
    probe_timeout_ns: int = 60_000_000_000

    def __post_init__(self) -> None:
        for field in ("window_ns", "slow_ns", "wait_ns", "max_wait_ns", "probe_timeout_ns"):
            if getattr(self, field) <= 0:
                name = field.removesuffix("_ns").replace("_", "-")
                raise ConfigError(f"`{name}` of a circuit breaker must be longer than 0")
        for field in ("min_calls", "max_probes", "good_probes"):
            if getattr(self, field) < 1:
                raise ConfigError(f"`{field.replace('_', '-')}` of a circuit breaker must be 1 or more")
        for field in ("error_rate", "slow_rate"):
            if not 0 < getattr(self, field) <= 1:
                raise ConfigError(
                    f"`{field.replace('_', '-')}` of a circuit breaker must lie above 0 and not above 1, "
                    f"not {getattr(self, field)}"
                )
        if self.max_calls < self.min_calls:
            raise ConfigError("`max-calls` of a circuit breaker must not be below `min-calls`")
        if self.max_wait_ns < self.wait_ns:
            raise ConfigError("`max-wait` of a circuit breaker must not be shorter than `wait`")


class Permit(msgspec.Struct, frozen=True, gc=False):
    """To call once. What a permit of an earlier state tells is too old to count."""

    generation: int
    number: int
    begun_ns: int


class CircuitBreaker:
    """For one thread, which reads its times from a clock that never runs backwards."""

    def __init__(self, settings: CircuitSettings) -> None:
        self.settings = settings
        self.state = CircuitState.CLOSED
        self.reason = ""  # why it is not closed
        self.is_slow = False  # that is for slow calls, none that failed
        self.transitions = dict.fromkeys(CircuitState, 0)  # how often it came to be so
        self.probe_at_ns = 0  # while it is open: when a call may try again
        self._slow = f"{settings.slow_ns // 1_000_000} ms or longer"
        self._window = _Window(settings)
        self._generation = 0
        self._numbers = 0
        self._probes: dict[int, int] = {}  # under way: their permits' numbers, and until when they may take
        self._good_count = 0  # probes, since it is half-open
        self._opened_count = 0  # in a row

    def begin(self, now_ns: int, *, is_urgent: bool = False) -> Permit | None:
        """May something call now? An urgent call waits for no pause: it is the probe."""
        self.give_up_probes(now_ns)
        if self.state is CircuitState.OPEN:
            # guard G7: an open circuit lets nothing through before its pause is over
            if now_ns < self.probe_at_ns and not is_urgent:
                return None
            self._become(CircuitState.HALF_OPEN)
            self._good_count = 0
        self._numbers += 1
        if self.state is CircuitState.HALF_OPEN:
            if len(self._probes) >= self.settings.max_probes:  # guard G7: a half-open circuit has few probes at a time
                return None
            self._probes[self._numbers] = now_ns + self.settings.probe_timeout_ns
        return Permit(self._generation, self._numbers, now_ns)

    def ended(self, permit: Permit, is_good: bool, now_ns: int, jitter: float) -> None:
        """The call came to an end. `jitter` (0 to 1) shortens the pause, if one begins now, by up to half."""
        if permit.generation != self._generation:  # guard G7: what was called before the circuit changed counts no more
            return
        settings = self.settings
        is_slow = now_ns - permit.begun_ns >= settings.slow_ns
        if self.state is CircuitState.CLOSED:
            self._window.add(now_ns, is_bad=not is_good, is_slow=is_slow)
            self._judge(now_ns, jitter)
        elif self._probes.pop(permit.number, None) is not None:
            if not is_good:
                self._open("the last probe failed", now_ns, jitter)
            elif is_slow:
                self._open(f"the last probe took {self._slow}", now_ns, jitter, is_slow=True)
            else:
                self._good_count += 1
                if self._good_count >= settings.good_probes:
                    self._close()

    def opened_elsewhere(self, reason: str, probe_at_ns: int) -> None:
        """Somebody else met what opened it, and says how long to wait."""
        self._become(CircuitState.OPEN)
        self.probe_at_ns = probe_at_ns
        self.reason = reason

    def released(self, permit: Permit) -> None:
        """The call was not made, or says nothing of what was called; another may probe in its place."""
        # guard G7: a permit given back makes room for another probe
        self._probes.pop(permit.number, None)

    def give_up_probes(self, now_ns: int) -> None:
        """A probe that has not ended in its time is a bad one, whatever it says later."""
        if not self._probes:
            return
        overdue_at_ns = min(self._probes.values())
        if overdue_at_ns <= now_ns:  # guard G7: a probe that never ends does not keep a circuit half-open
            self._open("the last probe did not end in its time", overdue_at_ns, 0.0)

    def _judge(self, now_ns: int, jitter: float) -> None:
        window, settings = self._window, self.settings
        if not window.bad_count and not window.slow_count:
            return
        window.forget_old(now_ns)
        calls, bad, slow = window.call_count, window.bad_count, window.slow_count
        if calls < settings.min_calls:  # guard G7: a few calls open no circuit
            return
        if bad >= settings.error_rate * calls:
            self._open(f"{bad} of the last {calls} calls failed", now_ns, jitter)
        elif slow >= settings.slow_rate * calls:
            self._open(f"{slow} of the last {calls} calls took {self._slow}", now_ns, jitter, is_slow=True)

    def _open(self, reason: str, now_ns: int, jitter: float, *, is_slow: bool = False) -> None:
        settings = self.settings
        wait_ns = min(settings.wait_ns << min(self._opened_count, MAX_DOUBLINGS), settings.max_wait_ns)
        self._opened_count += 1
        self.probe_at_ns = now_ns + wait_ns - int(wait_ns * min(max(jitter, 0.0), 1.0) / 2)
        self._become(CircuitState.OPEN)
        self.reason = reason
        self.is_slow = is_slow

    def _close(self) -> None:
        self._become(CircuitState.CLOSED)
        self.reason = ""
        self.is_slow = False
        self._opened_count = 0
        self._window = _Window(self.settings)  # what was before it opened opens it no second time

    def _become(self, state: CircuitState) -> None:
        self.state = state
        self.transitions[state] += 1
        self._generation += 1
        self._probes.clear()


class _Window:
    """How many calls ended lately, how many of them were bad, how many slow: kept as sums, not counted at each call."""

    def __init__(self, settings: CircuitSettings) -> None:
        self.bad_count = 0
        self.slow_count = 0
        self._window_ns = settings.window_ns
        self._max_calls = settings.max_calls
        self._calls: deque[tuple[int, bool, bool]] = deque()  # when it ended, bad, slow

    @property
    def call_count(self) -> int:
        return len(self._calls)

    def add(self, now_ns: int, *, is_bad: bool, is_slow: bool) -> None:
        if len(self._calls) == self._max_calls:
            self._forget_first()
        self._calls.append((now_ns, is_bad, is_slow))
        self.bad_count += is_bad
        self.slow_count += is_slow

    def forget_old(self, now_ns: int) -> None:
        """What ended before the window began."""
        while self._calls and self._calls[0][0] <= now_ns - self._window_ns:
            self._forget_first()

    def _forget_first(self) -> None:
        _, is_bad, is_slow = self._calls.popleft()
        self.bad_count -= is_bad
        self.slow_count -= is_slow
