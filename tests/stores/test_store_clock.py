"""A node's clock is the database's: on a host whose own is hours ahead, and where the database answers slowly."""

from __future__ import annotations

import time
import uuid

import pytest
from hydra.client.session import EngineSession
from hydra.clock import DatabaseClock
from hydra.dispatch.events import Register, SendBeat
from hydra.errors import StoreUnavailable
from hydra.execution import NodeInfo
from hydra.node.reaper import Reaper
from hydra.node.requests import Promote
from hydra.node.store_thread import StoreThread
from hydra.stores.store import Store

from tests.stores.store_values import SECOND, submit

HOUR = 3600 * SECOND
TTL_NS = 10_000_000_000
SLOW_SECONDS = 0.3


class Asked:
    """A store that is asked for the time: it does not say it before `refusals` have passed, and comes to it slowly."""

    def __init__(self, store: Store, refusals: int = 0, slow_seconds: float = 0.0) -> None:
        self._store = store
        self._refusals = refusals
        self._slow_seconds = slow_seconds

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def now(self) -> int:
        if self._refusals:
            self._refusals -= 1
            raise StoreUnavailable("not yet", outcome="failed")
        time.sleep(self._slow_seconds)
        return self._store.now()


def start(store: Asked, clock: DatabaseClock) -> StoreThread:
    real: Store = store  # type: ignore[assignment]
    thread = StoreThread(real, clock, Reaper(real, TTL_NS, None), lambda report: None, lease_ttl_ns=TTL_NS)
    thread.membership.info = NodeInfo(str(uuid.uuid4()), "host", "boot", 1, 1, "code", 1)
    return thread


@pytest.mark.parametrize("refusals", [0, 1])
def test_a_host_whose_clock_is_hours_ahead_wakes_nothing_early_even_before_the_database_has_told_the_time(
    store: Store, refusals: int
) -> None:
    clock = DatabaseClock()
    clock._time.offset_us += 5 * HOUR  # what such a host begins with
    [soon], [later] = (submit(store, now=store.now(), run_at=store.now() + ahead) for ahead in (SECOND // 10, 3 * HOUR))
    due_at = store.next_due_at() or 0
    thread = start(Asked(store, refusals), clock)
    thread.perform([Register(), Promote()])
    while store.now() < due_at:
        time.sleep(0.01)
    thread.perform([Register(), Promote()])
    assert thread.membership.node is not None
    assert clock.now() <= store.now()
    snapshots = store.get([soon, later])
    assert [snapshot and snapshot.wake_at is None for snapshot in snapshots] == [True, False]


def test_a_database_that_is_slow_to_answer_makes_the_node_late_and_never_early(store: Store) -> None:
    clock = DatabaseClock()
    thread = start(Asked(store, slow_seconds=SLOW_SECONDS), clock)
    thread.perform([Register()])
    thread.perform([SendBeat({})])
    assert clock.now() <= store.now()


def test_a_program_that_reads_the_time_from_a_slow_database_submits_nothing_into_the_future(store: Store) -> None:
    asked: Store = Asked(store, slow_seconds=SLOW_SECONDS)  # type: ignore[assignment]
    session = EngineSession(asked)
    first = session.now()
    assert first <= session.now() <= store.now()


def test_a_program_reads_the_time_again_as_often_as_a_node_does(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it hears of a corrected clock when the nodes do."""
    session = EngineSession(store)
    session.now()
    read_ns = session._read_clock_ns
    monkeypatch.setattr("hydra.client.session.boottime_ns", lambda: read_ns + 1_000_000_000)
    session.now()
    assert session._read_clock_ns == read_ns, "in between it costs no I/O"
    monkeypatch.setattr("hydra.client.session.boottime_ns", lambda: read_ns + 2_100_000_000)
    session.now()
    assert session._read_clock_ns == read_ns + 2_100_000_000
