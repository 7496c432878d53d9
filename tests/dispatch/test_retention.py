"""What a node deletes of what has ended: whose rule holds, who sweeps, how far a walk has come. Pure."""

from __future__ import annotations

import pytest
from hydra.dispatch import retention
from hydra.dispatch.retention import (
    LATEST_AGAIN_US,
    OVERFLOW_AGAIN_US,
    SOONEST_AGAIN_US,
    WAITED_SHARE,
    WALK_AGAIN_US,
    Look,
    Waiting,
    Walk,
    ages_of,
    due_of,
    pause_seconds,
    swept_by,
)
from hydra.stores.sweeping import Finished, Member, chosen_members, still_as_seen
from hydra.stores.workflow_info import WorkflowInfo
from hypothesis import given
from hypothesis import strategies as st

DAY = 86_400_000_000
NOW = 1_800_000_000_000_000


def workflow(name: str, retention: dict[str, int | None], *, is_served: bool = True) -> WorkflowInfo:
    return WorkflowInfo(name, b"", None, "", is_served=is_served, retention=retention)


def test_a_workflows_own_rule_goes_before_the_nodes_outcome_by_outcome() -> None:
    bill = workflow("bill", {"completed": 7 * DAY, "failed": None})
    other, elsewhere = workflow("other", {}), workflow("elsewhere", {}, is_served=False)
    ages = ages_of([bill, other, elsewhere], {"completed": 30 * DAY, "failed": 30 * DAY, "cancelled": None})
    assert ages == {("bill", "completed"): 7 * DAY, ("other", "completed"): 30 * DAY, ("other", "failed"): 30 * DAY}
    assert ages_of([other], {}) == {}


def test_of_the_nodes_that_run_a_workflow_the_newest_sweeps_it() -> None:
    ages = {("bill", "failed"): DAY, ("other", "failed"): DAY}
    servers = {"bill": ["node-1", "node-3"], "other": ["node-2"]}
    assert swept_by("node-3", ages, servers) == {("bill", "failed"): DAY}
    assert swept_by("node-1", ages, servers) == {}
    assert swept_by("node-2", ages, {}) == {}


def test_each_age_has_a_walk_that_goes_on_and_begins_again_after_hours() -> None:
    ages, walk = {("bill", "completed"): DAY, ("bill", "failed"): 2 * DAY, ("other", "failed"): DAY}, Walk()
    look = walk.next(ages, NOW)
    assert look == Look(DAY, (0, ""), NOW - DAY)
    ends = [Finished("a", "bill", "completed", 5), Finished("b", "bill", "failed", 9)]
    walk.seen(look, ends)
    again = walk.next(ages, NOW)
    assert again == Look(DAY, (9, "b"), NOW - DAY)
    walk.seen(again, [])
    older = walk.next(ages, NOW)
    assert older == Look(2 * DAY, (0, ""), NOW - 2 * DAY)
    walk.seen(older, [])
    assert walk.next(ages, NOW) is None
    assert walk.next(ages, NOW + 1) == Look(DAY, (NOW - DAY, ""), NOW + 1 - DAY)
    assert walk.next(ages, NOW + WALK_AGAIN_US) == Look(DAY, (0, ""), NOW + WALK_AGAIN_US - DAY)
    assert due_of(ends, DAY, ages) == ends[:1]


def test_a_batch_is_followed_by_a_pause_that_bounds_rate_and_time() -> None:
    assert pause_seconds(100, 0.001, is_idle=True) == pytest.approx(0.1)
    assert pause_seconds(100, 0.001, is_idle=False) == pytest.approx(0.5)
    assert pause_seconds(100, 1.0, is_idle=True) == pytest.approx(9.0)


def test_only_whole_trees_that_are_as_they_were_seen_go() -> None:
    members = chosen_members(["r1", "r2"], [("r1", "c1")], 10)
    assert members == [Member("c1", "r1"), Member("r1", "r1"), Member("r2", "r2")]
    ends = {"c1": 4, "r1": 5, "r2": 6}
    assert still_as_seen(members, ends, {"r1", "r2"}, 9) == members
    assert still_as_seen(members, ends, {"r2"}, 9) == members[2:]
    assert still_as_seen(members, {**ends, "c1": 9}, {"r1", "r2"}, 9) == members[2:]  # it ended again since
    assert still_as_seen(members, {"r1": 5, "r2": 6}, {"r1", "r2"}, 9) == members[2:]  # it goes on
    part = [Member("c1", "r1")]
    assert still_as_seen(part, {"c1": 4, "r1": 9}, {"r1"}, 9) == []


