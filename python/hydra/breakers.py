"""`hydra.Breaker`: what users write so that a provider that is down is left alone. What opens one; reads no clock.

    @hydra.step(breaker=hydra.Breaker("psp"))

The machine is `circuit_breaker`; a node's supervisor has one for each name (`dispatch/step_breakers`).
"""

from __future__ import annotations

from datetime import timedelta

from hydra.circuit_breaker import CircuitSettings
from hydra.clock import seconds_of
from hydra.errors import ConfigError
from hydra.limits import check_limit_name
from hydra.written import written

KIND = "breaker"  # of the keys under which the database has those that are open: `breaker:psp:`
CIRCUIT = "circuit"  # of the keys of nodes' own circuits
ALL_CIRCUITS = (f"{CIRCUIT}:", f"{CIRCUIT};")
ALL_KEYS = (f"{KIND}:", f"{KIND};")  # from the first to before the second
NEVER_NS = 1 << 62
PROBE_TIMEOUT_NS = 600_000_000_000  # a probe that has not ended by then is a bad one
MAX_CALLS = 1_000


class Breaker:
    """Leaves a provider alone while it is down: the steps that call it wait instead of failing, until a probe succeeds.

        psp = hydra.Breaker("psp", errors=(ConnectionError, TimeoutError))

        @hydra.step(max_attempts=5, breaker=psp)
        def charge(card: str, pennies: int) -> str: ...

    It opens when a part of the last calls failed. While it is open the executions that come to such a step are rows
    and hold no place; a try that fails meanwhile uses up no attempt. After a pause, doubled for each bad probe, one of
    them calls; good probes close it. Steps that name the same breaker share it, on all workers of a node; other nodes
    hear of it with their next heartbeat.

    Args:
        name: of the provider; two breakers of one name must be equal.
        errors: which exceptions say that it is down; others are answers, as RetryAfter and NonRetryable are.
        error_rate: it opens when so much of the last calls failed, from above 0 to 1.
        slow: a call that takes so many seconds (or a timedelta) is slow; None: none is.
        slow_rate: it opens when so much of the last calls was slow.
        min_calls: it does not open before so many.
        max_calls: of the last calls at most so many count,
        window: and of these those that ended in the last so many seconds.
        good_probes: so many in a row close it.
        wait: seconds of the first pause.
        max_wait: seconds of the longest.

    Raises:
        ConfigError: for a name or a number that cannot be.
    """

    def __init__(
        self,
        name: str,
        *,
        errors: tuple[type[BaseException], ...] = (Exception,),
        error_rate: float = 0.5,
        slow: timedelta | float | None = None,
        slow_rate: float = 0.5,
        min_calls: int = 5,
        max_calls: int = 20,
        window: timedelta | float = 60.0,
        good_probes: int = 2,
        wait: timedelta | float = 1.0,
        max_wait: timedelta | float = 60.0,
    ) -> None:
        try:
            self.name = check_limit_name(name)
        except ConfigError as error:
            raise ConfigError(str(error).replace("the name of a limit", "the name of a breaker")) from None
        what = f"of breaker `{name}`"
        if not isinstance(errors, tuple) or not all(
            isinstance(kind, type) and issubclass(kind, BaseException) for kind in errors
        ):
            raise ConfigError(f"`errors` {what} must be a tuple of exception classes, not {written(errors)}")
        for option, count in (("min_calls", min_calls), ("max_calls", max_calls), ("good_probes", good_probes)):
            if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= MAX_CALLS:
                raise ConfigError(
                    f"`{option}` {what} must be a whole number from 1 to {MAX_CALLS}, not {written(count)}"
                )
        for option, rate in (("error_rate", error_rate), ("slow_rate", slow_rate)):
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
                raise ConfigError(f"`{option}` {what} must lie above 0 and not above 1, not {written(rate)}")
        if max_calls < min_calls:
            raise ConfigError(f"`max_calls` {what} must not be below `min_calls`")
        self.errors = errors
        waits = [_nanoseconds(each, f"`{option}` {what}") for option, each in (("wait", wait), ("max_wait", max_wait))]
        if waits[1] < waits[0]:
            raise ConfigError(f"`max_wait` {what} must not be shorter than `wait`")
        self.settings = CircuitSettings(
            window_ns=_nanoseconds(window, f"`window` {what}"),
            min_calls=min_calls,
            max_calls=max_calls,
            error_rate=error_rate,
            slow_ns=NEVER_NS if slow is None else _nanoseconds(slow, f"`slow` {what}"),
            slow_rate=slow_rate,
            good_probes=good_probes,
            wait_ns=waits[0],
            max_wait_ns=waits[1],
            probe_timeout_ns=PROBE_TIMEOUT_NS,
        )

    def is_same_breaker(self, other: Breaker) -> bool:
        """Whether both may stand under one name."""
        return (self.name, self.settings, self.errors) == (other.name, other.settings, other.errors)

    def __repr__(self) -> str:
        return f"hydra.Breaker({self.name!r})"


class BreakerNames:
    """Every breaker by its name: two that stand under one name are one, and must not differ."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Breaker, str]] = {}

    def add(self, step: str, breaker: Breaker) -> None:
        known, owner = self._known.get(breaker.name, (breaker, step))
        if owner != step and not known.is_same_breaker(breaker):
            message = f"the breaker `{breaker.name}` of step `{step}` differs from that of step `{owner}`"
            raise ConfigError(f"{message}; make them equal, or give one of them another name")
        self._known[breaker.name] = breaker, owner


def key_of(name: str) -> str:
    return f"{KIND}:{name}:"


def circuit_key(node: str, circuit: str) -> str:
    """Of a node's own circuit that is not closed."""
    return f"{CIRCUIT}:{node}:{circuit}"


def _nanoseconds(duration: timedelta | float, what: str) -> int:
    nanoseconds = round(seconds_of(duration, what) * 1e9)
    if nanoseconds < 1:
        raise ConfigError(f"{what} must be more than 0 seconds")
    return nanoseconds
