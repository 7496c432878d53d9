"""A claim's cost does not grow with the rows claimed before it, also while an old snapshot keeps them all."""

from __future__ import annotations

import pytest
from hydra import _core
from hydra.execution import Submission
from hydra.stores.mysql import heads

from tests.stores.mysql_stage import MysqlStage
from tests.stores.racing import NOW, submission


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


SLOW, QUICK = 10 * heads.SLOW_SECONDS, heads.SLOW_SECONDS / 10


def look(seen: heads.Heads, seconds: float, seconds_past: float = QUICK) -> None:
    """As a claim does that reads from the start."""
    if seen.looked(seconds):
        seen.looked_past(seconds_past)


def slowed(looks: int = 2 * heads.LOOKS - 1) -> heads.Heads:
    seen = heads.Heads()
    for _ in range(looks):
        look(seen, SLOW)
    return seen


def slow_down(seen: heads.Heads) -> None:
    """What a node remembers has it look past the head from now on."""
    seen._full.extend([SLOW] * heads.LOOKS)
    seen._bounded.extend([QUICK] * heads.LOOKS)


def test_looks_are_from_the_start_until_that_proves_slow_again_and_again(clock: Clock) -> None:
    assert slowed(2 * heads.LOOKS - 2).is_full_look_due()
    assert not slowed().is_full_look_due()


def test_a_busy_machine_that_makes_every_look_slow_changes_nothing(clock: Clock) -> None:
    seen = heads.Heads()
    for _ in range(4 * heads.LOOKS):
        look(seen, SLOW, seconds_past=SLOW / 2)
    assert seen.is_full_look_due()


def test_looks_that_gain_nothing_are_compared_once_in_a_while(clock: Clock) -> None:
    seen = heads.Heads()
    compared = 0
    for _ in range(10 * heads.LOOKS):
        if seen.looked(SLOW):
            seen.looked_past(SLOW)
            compared += 1
    assert compared < 3 * heads.LOOKS
    for _ in range(heads.LOOKS**2):
        look(seen, SLOW, seconds_past=QUICK)
    assert not seen.is_full_look_due()


def test_a_busy_machine_that_makes_most_looks_slow_compares_none(clock: Clock) -> None:
    seen = heads.Heads()
    for number in range(4 * heads.LOOKS):
        assert not seen.looked(SLOW if number % heads.LOOKS else QUICK)


def test_a_look_past_the_head_that_was_held_up_does_not_hide_what_others_gained(clock: Clock) -> None:
    seen = heads.Heads()
    for number in range(2 * heads.LOOKS):
        look(seen, SLOW, seconds_past=SLOW if number % 2 else QUICK)
    assert not seen.is_full_look_due()


def test_looks_from_the_start_keep_their_share_of_the_time(clock: Clock) -> None:
    seen = slowed()
    clock.now += SLOW / heads.FULL_LOOK_SHARE
    assert seen.is_full_look_due()
    look(seen, 60.0)
    assert not seen.is_full_look_due()
    clock.now += heads.MAX_PAUSE_SECONDS
    assert seen.is_full_look_due()


def test_one_quick_look_from_the_start_ends_it(clock: Clock) -> None:
    seen = slowed()
    look(seen, QUICK)
    assert seen.is_full_look_due()


def test_looks_past_a_head_that_gain_nothing_any_more_end_it(clock: Clock) -> None:
    seen = slowed()
    for _ in range(heads.LOOKS):
        assert not seen.is_full_look_due()
        seen.looked_past(SLOW)
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
    assert seen.look_again_seconds() == pytest.approx(SLOW / heads.FULL_LOOK_SHARE)
    clock.now += SLOW / heads.FULL_LOOK_SHARE
    assert seen.look_again_seconds() == 0
    assert seen.look_again_seconds() is None


def test_what_lies_before_the_known_head_is_claimed_after_a_hint(stage: MysqlStage) -> None:
    stage.submit()
    assert len(stage.claim_a()) == 1
    slow_down(stage.a._heads)
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


def test_a_new_priority_waits_for_the_next_look_from_the_start_and_goes_first(stage: MysqlStage) -> None:
    stage.submit(3)
    assert len(stage.claim_a(1)) == 1
    slow_down(stage.a._heads)
    stage.a._heads._full_look_at = float("inf")
    urgent, urgent_next, between, below = (submission(priority=priority) for priority in (7, 7, 3, -1))
    stage.b.submit([below, between, urgent_next], NOW + 1)
    stage.b.submit([urgent], NOW)
    (known,) = stage.claim_a(1)
    assert known.priority == 0
    found: list[str] = []
    for _ in range(5):
        stage.a._heads._full_look_at = 0.0
        found += [execution.id for execution in stage.claim_a(1)]
    assert found[:3] == [urgent.id, urgent_next.id, between.id]
    assert found[4] == below.id


def test_a_look_past_the_head_reads_none_of_the_rows_that_an_old_snapshot_keeps(stage: MysqlStage) -> None:
    """Counted in the pages that it asks for: to the server, rows that are marked as deleted are no rows."""
    stage.submit(60)
    marked = ", ".join(f"('default', 'bill', 0, 1, unhex('{number:032x}'))" for number in range(40_000))
    stage.raw.run(f"insert into hydra_ready values {marked}")
    with stage.other.snapshot():
        stage.raw.run("delete from hydra_ready where namespace = 'default' and workflow = 'bill' and run_at = 1")
        from_the_start = min(page_requests_of_a_claim(stage) for _ in range(3))
        slow_down(stage.a._heads)
        stage.a._heads._full_look_at = float("inf")
        past_them = min(page_requests_of_a_claim(stage) for _ in range(3))
    assert from_the_start - past_them > 100, (from_the_start, past_them)


def page_requests_of_a_claim(stage: MysqlStage) -> int:
    name = "innodb_buffer_pool_read_requests"
    before = stage.server_count(name)
    assert len(stage.claim_a(10)) == 10
    return stage.server_count(name) - before


def test_a_look_behind_the_head_is_a_range_in_the_queues_own_order(stage: MysqlStage) -> None:
    stage.a.submit([submission() for _ in range(1001)], NOW)  # in a table of few rows MySQL scans
    stage.claim_a(1)
    seen = stage.a._heads
    slow_down(seen)
    seen._full_look_at = float("inf")
    (plan,) = stage.raw.explain(
        "select id from hydra_ready force index (primary) where namespace = 'default' and workflow = 'bill' "
        f"and {seen.bounds('bill')} order by negated_priority, run_at, id limit 10 for update skip locked"
    )
    assert plan["type"] in ("range", "ref") and "filesort" not in (plan["extra"] or "")
    assert len(stage.claim_a(10)) == 10
