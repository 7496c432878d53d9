"""Schedules through `Harness`: the real node, dispatcher and store, under a clock the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import hydra
import pytest
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


@pytest.mark.parametrize(
    ("zone", "time", "since", "expected"),
    [
        ("Europe/Berlin", "30 2", "2026-03-27T12:00Z", ["28T01:30", "29T01:00", "30T00:30"]),
        ("Europe/Berlin", "30 2", "2026-10-23T12:00Z", ["24T00:30", "25T00:30", "26T01:30"]),
        ("America/New_York", "30 2", "2026-03-06T12:00Z", ["07T07:30", "08T07:00", "09T06:30"]),
        ("America/New_York", "30 1", "2026-10-30T12:00Z", ["31T05:30", "01T05:30", "02T06:30"]),
        ("Australia/Lord_Howe", "15 2", "2026-10-02T00:00Z", ["02T15:45", "03T15:30", "04T15:15"]),
        ("Australia/Lord_Howe", "45 1", "2026-04-03T00:00Z", ["03T14:45", "04T14:45", "05T15:15"]),
    ],
)
def test_a_night_on_which_clocks_change_neither_loses_nor_doubles_a_tick(
    harness: Harness, zone: str, time: str, since: str, expected: list[str]
) -> None:
    harness.clock.move_to(int(at(since).timestamp() * 1e6))
    ran = scheduled(hydra.Cron(f"{time} * * *", timezone=zone))
    harness.advance(timedelta(days=3))
    assert [tick[8:16] for tick in ran] == expected
    days = [at(tick).astimezone(ZoneInfo(zone)).date() for tick in ran]
    assert len(set(days)) == 3


def test_ticks_fire_in_the_year_9999_and_end_with_it(harness: Harness) -> None:
    harness.advance(datetime(9999, 11, 15, tzinfo=UTC))
    ran = scheduled(hydra.Cron("0 0 1 * *", timezone="Europe/Berlin"))
    harness.advance(datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    assert ran == ["9999-11-30T23:00:00+00:00"]
