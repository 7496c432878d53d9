"""Schedules through `Harness`: the real node, dispatcher and store, under a clock the test moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import hydra
import pytest
from hydra.execution import Status
from hydra.testing import Harness

DAY = timedelta(days=1)


def scheduled(cron: hydra.Cron) -> list[str]:
    """Define a workflow of that schedule; the ticks it ran for, in order, and the list grows."""
    ran: list[str] = []

    @hydra.workflow(schedule=cron)
    def report() -> None:
        ran.append(hydra.current().tags["tick"])

    return ran


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_schedule_fires_at_every_tick_and_the_workflow_is_told_which(harness: Harness) -> None:
    ran = scheduled(hydra.Cron("0 6 * * *"))
    start = harness.clock.now_datetime()
    harness.advance(timedelta(days=90))
    first = start.replace(hour=6, minute=0, second=0, microsecond=0) + (DAY if start.hour >= 6 else timedelta())
    assert ran == [(first + n * DAY).isoformat() for n in range(90)]
    executions = harness.engine.executions(workflow="report", limit=1000)
    assert len(executions) == 90
    assert all(one.submitted_at.isoformat() == one.tags["tick"] for one in executions)
    assert harness.engine.find("report", key=f"hydra.tick:{first:%Y-%m-%dT%H:%MZ}").status() == "completed"
    assert harness.engine.audit() == []


def test_ticks_fire_in_the_year_9999_and_end_with_it(harness: Harness) -> None:
    harness.advance(datetime(9999, 11, 15, tzinfo=UTC))
    ran = scheduled(hydra.Cron("0 0 1 * *", timezone="Europe/Berlin"))
    harness.advance(datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    assert ran == ["9999-11-30T23:00:00+00:00"]


def spans(harness: Harness) -> list[tuple[str, str, str]]:
    """Of each execution its tick, its start and its end, as hours and minutes."""
    found = sorted(harness.engine.executions(workflow="slow", limit=1000), key=lambda one: one.tags["tick"])
    return [
        (
            one.tags["tick"][11:16],
            f"{one.started_at:%H:%M}" if one.started_at else "never",
            f"{one.status} {one.finished_at:%H:%M}" if one.finished_at else one.status.value,
        )
        for one in found
    ]


def slow_hourly(harness: Harness, overlap: str, minutes: int = 90, **options: object) -> None:
    """A workflow that takes longer than its schedule's hour; the clock stands at noon."""
    harness.clock.move_to(int(at("2026-06-01T12:00Z").timestamp() * 1e6))

    @hydra.workflow(schedule=hydra.Cron("0 * * * *", overlap=overlap, **options))  # type: ignore[arg-type]
    def slow() -> None:
        hydra.sleep(timedelta(minutes=minutes))


def test_overlap_queue_runs_every_tick_one_after_the_other(harness: Harness) -> None:
    slow_hourly(harness, "queue")
    harness.advance(timedelta(hours=4))
    assert spans(harness) == [
        ("13:00", "13:00", "completed 14:30"),
        ("14:00", "14:30", "completed 16:00"),
        ("15:00", "16:00", "sleeping"),
    ]
    assert harness.engine.schedules()[0].queued_count == 1


def test_overlap_skip_passes_over_what_comes_while_one_runs(harness: Harness) -> None:
    slow_hourly(harness, "skip")
    harness.advance(timedelta(hours=4))
    assert spans(harness) == [("13:00", "13:00", "completed 14:30"), ("15:00", "15:00", "sleeping")]
    assert harness.engine.schedules()[0].skipped_count == 2


def test_overlap_cancel_ends_the_older_before_the_newer_starts(harness: Harness) -> None:
    slow_hourly(harness, "cancel")
    harness.advance(timedelta(hours=3))
    assert spans(harness) == [
        ("13:00", "13:00", "cancelled 14:00"),
        ("14:00", "14:00", "cancelled 15:00"),
        ("15:00", "15:00", "sleeping"),
    ]


