"""A claim's cost does not grow with the rows claimed before it, also while an old snapshot keeps them all."""

from __future__ import annotations

import pytest
from hydra import _core
from hydra.execution import Submission
from hydra.stores.mysql import heads
from mysql_racing import NOW, Stage, submission


class SlowLook:
    """A clock on which each look from the start takes a second."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SlowLook:
    clock = SlowLook()
    monkeypatch.setattr(heads, "time", clock)
    return clock


def test_after_a_slow_look_the_next_ones_start_where_the_queue_began(clock: SlowLook) -> None:
    seen = heads.Heads()
    assert seen.bounds("bill") == "true"
    seen.saw("bill", [(0, 5, b"a"), (0, 6, b"b"), (3, 1, b"c")], seconds=0.01)
    bounds = seen.bounds("bill")
    assert "negated_priority = 0 and run_at = 5 and id >= x'61'" in bounds
    assert "negated_priority = 3 and run_at > 1" in bounds
    clock.now += 0.21  # a hundredth of a second is a twentieth of that
    assert seen.bounds("bill") == "true"


def test_a_look_from_the_start_is_never_put_off_for_long(clock: SlowLook) -> None:
    seen = heads.Heads()
    seen.saw("bill", [(0, 5, b"a")], seconds=60.0)
    clock.now += heads.MAX_PAUSE_SECONDS
    assert seen.bounds("bill") == "true"


def test_who_found_too_little_is_told_when_to_look_again(clock: SlowLook) -> None:
    seen = heads.Heads()
    seen.bounds("bill")
    seen.saw("bill", [], seconds=0.01)
    seen.came_up_short(["bill"])
    assert seen.look_again_seconds() is None  # it had looked from the start
    seen.bounds("bill")
    seen.came_up_short(["bill"])
    assert seen.look_again_seconds() == pytest.approx(0.2)
    clock.now += 0.2
    assert seen.look_again_seconds() == 0
    assert seen.look_again_seconds() is None


def test_what_lies_before_the_known_head_is_claimed_after_a_hint(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "FULL_LOOK_SHARE", 1e-6)  # every look counts as slow
    stage.submit()
    assert len(stage.claim_a()) == 1
    early = Submission(_core.uuid7(), "bill", b"input", b"d" * 16, run_at=NOW - 5)
    urgent = submission(priority=7)
    while stage.a.wait_for_change(0.0):
        pass
    stage.b.submit([early, urgent], NOW)
    assert stage.claim_a() == []  # its look started behind both
    found: list[str] = []
    while len(found) < 2:
        assert stage.a.wait_for_change(20)
        found += [execution.id for execution in stage.claim_a()]
    assert found == [urgent.id, early.id]


def test_a_look_behind_the_head_is_a_range_in_the_queues_own_order(stage: Stage) -> None:
    stage.submit(3)
    stage.claim_a(1)
    seen = stage.a._heads
    seen._full_look_at["bill"] = float("inf")
    (plan,) = stage.raw.run(
        "explain select id from hydra_ready force index (primary) where namespace = 'default' and workflow = 'bill' "
        f"and {seen.bounds('bill')} order by negated_priority, run_at, id limit 10 for update skip locked"
    )
    assert plan[3] in ("range", "ref") and "filesort" not in (plan[9] or "")
    assert len(stage.claim_a(10)) == 2
