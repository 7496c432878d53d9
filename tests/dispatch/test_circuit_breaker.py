"""When a circuit breaker opens, probes and closes."""

from __future__ import annotations

import pytest
from hydra.circuit_breaker import CircuitBreaker, CircuitSettings, CircuitState, Permit
from hydra.errors import ConfigError
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.dispatch.driver import MS, SECOND

SETTINGS = CircuitSettings()


def called(
    breaker: CircuitBreaker, now: int, *, good: bool = True, took: int = 0, count: int = 1, jitter: float = 0.0
) -> int:
    """So many calls, one after the other; returns when the last of them ended."""
    for _ in range(count):
        permit = breaker.begin(now)
        assert permit is not None
        now += took
        breaker.ended(permit, good, now, jitter)
    return now


def opened(now: int = 0, settings: CircuitSettings = SETTINGS) -> CircuitBreaker:
    breaker = CircuitBreaker(settings)
    called(breaker, now, good=False, count=settings.min_calls)
    assert breaker.state is CircuitState.OPEN
    return breaker


def test_b1_it_opens_when_enough_of_enough_calls_failed() -> None:
    breaker = CircuitBreaker(SETTINGS)
    called(breaker, 0, count=3)
    called(breaker, 0, good=False, count=2)
    assert breaker.state is CircuitState.CLOSED
    called(breaker, 0, good=False)
    assert breaker.state is CircuitState.OPEN
    assert breaker.reason == "3 of the last 6 calls failed"


def test_b1_it_opens_when_enough_of_enough_calls_were_slow() -> None:
    breaker = CircuitBreaker(SETTINGS)
    now = called(breaker, 0, took=SECOND - 1, count=3)
    now = called(breaker, now, took=SECOND, count=2)
    assert breaker.state is CircuitState.CLOSED
    called(breaker, now, took=3 * SECOND)
    assert breaker.state is CircuitState.OPEN
    assert breaker.reason == "3 of the last 6 calls took 1000 ms or longer"


def test_b1_a_few_calls_open_nothing_however_bad_they_are() -> None:
    breaker = CircuitBreaker(SETTINGS)
    called(breaker, 0, good=False, count=SETTINGS.min_calls - 1)
    assert breaker.state is CircuitState.CLOSED
    called(breaker, SETTINGS.window_ns, good=False, count=SETTINGS.min_calls - 1)
    assert breaker.state is CircuitState.CLOSED, "those of before are out of the window"


@pytest.mark.parametrize("bad", [{"good": False}, {"took": SECOND}], ids=["failed", "slow"])
def test_b1_thousands_of_good_calls_do_not_hide_that_all_is_bad_now(bad: dict[str, int]) -> None:
    breaker = CircuitBreaker(SETTINGS)
    now = called(breaker, 0, took=MS, count=5000)
    called(breaker, now, count=5, **bad)  # type: ignore[arg-type]
    assert breaker.state is CircuitState.OPEN


@pytest.mark.parametrize("bad", [{"good": False}, {"took": SECOND}], ids=["failed", "slow"])
@pytest.mark.parametrize(("age", "good_count"), [(0, 10), (SETTINGS.window_ns, 5)], ids=["pushed out", "too old"])
def test_b1_what_has_left_the_window_counts_no_more(bad: dict[str, int], age: int, good_count: int) -> None:
    breaker = CircuitBreaker(SETTINGS)
    now = called(breaker, 0, count=10)
    now = called(breaker, now, count=4, **bad)  # type: ignore[arg-type]
    now = called(breaker, now + age, count=good_count)
    now = called(breaker, now, count=4, **bad)  # type: ignore[arg-type]
    assert breaker.state is CircuitState.CLOSED, "4 of the last 9 or 10 are bad"
    called(breaker, now, **bad)  # type: ignore[arg-type]
    assert breaker.state is CircuitState.OPEN


def test_b1_an_open_one_lets_nothing_through_before_its_pause_is_over_but_what_is_urgent() -> None:
    breaker = opened()
    assert breaker.probe_at_ns == SETTINGS.wait_ns
    assert breaker.begin(breaker.probe_at_ns - 1) is None
    assert breaker.begin(breaker.probe_at_ns) is not None
    assert opened().begin(0, is_urgent=True) is not None


def test_b1_good_probes_in_a_row_close_it_and_what_was_before_is_forgotten() -> None:
    breaker = opened()
    now = called(breaker, breaker.probe_at_ns)
    assert breaker.state is CircuitState.HALF_OPEN
    called(breaker, now)
    assert (breaker.state, breaker.reason) == (CircuitState.CLOSED, "")
    called(breaker, now, good=False, count=SETTINGS.min_calls - 1)
    assert breaker.state is CircuitState.CLOSED
    assert breaker.transitions == {CircuitState.CLOSED: 1, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 1}