def test_overlap_allow_runs_them_beside_each_other(harness: Harness) -> None:
    slow_hourly(harness, "allow")
    harness.advance(timedelta(hours=3))
    assert spans(harness) == [
        ("13:00", "13:00", "completed 14:30"),
        ("14:00", "14:00", "sleeping"),
        ("15:00", "15:00", "sleeping"),
    ]


@pytest.mark.parametrize(
    ("catch_up", "ticks"),
    [("none", []), ("last", ["18:00"]), ("all", ["16:00", "17:00", "18:00"])],
)
@pytest.mark.parametrize("overlap", ["queue", "skip", "allow"])
def test_catching_up_after_months_without_a_node(
    harness: Harness, catch_up: str, ticks: list[str], overlap: str
) -> None:
    slow_hourly(harness, overlap, minutes=1, catch_up=catch_up, catch_up_maximum=3)
    harness.advance(timedelta(hours=1, minutes=1))
    harness.crash()
    harness.clock.advance(int(timedelta(days=200, hours=5, minutes=30) / timedelta(microseconds=1)))
    harness.run_until_idle()
    for _ in ticks:  # ticks that are caught up together run one after the other, but where they may overlap
        harness.advance(timedelta(minutes=1))
    assert [tick for tick, _, ending in spans(harness) if ending.startswith("completed")] == ["13:00", *ticks]
    harness.advance(timedelta(hours=1))
    assert spans(harness)[-1][0] == "19:00"
    assert harness.engine.audit() == []


def test_jitter_delays_a_tick_by_the_same_time_everywhere_and_never_moves_it(harness: Harness) -> None:
    cron = hydra.Cron("0 6 * * *", jitter=timedelta(minutes=10))
    ran = scheduled(cron)
    harness.advance(timedelta(days=20))
    executions = sorted(harness.engine.executions(workflow="report"), key=lambda one: one.submitted_at)
    assert len(executions) == len(ran) == 20
    delays = [one.submitted_at - at(one.tags["tick"]) for one in executions]
    assert delays == [cron.fires_at(at(tick), "report") - at(tick) for tick in ran]
    assert timedelta() <= min(delays) < max(delays) <= timedelta(minutes=10)


def test_a_paused_schedule_fires_nothing_and_a_backfill_runs_what_the_pause_left_out(harness: Harness) -> None:
    slow_hourly(harness, "allow", minutes=1)
    harness.advance(timedelta(hours=1))
    harness.engine.pause_schedule("slow")
    harness.engine.pause_schedule("slow")
    assert harness.engine.schedules()[0].state == "paused"
    harness.advance(timedelta(hours=3))
    assert len(spans(harness)) == 1
    harness.engine.resume_schedule("slow")
    harness.advance(timedelta(hours=1))
    assert [tick for tick, _, _ in spans(harness)] == ["13:00", "17:00"]
    done: list[tuple[int, int]] = []
    start, end = datetime(2026, 6, 1, 12), datetime(2026, 6, 2)  # in the schedule's own zone, UTC
    handles = harness.engine.backfill_schedule("slow", start, end, lambda *counts: done.append(counts))
    assert (len(handles), done) == (4, [(6, 6)])  # 12:00 to 17:00; the tick of 12:00 is the schedule's first minute
    harness.advance(timedelta(minutes=2))
    assert sorted(tick for tick, _, _ in spans(harness)) == ["12:00", "13:00", "14:00", "15:00", "16:00", "17:00"]
    assert harness.engine.backfill_schedule("slow", start, end) == []
    assert harness.engine.audit() == []


def test_a_triggered_run_is_no_tick_but_ticks_heed_it(harness: Harness) -> None:
    slow_hourly(harness, "skip", minutes=80)
    harness.advance(timedelta(minutes=30))
    handle = harness.engine.trigger_schedule("slow")
    harness.advance(timedelta(minutes=40))
    assert handle.status() == "sleeping"
    assert harness.engine.schedules()[0].skipped_count == 1
    harness.advance(timedelta(hours=1))
    assert {one.key: one.status for one in harness.engine.executions(workflow="slow")} == {
        "hydra.tick:2026-06-01T14:00Z": Status.SLEEPING,
        None: Status.COMPLETED,
    }


