"""Selection from Python: the order is the one that sorting gives."""

from __future__ import annotations

import pytest
from hydra import _core
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 5), st.integers(0, 2))), st.integers(0, 20))
def test_the_larger_priority_runs_first_then_the_older(candidates: list[tuple[int, int, int]], slots: int) -> None:
    priorities, run_ats, groups = (
        (list(column) for column in zip(*candidates, strict=True)) if candidates else ([],) * 3
    )
    expected = sorted(range(len(candidates)), key=lambda index: (-priorities[index], run_ats[index]))[:slots]
    assert _core.select(priorities, run_ats, groups, slots) == expected


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), max_size=6), st.lists(st.integers(0, 8), max_size=20))
def test_runs_go_to_the_least_loaded_worker_that_may_hold_them(workers: list[tuple[int, int]], caps: list[int]) -> None:
    loads, limits = [load for load, _ in workers], [limit for _, limit in workers]
    chosen = _core.assign(list(loads), list(limits), caps)
    for cap, worker in zip(caps, chosen, strict=True):
        fitting = [w for w in range(len(loads)) if loads[w] < min(limits[w], cap)]
        assert worker == min(fitting, key=lambda w: loads[w], default=-1)
        if worker >= 0:
            loads[worker] += 1
            limits[worker] = min(limits[worker], cap)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        _core.select([1], [], [], 1)
    with pytest.raises(ValueError, match="differ in length"):
        _core.assign([1], [], [])
