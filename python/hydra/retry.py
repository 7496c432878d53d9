"""When a failed try is repeated, and after how long. Pure: the caller passes time and chance in.

error ──► NonRetryable, not in `retry_on`, `retry_if` says no ──► it fails
    ├───► RetryAfter, or with `cool_down` what `retry_delay` says ──► again then, no attempt is charged
    └───► attempts and time left? ──► again after `retry_delay`, or else the back-off
                            └──► none left: exhausted
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from hydra.clock import seconds_of
from hydra.errors import ConfigError, NonRetryable, RetryAfter
from hydra.written import written

OnExhausted = Literal["fail", "park"]
RetryIf = Callable[[Any], bool]
RetryDelay = Callable[[Any, int], timedelta | float | None]

MAX_POSTPONED = 1_000  # tries of one step that raise RetryAfter: each leaves a record
MAX_JITTER = 1.0
EVEN_CHANCE = 0.5  # no jitter: where a delay is worked out again at each replay


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between tries, in seconds: `initial`, times `factor` each time, never more than `maximum`, ± `jitter`.

        hydra.Backoff(initial=0.5, factor=2, maximum=60, jitter=0.1)  # 0.5 s, 1 s, 2 s … each up to a tenth off

    Raises:
        ConfigError: for numbers that make no sense, such as a `maximum` below `initial`.
    """

    initial: float = 1.0
    factor: float = 2.0
    maximum: float = 60.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        for field in ("initial", "factor", "maximum", "jitter"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
                raise ConfigError(f"`{field}` of a Backoff must be a number, not {written(value)}")
        if self.initial < 0:
            raise ConfigError(f"`initial` of a Backoff must be 0 or more seconds, not {written(self.initial)}")
        if self.factor < 1:
            raise ConfigError(f"`factor` of a Backoff must be 1 or more, not {written(self.factor)}")
        if self.maximum < self.initial or self.maximum == float("inf"):
            raise ConfigError(
                f"`maximum` of a Backoff must be finite and not below `initial`, not {written(self.maximum)}"
            )
        if not 0 <= self.jitter <= MAX_JITTER:
            raise ConfigError(f"`jitter` of a Backoff must lie between 0 and 1, not {written(self.jitter)}")

    def delay(self, attempt: int, random: float) -> float:
        """Seconds to wait after try number `attempt` failed; `random` lies in [0, 1)."""
        try:
            seconds = min(self.maximum, self.initial * self.factor ** (attempt - 1))
        except OverflowError:
            seconds = self.maximum
        return min(self.maximum, seconds * (1.0 + self.jitter * (2.0 * random - 1.0)))


DEFAULT_BACKOFF = Backoff()


class Complaint(NamedTuple):
    """A function of the user's gave no answer, so the policy went on as if it were not there."""

    option: str  # `retry_if` …
    error: BaseException | None  # what it raised
    answer: object = None  # what it returned, where it raised nothing


class Verdict(NamedTuple):
    """What becomes of a failed try."""

    seconds: float | None = None  # until the next one; None: there is none
    is_exhausted: bool = False  # there would be one, if any attempt or time were left
    is_charged: bool = True  # it uses up an attempt
    complaints: tuple[Complaint, ...] = ()
    asked_seconds: float | None = None  # what the other side said, where a key is to cool down for it


def call_plainly(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, after what, and how fast something that failed is tried again."""

    max_attempts: int = 1
    backoff: Backoff = DEFAULT_BACKOFF
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    retry_if: RetryIf | None = None
    retry_delay: RetryDelay | None = None
    on_exhausted: OnExhausted = "fail"
    deadline_seconds: float | None = None  # from the start of the first try to that of the last
    cool_down: str | None = None  # the key of a limit that waits, too, as long as the other side said

    def __post_init__(self) -> None:
        if isinstance(self.max_attempts, bool) or not isinstance(self.max_attempts, int) or self.max_attempts < 1:
            raise ConfigError(f"`max_attempts` must be a whole number of 1 or more, not {written(self.max_attempts)}")
        if not isinstance(self.backoff, Backoff):
            raise ConfigError(f"`backoff` must be a hydra.Backoff, not {written(self.backoff)}")
        if not isinstance(self.retry_on, tuple) or not all(
            isinstance(kind, type) and issubclass(kind, BaseException) for kind in self.retry_on
        ):
            raise ConfigError(f"`retry_on` must be a tuple of exception classes, not {written(self.retry_on)}")
        for option, takes in (("retry_if", "the exception"), ("retry_delay", "the exception and the attempt")):
            function = getattr(self, option)
            if function is not None and (not callable(function) or inspect.iscoroutinefunction(function)):
                raise ConfigError(f"`{option}` must be a function of {takes}, not async, not {function!r:.200}")
        if self.cool_down is not None and (not isinstance(self.cool_down, str) or not self.cool_down):
            raise ConfigError(f"`cool_down` names a limit by its key or its name, not {written(self.cool_down)}")
        if self.on_exhausted not in ("fail", "park"):
            raise ConfigError(f'`on_exhausted` must be "fail" or "park", not {written(self.on_exhausted)}')

    @property
    def parks(self) -> bool:
        """Whether a person is waited for when no attempt is left."""
        return self.on_exhausted == "park"

    def decide(
        self,
        error: BaseException,
        attempt: int,
        random: float,
        *,
        can_postpone: bool = True,
        postponed_count: int = 0,
        elapsed: float = 0.0,
        call: Callable[..., Any] = call_plainly,
    ) -> Verdict:
        """What becomes of failed try number `attempt`, of those that were charged.

        `postponed_count` tries before raised RetryAfter; `elapsed` seconds lie between the start of the first and now.
        `call` calls functions of the user's.
        """
        kind = type(error)  # what `except` goes by; `isinstance` would ask the exception, too
        if issubclass(kind, NonRetryable):
            return Verdict()
        complaints: list[Complaint] = []
        asked_seconds = _asked_by(error, complaints) if issubclass(kind, RetryAfter) else None
        if asked_seconds is not None and can_postpone:
            if postponed_count >= MAX_POSTPONED or self._is_late(elapsed + asked_seconds):
                return Verdict(is_exhausted=True, asked_seconds=asked_seconds)
            return Verdict(asked_seconds, is_charged=False, asked_seconds=asked_seconds)
        if not issubclass(kind, self.retry_on) or not self._wants(error, complaints, call):
            return Verdict(complaints=tuple(complaints))
        postpones = self.cool_down is not None and can_postpone
        if attempt >= self.max_attempts and not (postpones and self.retry_delay is not None):
            return Verdict(is_exhausted=True, complaints=tuple(complaints))
        seconds = asked_seconds
        if seconds is None and self.retry_delay is not None:
            seconds = _answer_of("retry_delay", self.retry_delay, (error, attempt), _seconds, complaints, call)
            if seconds is not None and postpones:
                is_over = postponed_count >= MAX_POSTPONED or self._is_late(elapsed + seconds)
                return Verdict(None if is_over else seconds, is_over, is_over, tuple(complaints), seconds)
        if attempt >= self.max_attempts:
            return Verdict(is_exhausted=True, complaints=tuple(complaints))
        if seconds is None:
            seconds = self.backoff.delay(attempt, random)
        if self._is_late(elapsed + seconds):
            return Verdict(is_exhausted=True, complaints=tuple(complaints))
        return Verdict(seconds, complaints=tuple(complaints))

    def _is_late(self, elapsed: float) -> bool:
        return self.deadline_seconds is not None and elapsed > self.deadline_seconds

    def _wants(self, error: BaseException, complaints: list[Complaint], call: Callable[..., Any]) -> bool:
        if self.retry_if is None:
            return True
        return _answer_of("retry_if", self.retry_if, (error,), _bool, complaints, call) is not False


DEFAULT_POLICY = RetryPolicy()


def _answer_of(
    option: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    read: Callable[[Any], Any],
    complaints: list[Complaint],
    call: Callable[..., Any],
) -> Any:
    """None, with a complaint, where it has no answer: the step's own error must not get lost in that."""
    try:
        answer = call(function, *args)
    except BaseException as error:
        complaints.append(Complaint(option, error))
        return None
    try:
        return read(answer)
    except (ConfigError, OverflowError):
        complaints.append(Complaint(option, None, answer))
        return None


def _bool(answer: object) -> bool:
    if not isinstance(answer, bool):
        raise ConfigError("no bool")
    return answer


def _seconds(answer: Any) -> float | None:
    return None if answer is None else seconds_of(answer, "a delay")


def _asked_by(error: BaseException, complaints: list[Complaint]) -> float | None:
    """None where a class of the user's has lost its seconds."""
    seconds: float | None = _answer_of("RetryAfter", getattr, (error, "seconds"), _seconds, complaints, call_plainly)
    return seconds
