"""Sleeps of months, far instants and nights on which clocks change, through `Harness` on every database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import hydra
import pytest
from hydra.testing import Harness

DATABASES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}/months.db",
    "postgres": lambda request: request.getfixturevalue("postgres_url"),
    "mysql": lambda request: request.getfixturevalue("mysql_url"),
}
SLEEPER_COUNT = int(os.environ.get("HYDRA_SLEEPERS", "2400"))  # `make nightly` has ten thousand
BEYOND_32_BITS = datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)  # 2^31 seconds after 1970
LAST_MINUTE = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


@pytest.fixture
def anywhere(url: str) -> Iterator[Harness]:
    """A harness on each database; nothing in it may break a promise when the test is over."""
    with Harness(url) as harness:
        yield harness
        assert harness.engine.audit() == []


def test_many_sleepers_of_different_months_wake_each_once_on_time_through_restarts(anywhere: Harness) -> None:
    woken: list[tuple[int, timedelta]] = []

    @hydra.step(inline=True)
    def wake(number: int) -> None:
        woken.append((number, anywhere.clock.now_datetime() - start))

    @hydra.workflow
    def sleeper(number: int) -> None:
        hydra.sleep(timedelta(days=30 * (1 + number % 24)))
        wake(number)

    start = anywhere.clock.now_datetime()
    anywhere.engine.submit_many([sleeper.bind(number) for number in range(SLEEPER_COUNT)])
    anywhere.run_until_idle()
    for month in range(1, 25):
        if month % 6 == 0:
            anywhere.restart()
        if month % 6 == 3:
            anywhere.crash()
        anywhere.advance(timedelta(days=30))
    assert sorted(woken) == [(number, timedelta(days=30 * (1 + number % 24))) for number in range(SLEEPER_COUNT)]
    assert anywhere.engine.stats().counts == {"sleeper": {"completed": SLEEPER_COUNT}}


def test_a_clock_that_leaps_over_years_while_all_is_down_wakes_each_once(url: str) -> None:
    woken = []

    @hydra.step
    def wake(number: int) -> None:
        woken.append(number)

    @hydra.workflow
    def sleeper(number: int) -> None:
        hydra.sleep(timedelta(days=number))
        wake(number)

    with Harness(url) as first:
        for number in range(1, 51):
            first.submit(sleeper.bind(number))
        first.run_until_idle()
        clock = first.clock
    clock.advance(10 * 366 * 86_400 * 1_000_000)
    with Harness(url, clock=clock) as second:
        second.run_until_idle()
        assert sorted(woken) == list(range(1, 51))
        second.advance(timedelta(days=400))
        assert len(woken) == 50


@pytest.mark.parametrize("instant", [BEYOND_32_BITS, LAST_MINUTE], ids=["2^31", "9999"])
def test_run_at_delay_sleeps_and_waits_reach_beyond_2038_and_to_the_year_9999(
    anywhere: Harness, instant: datetime
) -> None:
    """By each way in which an instant comes into the database; a microsecond before it nothing has happened."""

    @hydra.workflow
    def tells() -> datetime:
        return hydra.now()

    @hydra.workflow
    def sleeps(seconds: float) -> datetime:
        hydra.sleep(seconds)
        return hydra.now()

    @hydra.workflow
    def waits(seconds: float) -> datetime:
        with pytest.raises(hydra.EventTimeout):
            hydra.wait_event("never", timeout=seconds)
        return hydra.now()

    @hydra.workflow(timeout=timedelta(days=366 * 100))
    def outlives() -> None:
        hydra.sleep(timedelta(days=366 * 200))

    anywhere.advance(instant - timedelta(days=3))  # a double has no microseconds left for eight thousand years
    far = timedelta(days=3)
    handles = [
        anywhere.submit(tells.bind(), run_at=instant),
        anywhere.submit(tells.bind(), delay=far),
        anywhere.submit(sleeps.bind(far.total_seconds())),
        anywhere.submit(waits.bind(far.total_seconds())),
    ]
    late = anywhere.submit(outlives.bind())  # ends beyond the year 9999, where no datetime goes
    anywhere.advance(far - timedelta(microseconds=1))
    assert [handle.status() for handle in handles] == ["pending", "pending", "sleeping", "waiting"]
    anywhere.advance(timedelta(microseconds=1))
    assert [handle.result() for handle in handles] == [instant] * 4
    assert late.status() == "sleeping"
    shown = {one.id: one.wake_at for one in anywhere.engine.executions()}
    assert set(shown) == {late.id, *(handle.id for handle in handles)}
    assert shown[late.id] is not None and shown[late.id] > instant


def test_what_is_due_in_the_year_9999_is_submitted_today_and_waits_as_it_should(anywhere: Harness) -> None:
    @hydra.workflow
    def tells() -> datetime:
        return hydra.now()

    handle = anywhere.submit(tells.bind(), run_at=LAST_MINUTE)
    anywhere.advance(timedelta(days=366 * 100))
    anywhere.restart()
    anywhere.advance(datetime(9999, 12, 31, 23, 58, tzinfo=UTC))
    assert handle.status() == "pending"
    anywhere.advance(timedelta(minutes=1))
    assert handle.result() == LAST_MINUTE


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
    anywhere: Harness, zone: str, time: str, since: str, expected: list[str]
) -> None:
    """With a node that dies between the ticks, so that the next goes by the row alone."""
    anywhere.clock.move_to(int(datetime.fromisoformat(since).timestamp() * 1e6))
    ran: list[str] = []

    @hydra.workflow(schedule=hydra.Cron(f"{time} * * *", timezone=zone))
    def report() -> None:
        ran.append(hydra.current().tags["tick"])

    for _ in range(6):
        anywhere.advance(timedelta(hours=12))
        anywhere.crash()
    assert [tick[8:16] for tick in ran] == expected
    days = [datetime.fromisoformat(tick).astimezone(ZoneInfo(zone)).date() for tick in ran]
    assert len(set(days)) == 3
