"""The clock that a worker reads from its node's lease page is the one that `hydra.clock` describes."""

from __future__ import annotations

import pytest
from hydra.clock import CLOCK_TOLERANCE_US, LeasePage, boottime_ns, onward
from hypothesis import given
from hypothesis import strategies as st

FAR_NS = 1 << 62
HOUR_US = 3_600_000_000


@given(st.lists(st.integers(-2 * CLOCK_TOLERANCE_US, 2 * CLOCK_TOLERANCE_US), max_size=12))
def test_time_goes_on_from_one_reading_to_the_next_as_onward_has_it(offsets: list[int]) -> None:
    page, last = LeasePage.create(), 0
    for offset_us in offsets:
        page.set(FAR_NS, HOUR_US + offset_us)
        before = onward(last, boottime_ns() // 1000 + HOUR_US + offset_us)
        now = page.now()
        assert before <= now <= onward(last, boottime_ns() // 1000 + HOUR_US + offset_us)
        last = now
    page.close()


def test_r5_nothing_starts_past_the_deadline_of_the_page() -> None:
    page = LeasePage.create()
    assert not page.may_start()
    page.set(FAR_NS, 0)
    assert page.may_start()
    page.set(boottime_ns() - 1, 0)
    assert not page.may_start()
    page.close()


def test_a_page_that_is_closed_is_read_no_more() -> None:
    page = LeasePage.create()
    page.close()
    for read in (page.now, page.may_start):
        with pytest.raises(ValueError, match="released"):
            read()
