"""Sleepers beside hosts whose wall clocks are wrong or jump, and through a maintenance window of the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import hydra
import pytest
from hydra.execution import Ending
from hydra.stores import open_store
from hydra.stores.store import Store

from tests.processes import clock_app
from tests.processes.scene import Scene, until
from tests.servers import mysql, postgres
from tests.servers.hosts import fake_clock, fake_clock_file

DAY = 86_400.0
SOON_SECONDS = 1.2  # longer than a second: the execution leaves its worker
MONTHS = (30, 60, 200)

SERVERS: dict[str, Callable[[], postgres.PostgresServer | mysql.MysqlServer]] = {
    "postgres": postgres.PostgresServer,
    "mysql": mysql.MysqlServer,
}


@pytest.fixture
def store(scene: Scene) -> Iterator[Store]:
    store = open_store(scene.url)
    store.open()
    yield store
    store.close()


def boottime_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def due_on_boottime(store: Store, id: str) -> int:
    """When its sleep ends by the database's clock, as an instant that no host's wall clock moves."""
    sleeps = [record for record in store.records(id) if record.kind == "sleep"]
    before = boottime_us()
    return sleeps[0].due_at - store.now() + before


def is_asleep(store: Store, handle: hydra.Handle) -> bool:  # type: ignore[type-arg]
    return handle.status() == "sleeping" and len(store.claims(handle.id)) == 1


def check_woke_once(store: Store, handle: hydra.Handle) -> None:  # type: ignore[type-arg]
    woke_at, _ = handle.result(timeout=60)
    assert [claim.ending for claim in store.claims(handle.id)] == [Ending.SLEEPING, Ending.COMPLETED]
    assert woke_at >= due_on_boottime(store, handle.id), "it woke early"


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_r3_nodes_whose_clocks_differ_by_hours_and_years_wake_each_once_and_by_the_databases_clock(
    scene: Scene, store: Store
) -> None:
    for clock in ("+9h", "-9h", "+800d"):
        scene.start("clock_app", environment=fake_clock(clock))
    until(lambda: len(scene.engine.nodes()) == 3)
    far = [scene.engine.submit(clock_app.rests.bind(days * DAY)) for days in MONTHS]
    hours = [scene.engine.submit(clock_app.rests.bind(hours * 3600.0)) for hours in (1, 5, 8)]
    soon = [scene.engine.submit(clock_app.rests.bind(SOON_SECONDS)) for _ in range(12)]
    asked_at, ahead = store.now(), timedelta(seconds=SOON_SECONDS)
    delayed = [scene.engine.submit(clock_app.begins.bind(), delay=ahead) for _ in range(6)]
    day_off = scene.engine.submit(clock_app.begins.bind(), delay=timedelta(hours=6))
    walls = [handle.result(timeout=60)[1] for handle in soon]
    for handle in soon:
        check_woke_once(store, handle)
    for handle in delayed:
        woke_at, wall = handle.result(timeout=60)
        walls.append(wall)
        assert woke_at - boottime_us() + store.now() >= asked_at + SOON_SECONDS * 1e6
        assert [claim.ending for claim in store.claims(handle.id)] == [Ending.COMPLETED]
    assert any(abs(wall - time.time()) > 3600 for wall in walls), "their clocks are wrong"
    assert all(is_asleep(store, handle) for handle in far + hours)
    assert day_off.status() == "pending" and store.claims(day_off.id) == []


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_r3_a_wall_clock_that_jumps_by_months_while_a_supervisor_runs_wakes_nothing_early_or_late(
    scene: Scene, store: Store, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    scene.start("clock_app", environment=fake_clock_file(clock), lease_ttl_seconds=1.0)
    far = [scene.engine.submit(clock_app.rests.bind(days * DAY)) for days in MONTHS]
    until(lambda: all(is_asleep(store, handle) for handle in far))
    for jump, days in (("+220d", 220), ("-90d", -90)):
        handle = scene.engine.submit(clock_app.rests.bind(SOON_SECONDS))
        until(lambda handle=handle: is_asleep(store, handle))
        clock.write_text(f"{jump}\n")
        _, wall = handle.result(timeout=30)
        check_woke_once(store, handle)
        assert abs(wall - time.time() - days * DAY) < DAY, "the worker's clock has jumped"
        assert all(is_asleep(store, handle) for handle in far)
    check_woke_once(store, scene.engine.submit(clock_app.rests.bind(SOON_SECONDS)))  # all of it under the wrong clock
    assert scene.nodes[0].stop() == 0
    assert "dead" not in scene.nodes[0].text()


@pytest.mark.parametrize("kind", SERVERS)
def test_sleepers_that_come_due_in_a_maintenance_window_wake_once_when_the_database_is_back(
    tmp_path: Path, kind: str
) -> None:
    """Two supervisors wait for the database, one of them with a clock that is a day ahead."""
    server = SERVERS[kind]().start()
    create = postgres.create_database if kind == "postgres" else mysql.create_database
    scene = Scene(tmp_path, create(server))  # type: ignore[arg-type]
    try:
        store = open_store(scene.url)
        store.open()
        scene.start("clock_app")
        scene.start("clock_app", environment=fake_clock("+1d"))
        until(lambda: len(scene.engine.nodes()) == 2)
        hours = [scene.engine.submit(clock_app.rests.bind(hours * 3600.0)) for hours in (1, 12)]
        soon = [scene.engine.submit(clock_app.rests.bind(SOON_SECONDS + number % 2)) for number in range(20)]
        until(lambda: all(handle.status() == "sleeping" for handle in hours + soon))
        due = [due_on_boottime(store, handle.id) for handle in soon]
        server.stop()
        until(lambda: boottime_us() > max(due))
        server.start()
        for handle in soon:
            check_woke_once(store, handle)
        assert all(is_asleep(store, handle) for handle in hours)
        assert scene.engine.audit() == []
        store.close()
    finally:
        scene.close()
        server.destroy()
