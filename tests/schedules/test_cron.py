"""`hydra.cron.Cron`: when a schedule fires, on every night of the year."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hydra.cron import Cron
from hydra.errors import ConfigError


def ticks(cron: Cron, after: datetime, until: datetime) -> list[datetime]:
    found = []
    tick = cron.next_tick(after)
    while tick is not None and tick <= until:
        found.append(tick)
        tick = cron.next_tick(tick)
    return found


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]
YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("time", ["0 0", "30 1", "0 2", "15 2", "30 2", "59 2", "0 3"])
def test_a_daily_schedule_fires_once_on_every_local_day_of_the_year(zone: str, time: str) -> None:
    local = [tick.astimezone(ZoneInfo(zone)).date() for tick in ticks(Cron(f"{time} * * *", timezone=zone), *YEAR)]
    days = [date(2026, 1, 2) + timedelta(days=n) for n in range(363)]
    assert [day for day in local if days[0] <= day <= days[-1]] == days


@pytest.mark.parametrize("zone", ZONES)
def test_a_schedule_of_every_half_hour_never_waits_longer_or_shorter_than_that(zone: str) -> None:
    found = ticks(Cron("*/30 * * * *", timezone=zone), *YEAR)
    gaps = {later - earlier for earlier, later in pairwise(found)}
    assert gaps == {timedelta(minutes=30)}


@pytest.mark.parametrize(
    ("zone", "time", "before", "expected"),
    [
        ("Europe/Berlin", "30 2", "2026-03-28T12:00Z", "2026-03-29T01:00Z"),
        ("Europe/Berlin", "30 2", "2026-10-24T12:00Z", "2026-10-25T00:30Z"),
        ("America/New_York", "30 2", "2026-03-07T12:00Z", "2026-03-08T07:00Z"),
        ("America/New_York", "30 1", "2026-10-31T12:00Z", "2026-11-01T05:30Z"),
    ],
)
def test_a_skipped_time_fires_after_the_jump_and_a_doubled_one_the_first_time(
    zone: str, time: str, before: str, expected: str
) -> None:
    tick = Cron(f"{time} * * *", timezone=zone).next_tick(datetime.fromisoformat(before))
    assert tick == datetime.fromisoformat(expected)


def test_ticks_only_grow_even_from_within_the_doubled_hour() -> None:
    cron = Cron("30 2 * * *", timezone="Europe/Berlin")
    for minutes in range(0, 180, 5):
        after = datetime(2026, 10, 25, 0, 0, tzinfo=UTC) + timedelta(minutes=minutes)
        tick = cron.next_tick(after)
        assert tick is not None and tick > after
        first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        assert tick == (first if after < first else datetime(2026, 10, 26, 1, 30, tzinfo=UTC))


def test_catching_up_after_an_outage() -> None:
    after, now = datetime(2026, 5, 1, 12, tzinfo=UTC), datetime(2026, 5, 4, 6, 0, 5, tzinfo=UTC)
    days = [datetime(2026, 5, day, 6, tzinfo=UTC) for day in (2, 3, 4)]
    assert Cron("0 6 * * *", catch_up="all").due_ticks(after, now) == days
    assert Cron("0 6 * * *", catch_up="all", catch_up_maximum=2).due_ticks(after, now) == days[1:]
    assert Cron("0 6 * * *", catch_up="last").due_ticks(after, now) == days[2:]
    assert Cron("0 6 * * *", catch_up="none").due_ticks(after, now) == days[2:]
    assert Cron("0 6 * * *", catch_up="none").due_ticks(after, now + timedelta(hours=1)) == []
    assert Cron("0 6 * * *", catch_up="all").due_ticks(now, now + timedelta(hours=1)) == []


@pytest.mark.parametrize(
    ("expression", "options", "message"),
    [
        ("61 * * * *", {}, "cron expression"),
        ("0 6 * *", {}, "five fields"),
        ("0 6 31 2 *", {}, "cron expression|never comes"),
        ("0 6 * * *", {"timezone": "Europe/Atlantis"}, "time zone"),
        ("0 6 * * *", {"catch_up": "some"}, "none, last, all"),
        ("0 6 * * *", {"catch_up": "all", "catch_up_maximum": 0}, "at least 1"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_in_one_sentence(expression: str, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        Cron(expression, **options)
    assert not str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_ticks_end_with_the_year_9999() -> None:
    cron = Cron("0 0 1 1 *")
    assert cron.next_tick(datetime(9998, 6, 1, tzinfo=UTC)) == datetime(9999, 1, 1, tzinfo=UTC)
    assert cron.next_tick(datetime(9999, 6, 1, tzinfo=UTC)) is None
