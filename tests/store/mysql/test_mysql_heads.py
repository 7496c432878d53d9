"""A claim's cost does not grow with the rows claimed before it, also while an old snapshot keeps them all."""

from __future__ import annotations

import pytest
from hydra import _core
from hydra.execution import Submission
from hydra.stores.mysql import heads
from mysql_stage import MysqlStage
from racing import NOW, submission


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(heads, "time", clock)
    return clock


def slowed(looks: int = heads.SLOW_LOOKS) -> heads.Heads:
    seen = heads.Heads()
    for _ in range(looks):
        seen.compare(full_seconds=0.02, bounded_seconds=0.001)
    return seen


def test_looks_are_from_the_start_until_that_proves_slow_again_and_again(clock: Clock) -> None:
    assert slowed(heads.SLOW_LOOKS - 1).is_full_look_due()
    assert not slowed().is_full_look_due()


def test_a_busy_machine_that_makes_every_look_slow_changes_nothing(clock: Clock) -> None:
    seen = slowed(heads.SLOW_LOOKS - 1)
    seen.compare(full_seconds=0.02, bounded_seconds=0.01)
    seen.compare(full_seconds=0.02, bounded_seconds=0.001)
    assert seen.is_full_look_due()


def test_looks_from_the_start_keep_their_share_of_the_time(clock: Clock) -> None:
    seen = slowed()
    clock.now += 0.02 / heads.FULL_LOOK_SHARE
    assert seen.is_full_look_due()
    seen.compare(full_seconds=60.0, bounded_seconds=0.001)
    clock.now += heads.MAX_PAUSE_SECONDS
    assert seen.is_full_look_due()


def test_one_quick_look_from_the_start_ends_it(clock: Clock) -> None:
    seen = slowed()
    seen.compare(full_seconds=0.001, bounded_seconds=0.001)
    assert seen.is_full_look_due()


def test_a_look_past_the_head_begins_at_the_first_row_of_each_priority(clock: Clock) -> None:
    seen = heads.Heads()
    assert seen.bounds("bill") == "false"
    seen.saw("bill", [(0, 5, b"a"), (0, 6, b"b"), (3, 1, b"c")])
    bounds = seen.bounds("bill")
    assert "negated_priority = 0 and run_at = 5 and id >= x'61'" in bounds
    assert "negated_priority = 3 and run_at > 1" in bounds


def test_who_found_too_little_past_the_head_is_told_when_to_look_again(clock: Clock) -> None:
    seen = slowed()
    assert seen.look_again_seconds() is None
    seen.came_up_short()
    assert seen.look_again_seconds() == pytest.approx(0.02 / heads.FULL_LOOK_SHARE)
    clock.now += 0.02 / heads.FULL_LOOK_SHARE
    assert seen.look_again_seconds() == 0
    assert seen.look_again_seconds() is None


def test_what_lies_before_the_known_head_is_claimed_after_a_hint(stage: MysqlStage) -> None:
    stage.submit()
    assert len(stage.claim_a()) == 1
    for _ in range(heads.SLOW_LOOKS):
        stage.a._heads.compare(full_seconds=0.02, bounded_seconds=0.001)
    stage.a._heads._full_look_at += 1000.0
    early = Submission(_core.uuid7(), "bill", b"input", b"d" * 16, run_at=NOW - 5)
    while stage.a.wait_for_change(0.0):
        pass
    stage.b.submit([early], NOW)
    assert stage.claim_a() == []  # its look started behind it
    stage.a._heads._full_look_at -= 1000.0
    stage.a._heads.came_up_short()
    found: list[str] = []
    while not found:
        assert stage.a.wait_for_change(20)
        found += [execution.id for execution in stage.claim_a()]
    assert found == [early.id]


def test_a_new_priority_does_not_wait_for_a_look_from_the_start(stage: MysqlStage) -> None:
    stage.submit(3)
    assert len(stage.claim_a(1)) == 1
    for _ in range(heads.SLOW_LOOKS):
        stage.a._heads.compare(full_seconds=0.02, bounded_seconds=0.001)
    stage.a._heads._full_look_at = float("inf")
    urgent, urgent_next, between, below = (submission(priority=priority) for priority in (7, 7, 3, -1))
    stage.b.submit([below, between, urgent_next], NOW + 1)
    stage.b.submit([urgent], NOW)
    found = [execution.id for _ in range(6) for execution in stage.claim_a(1)]
    assert found[:3] == [urgent.id, urgent_next.id, between.id]
    assert found[5] == below.id


def test_a_look_behind_the_head_is_a_range_in_the_queues_own_order(stage: MysqlStage) -> None:
    stage.a.submit([submission() for _ in range(1001)], NOW)  # in a table of few rows MySQL scans
    stage.claim_a(1)
    seen = stage.a._heads
    for _ in range(heads.SLOW_LOOKS):
        seen.compare(full_seconds=0.02, bounded_seconds=0.001)
    seen._full_look_at = float("inf")
    (plan,) = stage.raw.explain(
        "select id from hydra_ready force index (primary) where namespace = 'default' and workflow = 'bill' "
        f"and {seen.bounds('bill')} order by negated_priority, run_at, id limit 10 for update skip locked"
    )
    assert plan["type"] in ("range", "ref") and "filesort" not in (plan["extra"] or "")
    for gap in seen.gaps("bill"):
        (plan,) = stage.raw.explain(
            "select id from hydra_ready force index (primary) where namespace = 'default' and workflow = 'bill' "
            f"and {gap} order by negated_priority, run_at, id limit 1"
        )
        assert plan["table"] is None or plan["type"] in ("range", "ref")
    assert len(stage.claim_a(10)) == 10
