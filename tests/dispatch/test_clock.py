"""The database's clock, as hydra carries it forward, is wrong for a while: nothing is early, nothing late."""

from __future__ import annotations

from random import Random

import pytest
from hydra.clock import CLOCK_BELIEVED_NS, CLOCK_TOLERANCE_US, DatabaseTime, onward

SECOND = 1_000_000
HOUR = 3600 * SECOND
BEAT_NS = 2_000_000_000
BELIEVED_SECONDS = CLOCK_BELIEVED_NS // 1_000_000_000


def beats(time: DatabaseTime, ahead_us: int, seconds: int, from_ns: int) -> int:
    """The database's clock is that far ahead for so long; when that ends."""
    end_ns = from_ns + seconds * 1_000_000_000
    while from_ns < end_ns:
        time.read(ahead_us, from_ns)
        from_ns += BEAT_NS
    return from_ns


def read_for(seconds: int) -> tuple[DatabaseTime, int]:
    time = DatabaseTime(5 * HOUR)
    return time, beats(time, 0, seconds, 0)


def test_the_first_reading_replaces_this_hosts_own_clock() -> None:
    time, _ = read_for(1)
    assert time.offset_us == 0


def test_a_clock_that_is_an_hour_ahead_for_seconds_is_not_followed() -> None:
    time, now_ns = read_for(10)
    for _ in range(5):
        now_ns = beats(time, HOUR, BELIEVED_SECONDS - 2, now_ns)
        assert time.offset_us == 0
        now_ns = beats(time, 0, 4, now_ns)
        assert time.offset_us == 0


def test_a_clock_that_stays_ahead_is_followed() -> None:
    time, now_ns = read_for(10)
    beats(time, HOUR, BELIEVED_SECONDS + 4, now_ns)
    assert time.offset_us == HOUR


def test_a_clock_that_was_ahead_for_long_is_followed_back_at_once_and_no_further() -> None:
    time, now_ns = read_for(10)
    now_ns = beats(time, HOUR, 10 * BELIEVED_SECONDS, now_ns)
    now_ns = beats(time, 0, 1, now_ns)
    assert time.offset_us == 0
    assert onward(now_ns // 1000 + HOUR, now_ns // 1000) == now_ns // 1000, "time does not stand still for an hour"


@pytest.mark.parametrize("seconds", [1, 20, BELIEVED_SECONDS - 2])
def test_a_clock_that_is_set_back_for_seconds_is_not_followed(seconds: int) -> None:
    time, now_ns = read_for(10)
    for _ in range(3):
        now_ns = beats(time, -HOUR, seconds, now_ns)
        assert time.offset_us == 0
        now_ns = beats(time, 0, 4, now_ns)
        assert time.offset_us == 0


def test_a_clock_that_stays_set_back_is_followed_and_the_way_back_from_there_at_once() -> None:
    time, now_ns = read_for(10)
    now_ns = beats(time, -HOUR, 200, now_ns)
    assert time.offset_us == -HOUR
    now_ns = beats(time, 0, 1, now_ns)
    assert time.offset_us == 0
    beats(time, -HOUR, 8, now_ns)
    assert time.offset_us == 0, "a second time it is no more believed than the first"


def test_a_clock_that_was_wrong_for_longer_than_right_is_not_trusted_again_at_once() -> None:
    """Ahead once for so long that it was believed: a second time it is not, however long ago that was."""
    time, now_ns = read_for(10)
    now_ns = beats(time, HOUR, 2 * BELIEVED_SECONDS, now_ns)
    now_ns = beats(time, 0, 4 * BELIEVED_SECONDS, now_ns)
    beats(time, HOUR, 10, now_ns)
    assert time.offset_us == 0


def test_a_slow_reply_takes_nothing_away() -> None:
    time, now_ns = read_for(10)
    time.read(-5 * SECOND, now_ns)
    assert time.offset_us == 0
    time.read(0, now_ns + BEAT_NS)
    assert time.offset_us == 0


def test_small_differences_are_followed_and_time_stands_still_meanwhile() -> None:
    time, now_ns = read_for(10)
    time.read(SECOND, now_ns)
    assert time.offset_us == SECOND
    time.read(0, now_ns)
    assert time.offset_us == 0
    assert onward(10 * SECOND, 9 * SECOND) == 10 * SECOND
    assert onward(10 * SECOND, 10 * SECOND - CLOCK_TOLERANCE_US - 1) < 10 * SECOND


@pytest.mark.parametrize("seed", range(200))
def test_glitches_of_either_way_that_pass_make_nothing_early_or_late_while_work_arrives(seed: int) -> None:
    """A program and a node, each with readings of its own, a clock that jumps either way, timers set all the time."""
    random = Random(seed)
    node, program = DatabaseTime(0), DatabaseTime(0)
    ahead: dict[int, int] = {}
    for third in range(3):
        start = 100 + 250 * third + random.randrange(200)
        jump = HOUR * random.choice((-30, -1, 1, 30))
        ahead |= dict.fromkeys(range(start, start + random.randrange(1, BELIEVED_SECONDS - 4)), jump)
    waiting: list[tuple[int, int]] = []  # due by the clock, truly due, in seconds
    beat = random.choice((1, 2))
    for second in range(1000):
        now_ns, wrong_us = second * 1_000_000_000, ahead.get(second, 0)
        if second % beat == 0:
            node.read(wrong_us, now_ns)
        if second % 3 == 0:
            program.read(wrong_us, now_ns)
        for at, due in list(waiting):
            if at <= second * SECOND + node.offset_us:
                waiting.remove((at, due))
                assert second == due, "neither early nor late"
        if second < 900:
            delay = random.randrange(1, 90)
            waiting.append((second * SECOND + program.offset_us + delay * SECOND, second + delay))
    assert not waiting
