"""Schedules under real supervisors that are killed around a tick: exactly one execution for each."""

from __future__ import annotations

import signal
import threading
from datetime import datetime, timedelta

import pytest
from hydra import _core, schedules
from hydra.cron import Cron, tick_key
from hydra.definitions import Workflow
from hydra.execution import NodeInfo
from hydra.node.local import LocalWorker
from hydra.schedules import ScheduleSpec, ScheduleState
from hydra.stores import open_store
from hydra.tick_queue import to_datetime
from hydra.workflow import Registry

from tests.processes.clock_ahead import AHEAD_US
from tests.processes.scene import Scene, until

MISSED = 5  # ticks that are due when the supervisors start
MINUTE_US = 60_000_000
BEGIN_US = 50_000_000  # of a minute: mostly time to start and to see to the ticks before; else it waits for the next
NAME = "ticking"


@pytest.fixture(params=["queue", "allow"])
def overlap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, scene: Scene) -> str:
    """The app's schedule, with minutes behind it in which nobody was there."""
    monkeypatch.setenv("HYDRA_TEST_TICKS", scene.log)
    monkeypatch.setenv("HYDRA_TEST_OVERLAP", request.param)
    missed(scene, NAME, request.param, MISSED)
    return request.param


def missed(scene: Scene, name: str, overlap: str, minutes: int) -> None:
    """Have a schedule of every minute whose last so many ticks nobody has fired."""
    store = open_store(scene.url)
    store.open()
    now = store.now()
    spec = ScheduleSpec.of(Cron("* * * * *", catch_up="all", overlap=overlap), None)
    node = store.register_node(NodeInfo(_core.uuid7(), "host", "boot", 1, 1, "code", 1), now)
    store.upsert_schedules(node, [schedules.register(name, spec, None, now - minutes * MINUTE_US)], now)
    store.unregister_node(node, now)
    store.close()


def row(scene: Scene) -> ScheduleState:
    store = open_store(scene.url)
    try:
        return store.schedules()[0]
    finally:
        store.close()


def check(scene: Scene, since: datetime) -> None:
    """Every tick up to the mark has one execution, which had its effect once, under its own key."""
    executions = scene.engine.executions(workflow=NAME, limit=1000)
    ticks = sorted(one.tags["tick"] for one in executions)
    first = since.replace(second=0, microsecond=0) + timedelta(minutes=1)
    assert ticks == [(first + timedelta(minutes=n)).isoformat() for n in range(len(ticks))]
    assert len(ticks) >= MISSED
    assert all(one.key == tick_key(datetime.fromisoformat(one.tags["tick"])) for one in executions)
    assert set(scene.counts().values()) == {1}
    assert set(scene.counts()) <= set(ticks)


def completed(scene: Scene) -> int:
    return scene.engine.stats().counts.get(NAME, {}).get("completed", 0)


@pytest.mark.parametrize("point", ["before tick", "inside tick", "after tick"])
def test_r25_a_supervisor_killed_around_a_tick_beside_another_leaves_one_execution_of_each(
    scene: Scene, overlap: str, point: str
) -> None:
    since = to_datetime(row(scene).mark_at)
    victim = scene.start("ticking_app", kill=f"supervisor:{point}")
    assert victim.wait() == -signal.SIGKILL
    assert scene.mark.exists()
    scene.start("ticking_app")
    scene.start("ticking_app")
    until(lambda: completed(scene) >= MISSED)
    for node in scene.nodes[1:]:
        assert node.stop() == 0
    check(scene, since)
    counts = scene.engine.stats().counts[NAME]
    assert counts.keys() <= {"completed", "pending"}, "a minute that began as they stopped waits for the next node"
    assert counts["completed"] >= MISSED and counts.get("pending", 0) <= 1


def test_r25_supervisors_that_kill_each_others_peers_fire_each_tick_once(scene: Scene, overlap: str) -> None:
    """Three at once from the start; two of them die, each at another point, while all look at the same ticks."""
    since = to_datetime(row(scene).mark_at)
    scene.start("ticking_app", kill="supervisor:before tick")
    scene.start("ticking_app", kill="supervisor:after tick")
    last = scene.start("ticking_app")
    until(lambda: completed(scene) >= MISSED)
    for node in scene.nodes[:2]:
        if node.process.poll() is None:
            node.kill()
        node.wait()
    until(lambda: not scene.engine.stats().counts[NAME].get("running"))
    assert last.stop() == 0
    check(scene, since)


@pytest.mark.parametrize("overlap", ["queue"], indirect=True)
def test_r20_r25_a_supervisor_stopped_inside_a_tick_neither_holds_up_the_others_nor_fires_it_later(
    scene: Scene, overlap: str
) -> None:
    since = to_datetime(row(scene).mark_at)
    zombie = scene.start("ticking_app", kill="supervisor:stopped inside tick", lease_ttl_seconds=1.0)
    until(scene.mark.exists)
    other = scene.start("ticking_app", lease_ttl_seconds=1.0)
    until(lambda: completed(scene) >= MISSED, seconds=60)
    if zombie.process.poll() is None:  # on SQLite it was killed: it held the file's write lock
        until(lambda: "is dead" in other.text())  # all may have been done before its lease was over
        zombie.kill(signal.SIGCONT)
        until(lambda: "declared dead" in zombie.text())
    assert other.stop() == 0
    check(scene, since)


@pytest.mark.parametrize("overlap", ["allow"], indirect=True)
def test_two_supervisors_that_wait_fire_the_next_minute_once_and_at_its_time(scene: Scene, overlap: str) -> None:
    """To both the database's clock is ahead, so that a minute is nearly over when they start."""
    mark_at = row(scene).mark_at
    since = to_datetime(mark_at)
    store = open_store(scene.url)
    now = store.now()
    store.close()
    ahead_us = (BEGIN_US - now) % MINUTE_US
    due = (now + ahead_us) // MINUTE_US - mark_at // MINUTE_US
    for _ in range(2):
        scene.start("ticking_app", environment={AHEAD_US: str(ahead_us)})
    until(lambda: completed(scene) >= due)
    before = completed(scene)
    until(lambda: completed(scene) > before, seconds=100)
    for node in scene.nodes:
        assert node.stop() == 0
    check(scene, since)
    newest = scene.engine.executions(workflow=NAME, limit=1)[0]
    late = newest.submitted_at - datetime.fromisoformat(newest.tags["tick"])
    assert timedelta() <= late < timedelta(seconds=30)


def test_an_engines_own_worker_fires_schedules_too(scene: Scene) -> None:
    ran = threading.Event()
    app = Registry()

    def soon() -> None:
        ran.set()

    app.add_workflow(Workflow(soon, schedule=Cron("* * * * *", catch_up="all")))
    missed(scene, "soon", "queue", 1)
    with LocalWorker(scene.url, app=app):
        assert ran.wait(30)
        until(lambda: scene.engine.stats().counts["soon"].get("completed", 0) >= 1)
    assert scene.engine.schedules()[0].state == "unserved"