@pytest.mark.parametrize("probe", [{"good": False}, {"took": SECOND}], ids=["failed", "slow"])
def test_b1_a_bad_probe_opens_it_again_for_longer_up_to_a_maximum(probe: dict[str, int]) -> None:
    breaker = opened()
    pauses, now = [], 0
    for _ in range(7):
        pauses.append((breaker.probe_at_ns - now) // MS)
        now = called(breaker, breaker.probe_at_ns, **probe)  # type: ignore[arg-type]
        assert breaker.state is CircuitState.OPEN
    assert pauses == [100, 200, 400, 800, 1600, 2000, 2000]
    called(breaker, breaker.probe_at_ns, count=2)
    now = called(breaker, now, good=False, count=SETTINGS.min_calls)
    assert breaker.probe_at_ns - now == SETTINGS.wait_ns, "closed, it begins again with a short one"


def test_b1_chance_takes_up_to_half_of_a_pause_away() -> None:
    breaker = CircuitBreaker(SETTINGS)
    called(breaker, 0, good=False, count=SETTINGS.min_calls, jitter=1.0)
    assert breaker.probe_at_ns == SETTINGS.wait_ns // 2


def test_b1_a_half_open_one_has_no_more_probes_at_a_time_than_allowed() -> None:
    breaker = opened(settings=CircuitSettings(max_probes=2))
    now = breaker.probe_at_ns
    first = breaker.begin(now)
    assert first is not None
    assert breaker.begin(now) is not None
    assert breaker.begin(now) is None
    breaker.released(first)
    assert breaker.begin(now) is not None


def test_b1_a_probe_that_never_ends_opens_it_again_in_the_end() -> None:
    breaker = opened()
    now = breaker.probe_at_ns
    lost = breaker.begin(now)
    assert lost is not None
    now += SETTINGS.probe_timeout_ns
    assert breaker.begin(now) is None
    assert breaker.state is CircuitState.OPEN
    breaker.ended(lost, True, now, 0.0)
    assert breaker.state is CircuitState.OPEN, "it was given up"
    assert breaker.begin(breaker.probe_at_ns) is not None


def test_b1_what_was_called_before_it_opened_counts_no_more() -> None:
    breaker = CircuitBreaker(SETTINGS)
    late = [permit for _ in range(20) if (permit := breaker.begin(0)) is not None]
    called(breaker, 0, good=False, count=SETTINGS.min_calls)
    assert breaker.begin(breaker.probe_at_ns) is not None
    for is_good in (True, True, False):
        breaker.ended(late.pop(), is_good, breaker.probe_at_ns, 0.0)
        assert breaker.state is CircuitState.HALF_OPEN
    breaker = opened()
    called(breaker, breaker.probe_at_ns, count=SETTINGS.good_probes)
    for permit in late:
        breaker.ended(permit, False, breaker.probe_at_ns, 0.0)
    assert breaker.state is CircuitState.CLOSED


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"error_rate": 0.0}, "`error-rate` of a circuit breaker must lie above 0 and not above 1, not 0.0"),
        ({"slow_rate": 1.5}, "`slow-rate` of a circuit breaker must lie above 0 and not above 1, not 1.5"),
        ({"min_calls": 0}, "`min-calls` of a circuit breaker must be 1 or more"),
        ({"max_calls": 4}, "`max-calls` of a circuit breaker must not be below `min-calls`"),
        ({"window_ns": 0}, "`window` of a circuit breaker must be longer than 0"),
        ({"max_wait_ns": 1}, "`max-wait` of a circuit breaker must not be shorter than `wait`"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_sentence(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        CircuitSettings(**wrong)
    assert str(refused.value) == sentence


class Callers(RuleBasedStateMachine):
    """Any number of callers, of whom some never say how it went, beside a plain list of what has ended."""

    @initialize(
        min_calls=st.integers(1, 6),
        more_calls=st.integers(0, 6),
        error_rate=st.sampled_from([0.1, 0.5, 1.0]),
        slow_rate=st.sampled_from([0.3, 1.0]),
        max_probes=st.integers(1, 3),
        good_probes=st.integers(1, 3),
    )
    def begin_closed(
        self, min_calls: int, more_calls: int, error_rate: float, slow_rate: float, max_probes: int, good_probes: int
    ) -> None:
        self.settings = CircuitSettings(
            window_ns=10 * SECOND,
            min_calls=min_calls,
            max_calls=min_calls + more_calls,
            error_rate=error_rate,
            slow_ns=SECOND,
            slow_rate=slow_rate,
            max_probes=max_probes,
            good_probes=good_probes,
            wait_ns=SECOND,
            max_wait_ns=5 * SECOND,
            probe_timeout_ns=20 * SECOND,
        )
        self.breaker = CircuitBreaker(self.settings)
        self.now = 1000 * SECOND
        self.spell = 0  # one for each time in which the state was the same
        self.begun: list[tuple[Permit, int]] = []  # calls under way, and in which spell they began
        self.ended: list[tuple[int, bool, bool]] = []  # in this spell: when, bad, slow
        self.opened_ns = 0

    @property
    def state(self) -> CircuitState:
        return self.breaker.state

    def probes(self) -> list[Permit]:
        """Not those that have had their time."""
        half_open = [permit for permit, spell in self.begun if spell == self.spell]
        return [each for each in half_open if self.now < each.begun_ns + self.settings.probe_timeout_ns]

    def changed(self) -> None:
        self.spell += 1
        self.ended = []
        self.opened_ns = self.now

    @rule(passed=st.sampled_from([1, 300 * MS, SECOND, 4 * SECOND, 30 * SECOND]))
    def time_passes(self, passed: int) -> None:
        self.now += passed
        before = self.state
        has_overdue = before is CircuitState.HALF_OPEN and len(self.probes()) < self.half_open_count()
        self.breaker.give_up_probes(self.now)
        assert (self.state is not before) == has_overdue
        if has_overdue:
            assert self.state is CircuitState.OPEN
            self.changed()

    def half_open_count(self) -> int:
        return sum(spell == self.spell for _, spell in self.begun)

    @rule(is_urgent=st.booleans())
    def call(self, is_urgent: bool) -> None:
        before, probe_at_ns = self.state, self.breaker.probe_at_ns
        permit = self.breaker.begin(self.now, is_urgent=is_urgent)
        if before is CircuitState.CLOSED:
            assert permit is not None
        elif before is CircuitState.OPEN:
            assert (permit is not None) == (is_urgent or self.now >= probe_at_ns)
            if permit is not None:
                assert self.state is CircuitState.HALF_OPEN
                self.changed()
        else:
            assert (permit is not None) == (len(self.probes()) < self.settings.max_probes)
        if permit is not None:
            self.begun.append((permit, self.spell))

    @precondition(lambda self: self.begun)
    @rule(place=st.integers(0, 20), is_good=st.booleans(), jitter=st.sampled_from([0.0, 0.5, 1.0]))
    def one_ends(self, place: int, is_good: bool, jitter: float) -> None:
        permit, spell = self.begun.pop(place % len(self.begun))
        is_bad, is_slow = not is_good, self.now - permit.begun_ns >= self.settings.slow_ns
        before = self.state
        self.breaker.ended(permit, is_good, self.now, jitter)
        if spell != self.spell:
            assert self.state is before, "what began before counts no more"
            return
        self.ended.append((self.now, is_bad, is_slow))
        if before is CircuitState.CLOSED:
            assert self.state is (CircuitState.OPEN if self.is_too_bad() else CircuitState.CLOSED)
        elif is_bad or is_slow:
            assert self.state is CircuitState.OPEN
        else:
            is_closed = len(self.ended) >= self.settings.good_probes
            assert self.state is (CircuitState.CLOSED if is_closed else CircuitState.HALF_OPEN)
        if self.state is not before:
            self.changed()

    @precondition(lambda self: self.begun)
    @rule()
    def one_is_given_back(self) -> None:
        self.breaker.released(self.begun.pop()[0])

    def is_too_bad(self) -> bool:
        last = self.ended[-self.settings.max_calls :]
        seen = [each for each in last if each[0] > self.now - self.settings.window_ns]
        bad, slow = sum(each[1] for each in seen), sum(each[2] for each in seen)
        return len(seen) >= self.settings.min_calls and (
            bad >= self.settings.error_rate * len(seen) or slow >= self.settings.slow_rate * len(seen)
        )

    @invariant()
    def no_pause_is_longer_than_the_maximum(self) -> None:
        if self.state is CircuitState.OPEN:
            assert self.breaker.probe_at_ns <= self.opened_ns + self.settings.max_wait_ns
            assert self.breaker.reason

    def teardown(self) -> None:
        """Whatever happened and whoever was lost: good calls close it again, and soon."""
        if not hasattr(self, "breaker"):
            return
        self.now += self.settings.probe_timeout_ns
        self.breaker.give_up_probes(self.now)
        self.now += self.settings.max_wait_ns
        for _ in range(self.settings.good_probes):
            permit = self.breaker.begin(self.now)
            assert permit is not None
            self.breaker.ended(permit, True, self.now, 0.0)
        assert self.state is CircuitState.CLOSED


TestCallers = Callers.TestCase
TestCallers.settings = hypothesis_settings(max_examples=40, stateful_step_count=40, deadline=None)