def test_new_times_in_the_code_count_from_the_deploy_and_old_ones_are_not_lost(
    harness: Harness, own_registry: None
) -> None:
    slow_hourly(harness, "allow", minutes=1, catch_up="all")
    harness.advance(timedelta(hours=1))
    harness.crash()
    harness.clock.advance(int(timedelta(hours=2, minutes=10) / timedelta(microseconds=1)))

    from hydra.workflow import registry

    registry.workflows.clear()

    @hydra.workflow(name="slow", schedule=hydra.Cron("*/20 * * * *", overlap="allow", catch_up="all"))
    def again() -> None:
        pass

    harness.run_until_idle()
    assert [tick for tick, _, _ in spans(harness)] == ["13:00", "14:00", "15:00"]
    harness.advance(timedelta(minutes=31))
    assert [tick for tick, _, _ in spans(harness)] == ["13:00", "14:00", "15:00", "15:20", "15:40"]


def test_a_schedule_that_leaves_the_code_stops_and_is_shown_as_unserved(harness: Harness) -> None:
    slow_hourly(harness, "allow", minutes=1)
    harness.advance(timedelta(hours=1))

    from hydra.workflow import registry

    registry.workflows.clear()

    @hydra.workflow
    def slow() -> None:
        pass

    @hydra.workflow
    def another() -> None:
        pass

    harness.restart()
    harness.advance(timedelta(hours=5))
    assert len(spans(harness)) == 1
    assert harness.engine.schedules()[0].state == "unserved"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hydra.Cron("61 * * * *"), "`61 \\* \\* \\* \\*` is not a cron expression"),
        (lambda: hydra.Cron("0 6 * * *", timezone="Mars/Olympus"), "`Mars/Olympus` is not a time zone"),
        (lambda: hydra.Cron("0 6 * * *", overlap="both"), "`overlap` of a schedule is one of queue, skip"),
        (lambda: hydra.Cron("0 6 * * *", jitter=-1), "`jitter` of a schedule must be between 0"),
        (lambda: hydra.Cron("0 6 * * *", jitter=timedelta(days=2)), "at most a day"),
        (lambda: hydra.Cron("0 6 * * *", catch_up_maximum=5000), "at most 1000"),
        (lambda: hydra.workflow(schedule="0 6 * * *"), "must be a `hydra.Cron`"),
        (lambda: hydra.workflow(schedule=hydra.Cron("0 6 * * *")), "missing a required argument: 'card'"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_where_it_is_written(make: Callable[[], object], message: str) -> None:
    def bill(card: str) -> None:
        pass

    with pytest.raises(hydra.ConfigError, match=message) as refused:
        made = make()
        made(bill)  # type: ignore[operator]
    assert "\n" not in str(refused.value)


def test_orders_for_what_is_no_schedule_or_no_time_are_one_sentence(harness: Harness) -> None:
    slow_hourly(harness, "allow", minutes=1)
    harness.run_until_idle()
    with pytest.raises(hydra.NotFound, match="no schedule `fast` in namespace `default`: known are `slow`"):
        harness.engine.pause_schedule("fast")
    with pytest.raises(hydra.ConfigError, match="more than 10000 ticks"):
        harness.engine.backfill_schedule("slow", datetime(2000, 1, 1), datetime(2026, 1, 1))
    with pytest.raises(hydra.ConfigError, match="before it starts"):
        harness.engine.backfill_schedule("slow", datetime(2026, 1, 2), datetime(2026, 1, 1))
    with pytest.raises(hydra.ConfigError, match="is a schedule's"):
        harness.engine.submit(hydra.named("slow").bind(), key="hydra.tick:2026-06-01T14:00Z")
