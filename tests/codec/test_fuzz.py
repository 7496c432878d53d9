"""G3, G10: the fuzzers of values for a moment; `python -m tests.codec.fuzz --minutes 60` runs them for long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.codec.fuzz_values import CHECKS

CALM = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", CHECKS)
@given(st.data())
@CALM
def test_g10_a_fuzzer_finds_nothing(name: str, data: st.DataObject) -> None:
    strategy, check = CHECKS[name]
    drawn: Any = data.draw(strategy)
    check(drawn)
