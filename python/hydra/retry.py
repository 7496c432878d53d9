"""When a failed try is repeated, and after how long. Pure: the caller passes time and chance in."""

from __future__ import annotations

from dataclasses import dataclass

from hydra.errors import ConfigError, NonRetryable

JITTER_MAXIMUM = 1.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds between tries: `initial`, times `factor` each time, never more than `maximum`, spread by ± `jitter`."""

    initial: float = 1.0
    factor: float = 2.0
    maximum: float = 60.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        for field in ("initial", "factor", "maximum", "jitter"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
                raise ConfigError(f"`{field}` of a Backoff must be a number, not {value!r}.")
        if self.initial < 0:
            raise ConfigError(f"`initial` of a Backoff must be 0 or more seconds, not {self.initial}.")
        if self.factor < 1:
            raise ConfigError(f"`factor` of a Backoff must be 1 or more, not {self.factor}.")
        if self.maximum < self.initial or self.maximum == float("inf"):
            raise ConfigError(f"`maximum` of a Backoff must be finite and not below `initial`, not {self.maximum}.")
        if not 0 <= self.jitter <= JITTER_MAXIMUM:
            raise ConfigError(f"`jitter` of a Backoff must lie between 0 and 1, not {self.jitter}.")

    def delay(self, attempt: int, random: float) -> float:
        """Seconds to wait after try number `attempt` failed; `random` lies in [0, 1)."""
        try:
            seconds = min(self.maximum, self.initial * self.factor ** (attempt - 1))
        except OverflowError:
            seconds = self.maximum
        return min(self.maximum, seconds * (1.0 + self.jitter * (2.0 * random - 1.0)))


DEFAULT_BACKOFF = Backoff()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, after what, and how fast something that failed is tried again."""

    max_attempts: int = 1
    backoff: Backoff = DEFAULT_BACKOFF
    retry_on: tuple[type[BaseException], ...] = (Exception,)

    def __post_init__(self) -> None:
        if isinstance(self.max_attempts, bool) or not isinstance(self.max_attempts, int) or self.max_attempts < 1:
            raise ConfigError(f"`max_attempts` must be a whole number of 1 or more, not {self.max_attempts!r}.")
        if not isinstance(self.backoff, Backoff):
            raise ConfigError(f"`backoff` must be a hydra.Backoff, not {self.backoff!r}.")
        if not isinstance(self.retry_on, tuple) or not all(
            isinstance(kind, type) and issubclass(kind, BaseException) for kind in self.retry_on
        ):
            raise ConfigError(f"`retry_on` must be a tuple of exception classes, not {self.retry_on!r}.")

    def delay(self, attempt: int, error: BaseException, random: float) -> float | None:
        """Seconds until the next try, or None when failed try number `attempt` was the last."""
        if attempt >= self.max_attempts or isinstance(error, NonRetryable) or not isinstance(error, self.retry_on):
            return None
        return self.backoff.delay(attempt, random)
