"""The model of databases that go back (R19): it holds with the rules, and breaks without each of them.

CI goes through one way back to one copy, 90,000 states; `python -m tests.model.rewinds` through two to two, and through
the guards that only two can break.
"""

from __future__ import annotations

import pytest

from tests.model.rewinds import GUARDS, check

ONCE = ("session", "trail")  # broken by one way back to one copy


def test_r19_holds_in_every_state_of_a_database_that_goes_back_once() -> None:
    verdict, count, trace = check()
    assert (verdict, trace) == ("holds", [])
    assert count > 50_000, "the model has lost states"


@pytest.mark.parametrize("guard", ONCE)
def test_r19_breaks_without_its_guard(guard: str) -> None:
    assert guard in GUARDS
    verdict, _, trace = check(guard)
    assert verdict.startswith("R19 ")
    assert any("takes over" in step for step in trace)
