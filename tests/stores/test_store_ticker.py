"""A node's ticker on real stores: several nodes that look at once, replies that are lost, code that changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from hydra import schedules
from hydra.cron import Cron
from hydra.errors import StoreUnavailable
from hydra.execution import NodeRef
from hydra.node.schedule_ticker import BLOCKED_LOOK_US, RETIRE_LOOK_US, Ticker
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleSpec
from hydra.stores.filter import Filter
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, end, register
from tests.stores.test_store_races import race

Another = Callable[..., Store]

MINUTE = 60 * SECOND
START = NOW // MINUTE * MINUTE


def app(cron: Cron | None, module: str = "") -> list[WorkflowInfo]:
    spec = None if cron is None else ScheduleSpec.of(cron, None, module)
    return [WorkflowInfo(WORKFLOW, b"{}", None, "code", spec, module)]


def ticks(store: Store) -> list[str]:
    return sorted(one.tags["tick"] for one in store.list(Filter(limit=1000)))


class Forgetful:
    """A store whose next reply to a tick is lost, after or before it was written."""

    def __init__(self, store: Store, is_written: bool) -> None:
        self._store = store
        self._is_written = is_written
        self._loses = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
        if not self._loses:
            return self._store.fire_schedules(node, changes, now)
        self._loses = False
        if self._is_written:
            self._store.fire_schedules(node, changes, now)
        raise StoreUnavailable("the reply was lost", outcome="unknown")


def test_a_node_without_schedules_never_asks_the_database() -> None:
    ticker = Ticker(None)  # type: ignore[arg-type]
    ticker.register(NodeRef("n", 1), app(None), START)
    ticker.look_soon()
    assert (ticker.look(NodeRef("n", 1), START), ticker.is_serving, ticker.next_at) == (0, False, None)


def test_between_two_ticks_a_node_asks_only_when_it_is_told_to(store: Store) -> None:
    node = register(store)
    asked = []

    class Counting(Forgetful):
        def schedules(self) -> object:
            asked.append(1)
            return self._store.schedules()

    ticker = Ticker(Counting(store, True))  # type: ignore[arg-type]
    ticker.register(node, app(Cron("0 * * * *")), START)
    ticker.look(node, START)
    count = len(asked)
    for second in range(1, 30):
        assert ticker.look(node, START + second * SECOND) == 0
    assert len(asked) == count
    ticker.look_soon()
    ticker.look(node, START + 31 * SECOND)
    assert len(asked) == count + 1


@pytest.mark.parametrize("is_written", [True, False])
def test_r16_a_lost_reply_to_a_tick_is_settled_by_the_row(store: Store, is_written: bool) -> None:
    node = register(store)
    ticker = Ticker(Forgetful(store, is_written))  # type: ignore[arg-type]
    ticker.register(node, app(Cron("* * * * *")), START)
    with pytest.raises(StoreUnavailable):
        ticker.look(node, START + MINUTE)
    assert ticker.look(node, START + MINUTE + SECOND) == (0 if is_written else 1)
    assert len(ticks(store)) == 1
    assert ticker.next_at == START + 2 * MINUTE


@pytest.mark.parametrize("overlap", ["allow", "queue"])
def test_r25_nodes_that_look_at_once_for_an_hour_fire_each_tick_once(
    store: Store, open_another: Another, overlap: str
) -> None:
    stores = [store, open_another(), open_another()]
    nodes = [register(each) for each in stores]
    tickers = [Ticker(each) for each in stores]
    cron = Cron("*/5 * * * *", overlap=overlap, catch_up="all")
    race(
        *[
            lambda ticker=ticker, node=node: ticker.register(node, app(cron), START)
            for ticker, node in zip(tickers, nodes, strict=True)
        ]
    )
    for now in range(START, START + 61 * MINUTE, MINUTE):
        for ticker in tickers:
            ticker.look_soon()
        race(
            *[
                lambda ticker=ticker, node=node, now=now: ticker.look(node, now)
                for ticker, node in zip(tickers, nodes, strict=True)
            ]
        )
        for claimed in claim(store, nodes[0], now=now):
            end(store, nodes[0], claimed, "completed", now=now)
    found = ticks(store)
    assert len(found) == len(set(found)) == 12
    assert not store.schedules()[0].progress.skipped_count


def test_a_waiting_tick_is_looked_after_until_what_runs_has_ended(store: Store) -> None:
    node = register(store)
    ticker = Ticker(store)
    ticker.register(node, app(Cron("* * * * *")), START)
    assert ticker.look(node, START + MINUTE) == 1
    (claimed,) = claim(store, node, now=START + MINUTE)
    assert ticker.look(node, START + 2 * MINUTE) == 0
    assert ticker.next_at == START + 2 * MINUTE + BLOCKED_LOOK_US
    assert ticker.next_tick_at == START + 3 * MINUTE
    end(store, node, claimed, "completed")
    assert ticker.look(node, START + 2 * MINUTE + BLOCKED_LOOK_US) == 1


def test_a_deploy_fires_what_is_due_by_the_old_times_and_goes_on_by_the_new(store: Store) -> None:
    node = register(store)
    Ticker(store).register(node, app(Cron("* * * * *", catch_up="all", overlap="allow")), START)
    again = Ticker(store)
    again.register(node, app(Cron("*/30 * * * *", catch_up="all", overlap="allow")), START + 3 * MINUTE)
    assert len(ticks(store)) == 3
    assert again.look(node, START + 4 * MINUTE) == 0
    assert store.schedules()[0].spec.expression == "*/30 * * * *"


def test_a_schedule_that_left_the_code_for_a_year_fires_no_old_tick_when_it_comes_back(
    store: Store, open_another: Another
) -> None:
    """The node of the old code stops a while after that of the new one has started, as in a rolling deploy."""
    cron = Cron("* * * * *", catch_up="all", overlap="allow")
    old_store = open_another()
    old, new, back = (register(each) for each in (old_store, store, store))
    Ticker(old_store).register(old, app(cron, "billing"), START)
    ticker = Ticker(store)
    ticker.register(new, app(None, "billing"), START + SECOND)
    assert ticker.is_serving and ticker.look(new, START + SECOND) == 0
    assert store.schedules()[0].progress.retired_at is None, "the old code still serves it"
    old_store.unregister_node(old, START + 2 * SECOND)
    retired_at = ticker.next_at
    assert retired_at == START + SECOND + RETIRE_LOOK_US
    ticker.look(new, retired_at)
    assert store.schedules()[0].progress.retired_at == retired_at
    year = START + 365 * 24 * 60 * MINUTE
    again = Ticker(store)
    again.register(back, app(cron, "billing"), year)
    assert again.look(back, year) == 0
    assert again.look(back, year + MINUTE) == 1


def test_a_schedule_whose_app_is_down_while_another_lives_fires_what_it_missed(
    store: Store, open_another: Another
) -> None:
    first, other = register(store), register(store)
    cron = Cron("* * * * *", catch_up="last")
    Ticker(store).register(first, app(cron, "billing"), START)
    store.unregister_node(first, START)
    stranger = Ticker(store)
    stranger.register(other, app(None, "infrastructure"), START)
    stranger.look(other, START + MINUTE)
    back = Ticker(store)
    back.register(register(store), app(cron, "billing"), START + 60 * MINUTE)
    assert store.schedules()[0].progress.retired_at is None
    assert back.look(register(store), START + 60 * MINUTE) == 1


def test_the_last_of_two_codes_to_register_sets_the_row_and_both_fire_by_it(
    store: Store, open_another: Another
) -> None:
    other = open_another()
    old_node, new_node = register(store), register(other)
    old, new = Ticker(store), Ticker(other)
    old.register(old_node, app(Cron("* * * * *", overlap="allow")), START)
    new.register(new_node, app(Cron("*/2 * * * *", overlap="allow")), START)
    for minute in range(1, 7):
        now = START + minute * MINUTE
        for ticker, node in ((old, old_node), (new, new_node)):
            ticker.look_soon()
            ticker.look(node, now)
    assert len(ticks(store)) == 3


def test_a_time_zone_that_this_host_does_not_know_stops_no_other_schedule(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    node = register(store)
    ticker = Ticker(store)
    known, unknown = ScheduleSpec.of(Cron("* * * * *"), None), ScheduleSpec.of(Cron("* * * * *"), None)
    workflows = [WorkflowInfo(name, b"{}", None, "code", spec) for name, spec in (("a", unknown), ("b", known))]
    ticker.register(node, workflows, START)
    states = {state.name: state for state in store.schedules()}
    elsewhere = msgspec.structs.replace(unknown, timezone="Mars/Olympus")
    entries = [
        ScheduleEntry("a", elsewhere, states["a"].revision, START, START + MINUTE),
        schedules.register("b", known, states["b"], START),
    ]
    store.upsert_schedules(node, entries, START)
    for _ in range(3):
        ticker.look_soon()
        ticker.look(node, START + MINUTE)
    assert [one.workflow for one in store.list(Filter())] == ["b"]
    assert caplog.text.count("schedule `a` does not fire on this host: `Mars/Olympus` is not a time zone") == 1


@pytest.mark.parametrize(
    ("zone", "night", "skew_minutes"),
    [
        ("Europe/Berlin", "2027-03-28T00:00Z", -400),
        ("Europe/Berlin", "2027-10-31T00:00Z", 25),
        ("America/New_York", "2027-03-14T05:00Z", 700),
        ("America/New_York", "2027-11-07T05:00Z", -65),
        ("Australia/Lord_Howe", "2027-10-02T14:00Z", 400),
        ("Australia/Lord_Howe", "2027-04-03T14:00Z", -25),
    ],
)
def test_r25_two_nodes_whose_clocks_differ_fire_each_tick_of_a_night_on_which_clocks_change_once(
    store: Store, open_another: Another, zone: str, night: str, skew_minutes: int
) -> None:
    """One of the nodes has the wrong time, ahead or behind by more than the night's jump, and is the first to look."""
    cron = Cron("*/30 * * * *", timezone=zone, overlap="allow", catch_up="all")
    middle = datetime.fromisoformat(night)
    first, last = middle - timedelta(hours=3), middle + timedelta(hours=3)
    start, end = (int(instant.timestamp()) * SECOND for instant in (first, last))
    skew = skew_minutes * MINUTE
    stores = [store, open_another()]
    nodes = [register(each) for each in stores]
    tickers = [Ticker(each) for each in stores]
    for ticker, node in zip(tickers, nodes, strict=True):
        ticker.register(node, app(cron), start)
    for now in range(start, end + 1, 10 * MINUTE):
        for ticker, node, own in zip(tickers, nodes, (now + skew, now), strict=True):
            ticker.look_soon()
            ticker.look(node, own)
    fired = [datetime.fromisoformat(tick) for tick in ticks(store)]
    assert len(set(fired)) == len(fired), "none twice"
    until = last + timedelta(minutes=max(0, skew_minutes))
    assert fired == [tick for tick in each_half_hour(first, until) if tick > first], "none lost"


def each_half_hour(first: datetime, last: datetime) -> list[datetime]:
    """Of no zone: where clocks jump by whole or half hours, a local half hour is one of UTC."""
    return [first + timedelta(minutes=30 * n) for n in range(1 + (last - first) // timedelta(minutes=30))]
