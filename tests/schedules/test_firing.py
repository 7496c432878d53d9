"""What becomes of a schedule's ticks, decided from its row alone: `hydra.schedules.fire` and its kin."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hydra import schedules
from hydra.cron import Cron, tick_key
from hydra.schedules import ScheduleProgress, ScheduleSpec, ScheduleState
from hydra.stores.rows import encode_progress
from hydra.tick_queue import TickRange, add_ticks, count_ticks, take_ticks, to_datetime

MINUTE = 60_000_000
NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000


def state(cron: Cron, mark_at: int = NOON, **fields: object) -> ScheduleState:
    spec = ScheduleSpec.of(cron, None)
    values: dict[str, object] = {"paused_at": None, "progress": ScheduleProgress(), "is_served": True, **fields}
    return ScheduleState("report", spec, 7, mark_at, schedules.next_after(cron, mark_at), **values)  # type: ignore[arg-type]


def waiting(*ticks: int) -> list[TickRange]:
    return add_ticks([], ticks, Cron("0 * * * *"))


def keys(change: schedules.ScheduleChange | None) -> list[str | None]:
    assert change is not None
    return [submission.key for submission in change.submissions]


def test_nothing_happens_before_the_next_tick_or_while_it_is_paused() -> None:
    cron = Cron("0 * * * *")
    assert schedules.fire(state(cron), (), NOON + 59 * MINUTE, "default") is None
    assert schedules.fire(state(cron, paused_at=NOON), (), NOON + 600 * MINUTE, "default") is None


def test_the_decision_is_made_on_a_revision_and_moves_the_mark_to_the_last_tick_it_saw_to() -> None:
    change = schedules.fire(state(Cron("0 * * * *", catch_up="none")), (), NOON + 150 * MINUTE, "default")
    assert change is not None
    assert (change.revision, change.mark_at, change.next_at) == (7, NOON + 120 * MINUTE, NOON + 180 * MINUTE)
    assert (change.submissions, change.progress.skipped_count) == ([], 2)


def test_two_nodes_decide_the_same_and_another_namespace_has_other_ids() -> None:
    row = state(Cron("*/5 * * * *", catch_up="all", overlap="allow", jitter=100))
    one, other, elsewhere = (schedules.fire(row, (), NOON + 32 * MINUTE, name) for name in ("a", "a", "b"))
    assert one is not None and elsewhere is not None
    assert one == other and keys(one) == keys(elsewhere)
    assert {s.id for s in one.submissions}.isdisjoint(s.id for s in elsewhere.submissions)
    assert {UUID(s.id).version for s in one.submissions} == {7}


@pytest.mark.parametrize(
    ("overlap", "queued", "running", "fired", "left", "cancelled", "skipped"),
    [
        ("queue", [], [], 1, 2, 0, 0),
        ("queue", [], ["a"], 0, 3, 0, 0),
        ("queue", [1], [], 1, 3, 0, 0),
        ("skip", [], [], 1, 2, 0, 0),
        ("skip", [], ["a"], 0, 0, 0, 3),
        ("skip", [1, 2], [], 1, 1, 0, 3),
        ("cancel", [], ["a", "b"], 0, 1, 2, 2),
        ("cancel", [1], [], 1, 0, 0, 3),
        ("allow", [], ["a"], 3, 0, 0, 0),
        ("allow", [1], [], 4, 0, 0, 0),
    ],
)
def test_overlap(
    overlap: str, queued: list[int], running: list[str], fired: int, left: int, cancelled: int, skipped: int
) -> None:
    """Three ticks are due at once; `running` has not ended."""
    before = ScheduleProgress(waiting(*(NOON - n * MINUTE for n in queued)), [*running, "ended"])
    row = state(Cron("0 * * * *", catch_up="all", overlap=overlap), progress=before)
    change = schedules.fire(row, running, NOON + 180 * MINUTE, "default")
    assert change is not None
    after = change.progress
    counts = (len(change.submissions), count_ticks(after.queue), len(change.cancels), after.skipped_count)
    assert counts == (fired, left, cancelled, skipped)
    assert len(queued) + 3 == fired + left + skipped
    assert "ended" not in after.running


def test_ten_thousand_ticks_wait_behind_one_execution_in_a_row_that_stays_small() -> None:
    row = state(Cron("* * * * *"), progress=ScheduleProgress(running=["parked"]))
    tick_count = 10_000
    for now in range(NOON + MINUTE, NOON + tick_count * MINUTE + 1, MINUTE):
        change = schedules.fire(row, ["parked"], now, "default")
        assert change is not None
        row = msgspec.structs.replace(row, mark_at=change.mark_at, progress=change.progress)
    assert count_ticks(row.progress.queue) == tick_count and row.progress.skipped_count == 0
    assert len(encode_progress(row.progress)) < 400
    taken, left = take_ticks(row.progress.queue, 3)
    assert taken == [NOON + n * MINUTE for n in (1, 2, 3)] and count_ticks(left) == tick_count - 3


def test_ticks_of_an_older_expression_wait_as_they_were() -> None:
    queue = add_ticks(waiting(NOON, NOON + 60 * MINUTE), [NOON + 61 * MINUTE, NOON + 62 * MINUTE], Cron("* * * * *"))
    assert [each.count for each in queue] == [2, 2]
    taken, left = take_ticks(queue, 10)
    assert taken == [NOON + n * MINUTE for n in (0, 60, 61, 62)] and left == []


def test_a_jitter_longer_than_the_time_between_ticks_passes_over_none_of_them() -> None:
    row = state(Cron("0 * * * *", overlap="allow", jitter=timedelta(hours=8)))
    fired: list[str | None] = []
    while len(fired) < 24:
        now = schedules.looks_at(row)
        assert now is not None
        change = schedules.fire(row, (), now, "default")
        assert change is not None
        fired += keys(change)
        row = msgspec.structs.replace(row, mark_at=change.mark_at, progress=change.progress)
    assert fired[:24] == [tick_key(to_datetime(NOON + n * 60 * MINUTE)) for n in range(1, 25)]
    assert row.progress.skipped_count == 0


def test_a_schedule_taken_out_of_its_apps_code_fires_no_old_ticks_when_it_comes_back() -> None:
    spec = ScheduleSpec.of(Cron("0 * * * *", catch_up="all"), None, "billing")
    row = msgspec.structs.replace(state(Cron("0 * * * *")), spec=spec, is_served=False)
    assert schedules.retire(row, "infrastructure", [], NOON) is None, "of another app, which may be down"
    assert schedules.retire(row, "", [], NOON) is None
    assert schedules.retire(row, "billing", ["report"], NOON) is None, "it is there"
    assert schedules.retire(msgspec.structs.replace(row, is_served=True), "billing", [], NOON) is None
    gone = schedules.retire(row, "billing", [], NOON)
    assert gone is not None and gone.mark_at == row.mark_at
    year = NOON + 365 * 1440 * MINUTE
    back = schedules.fire(msgspec.structs.replace(row, progress=gone.progress), (), year, "default")
    assert back is not None and (back.submissions, back.mark_at, back.progress.retired_at) == ([], year, None)


def test_a_waiting_tick_runs_when_what_ran_has_ended_without_a_new_tick() -> None:
    row = state(Cron("0 * * * *"), progress=ScheduleProgress(waiting(NOON), ["a"], NOON - MINUTE, "a"))
    assert schedules.fire(row, ["a"], NOON + MINUTE, "default") is None
    change = schedules.fire(row, [], NOON + MINUTE, "default")
    assert keys(change) == [tick_key(to_datetime(NOON))]
    assert change is not None and change.mark_at == NOON and change.progress.last_tick_at == NOON


def test_a_pause_and_its_end_move_no_tick_and_pass_over_those_between() -> None:
    row = state(Cron("0 * * * *", catch_up="all"))
    paused = schedules.pause(row, NOON + MINUTE)
    assert paused is not None and (paused.mark_at, paused.paused_at) == (NOON, NOON + MINUTE)
    assert schedules.resume(row, NOON) is None
    back = schedules.resume(state(Cron("0 * * * *", catch_up="all"), paused_at=NOON), NOON + 150 * MINUTE)
    assert back is not None
    assert (back.mark_at, back.next_at, back.paused_at) == (NOON + 150 * MINUTE, NOON + 180 * MINUTE, None)


@pytest.mark.parametrize("seed", range(30))
def test_late_ticks_searched_backwards_are_those_found_forwards(seed: int) -> None:
    chance = random.Random(seed)
    expression = chance.choice(
        ["* * * * *", "7 */3 * * *", "30 2 * * *", "0 6 1 * *", "*/10 9-17 * * 1-5", "0 0 29 2 *"]
    )
    zone = chance.choice(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
    jitter = chance.choice([0, 30, 4000])
    maximum = chance.choice([1, 3, 100])
    cron = Cron(expression, zone, "all", maximum, jitter=jitter)
    after = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(400_000))
    now = after + timedelta(seconds=chance.randrange(10 ** chance.randrange(1, 8)))
    found = []
    tick = cron.next_tick(after)
    while tick is not None and tick <= now and cron.fires_at(tick, "report") <= now:
        found.append(tick)
        tick = cron.next_tick(tick)
        if len(found) > 20_000:
            break
    if tick is None or len(found) <= 20_000:
        late = cron.late_ticks(after, now, "report")
        assert late == found[len(found) - len(late) :] and len(late) >= min(maximum, len(found))
        assert cron.due_ticks(after, now, "report") == cron.choose(found, now, "report")


def test_ten_years_without_a_node_are_searched_in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    genuine = Cron.next_tick
    monkeypatch.setattr(Cron, "next_tick", lambda self, after: asked.append(after) or genuine(self, after))
    cron = Cron("* * * * *", catch_up="all")
    now = datetime(2036, 1, 1, tzinfo=UTC)
    assert cron.late_ticks(datetime(2026, 1, 1, tzinfo=UTC), now)[-1] == now
    assert len(asked) < 1000


def test_jitter_is_the_same_for_a_tick_on_every_node_and_parts_schedules() -> None:
    cron = Cron("0 * * * *", jitter=600)
    tick = to_datetime(NOON)
    assert cron.fires_at(tick, "a") == Cron("0 * * * *", jitter=timedelta(minutes=10)).fires_at(tick, "a")
    assert len({cron.fires_at(tick, name) for name in "abcdef"}) > 1
    assert all(tick <= cron.fires_at(tick, name) <= tick + timedelta(minutes=10) for name in "abcdef")


def test_an_instant_beyond_the_calendar_is_its_last_one() -> None:
    assert to_datetime(1 << 62).year == 9999 and to_datetime(-(1 << 62)).year == 1