@given(st.lists(st.integers(0, 7 * DAY), min_size=1, max_size=30), st.integers(1, 10))
def test_what_had_to_wait_goes_soon_after_its_tree_has_ended_and_is_looked_at_seldom(
    open_us: list[int], limit: int
) -> None:
    """Each tree's last part ends so long after the walk came past; a node looks every five seconds (here: whenever one
    is due)."""
    waiting, ages = Waiting(), {("bill", "completed"): DAY}
    ends = [Finished(f"e{n}", "bill", "completed", n) for n in range(len(open_us))]
    assert waiting.put(ends, DAY, NOW) == []
    open_until = {end.id: NOW + us for end, us in zip(ends, open_us, strict=True)}
    looks = dict.fromkeys(open_until, 0)
    while open_until:
        now = min(each.again_at for each in waiting._by_id.values())
        while taken := waiting.take(ages, now, limit):
            assert len(taken) <= limit
            for end in taken:
                looks[end.id] += 1
                if open_until[end.id] <= now:
                    late = now - open_until.pop(end.id)
                    assert late <= max(SOONEST_AGAIN_US, min((now - NOW) // WAITED_SHARE, LATEST_AGAIN_US))
                    waiting.forget([end.id])
    assert not waiting._by_id
    assert max(looks.values()) <= 7 * DAY // LATEST_AGAIN_US + 50


def test_what_waits_is_forgotten_with_its_rule_and_waits_anew_when_it_ended_again() -> None:
    waiting, ages = Waiting(), {("bill", "completed"): DAY}
    end = Finished("a", "bill", "completed", 5)
    waiting.put([end], DAY, NOW)
    assert waiting.take(ages, NOW, 9) == []
    waiting.put([Finished("a", "bill", "completed", 6)], DAY, NOW + 1)
    assert waiting.take(ages, NOW + SOONEST_AGAIN_US, 9) == []
    assert waiting.take({("bill", "completed"): 2 * DAY}, NOW + DAY, 9) == []
    assert waiting.take(ages, NOW + DAY, 9) == [], "its rule was another"


def test_an_end_whose_transaction_commits_behind_the_walk_is_met_by_the_next() -> None:
    """With a short age the walk is close behind what is being written: a slow commit shows an end it has passed."""
    ages, walk = {("bill", "completed"): 10_000}, Walk()
    look = walk.next(ages, NOW)
    assert look is not None
    walk.seen(look, [])
    late = NOW - 30_000  # it ended before what the walk has come past, and is shown only now
    walk.step_back(NOW + 20_000)
    again = walk.next(ages, NOW + 20_000)
    assert again is not None and again.after[0] < late < again.until
    walk.seen(again, [])
    assert walk.next(ages, NOW + 20_000) is None, "a walk ends"
    ages = {("bill", "completed"): DAY}
    far = Walk()
    look = far.next(ages, NOW)
    assert look is not None
    far.seen(look, [])
    far.step_back(NOW)
    assert far.next(ages, NOW) is None, "what has been over for a day has been seen for long"


def test_the_walk_goes_back_for_what_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_WAITING", 1)
    waiting, walk, ages = Waiting(), Walk(), {("bill", "completed"): DAY}
    ends = [Finished(id, "bill", "completed", at) for id, at in (("a", 5), ("b", 7), ("c", 9))]
    look = walk.next(ages, NOW)
    assert look is not None
    missed = waiting.put(ends, DAY, NOW)
    assert missed == ends[1:]
    walk.seen(look, ends)
    walk.missed(look, missed, NOW)
    walk.seen(look, [])
    assert walk.next(ages, NOW) is None
    later = NOW + OVERFLOW_AGAIN_US
    assert walk.next(ages, later) == Look(DAY, (6, ""), later - DAY)
