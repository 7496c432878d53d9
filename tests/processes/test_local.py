"""`engine.worker()`: the same node, its one worker a thread of this process."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import hydra
import pytest
from hydra.body.transactions import Transactions
from hydra.clock import LeasePage
from hydra.dispatch.events import WorkerGone, WorkerStarted
from hydra.dispatch.worker_ends import DRAINED, NOT_NEEDED, WorkerEnd, WorkerEndKind
from hydra.node import local
from hydra.node.local import LocalWorker
from hydra.node.requests import Report
from hydra.worker.hub import Hub
from hydra.workflow import Registry

from tests.processes import apps
from tests.processes.conftest import on_sqlite
from tests.processes.scene import WAIT_SECONDS, Scene, until


def test_a_local_worker_runs_what_is_submitted_before_and_during(scene: Scene) -> None:
    early = scene.engine.submit(apps.count.bind(5))
    with scene.engine.worker(concurrency=4):
        assert early.result(timeout=30) == 10
        assert [scene.engine.submit(apps.count.bind(n)).result(timeout=30) for n in range(5)] == [0, 0, 1, 3, 6]
    assert {node.state for node in scene.engine.nodes()} == {"empty"}
    assert not [thread for thread in threading.enumerate() if thread.name in ("hydra-node", "hydra-hub", "hydra-store")]


def test_a_local_worker_hands_back_what_sleeps_and_another_finishes_it(scene: Scene) -> None:
    with scene.engine.worker():
        handle = scene.engine.submit(apps.life.bind(scene.log))
        until(lambda: len(scene.notes()) == 2)
    with scene.engine.worker():
        assert handle.result(timeout=30) == ["first", "second", "third"]
    assert set(scene.counts().values()) == {1}


@on_sqlite
@pytest.mark.parametrize("moment", ["start", "stop"])
def test_a_local_worker_that_is_interrupted_as_it_starts_or_stops_ends_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    start = LocalWorker.start

    def interrupt(worker: LocalWorker) -> None:
        if moment == "start":
            start(worker)
        raise KeyboardInterrupt

    worker = scene.engine.worker()
    monkeypatch.setattr(LocalWorker, moment, interrupt)
    with pytest.raises(KeyboardInterrupt), worker:
        pass
    until(lambda: [node.state for node in scene.engine.nodes()] in ([], ["empty"]))
    until(lambda: worker._thread is not None and not worker._thread.is_alive())


@on_sqlite  # connections are left out anyway
def test_nothing_is_left_of_a_local_worker_that_has_stopped(scene: Scene) -> None:
    def descriptors() -> list[str]:
        gc.collect()
        mine = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
        return sorted(each for each in mine if "anon_inode" in each or "memfd" in each)  # the engine has connections

    def work() -> None:
        with scene.engine.worker():
            assert scene.engine.submit(apps.count.bind(3)).result(timeout=60) == 3

    def hub_count() -> int:
        """Other tests of this process may have left some that stand still in the middle of a body."""
        return sum(type(each) is Hub for each in gc.get_objects())

    work()
    before = descriptors()
    hubs_before = hub_count()
    for _ in range(3):
        work()
    assert descriptors() == before
    assert hub_count() <= hubs_before


def test_a_supervisor_takes_over_from_a_process_that_ends_with_its_local_worker(scene: Scene) -> None:
    pid = os.fork()
    if pid == 0:
        worker = LocalWorker(scene.url, lease_ttl_seconds=60.0)
        worker.start()
        scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
        scene.first_note()
        os._exit(0)
    os.waitpid(pid, 0)
    scene.start(lease_ttl_seconds=60.0)
    assert scene.first_note(count=2).worker != pid
    scene.gate.touch()
    until(lambda: scene.engine.stats().counts["held"].get("completed") == 1)


def test_a_local_worker_on_a_broken_url_says_so(tmp_path: Path) -> None:
    from hydra import ConfigError

    with pytest.raises(ConfigError):
        LocalWorker(f"sqlite:///{tmp_path}/none/here.db").start()


STOPPED = WorkerEnd(WorkerEndKind.LEASE, "its node may not write any more")


class Unbothered:
    """What `Hubs` need of a node."""

    def __init__(self) -> None:
        self.id = "test-local"
        self.page = LeasePage.create()
        self.reports: SimpleQueue[Report] = SimpleQueue()

    def report(self, report: Report) -> None:
        self.reports.put(report)


def test_a_body_that_holds_up_a_local_worker_is_named_with_its_stack(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def hold_up() -> bool:
        return until(lambda: "has held up its worker" in caplog.text)

    @hydra.workflow(name="local.hog", body_timeout=0.3)
    def hog() -> bool:
        return hold_up()

    url = f"sqlite:///{tmp_path}/hydra.db"
    with hydra.Engine(url) as engine, LocalWorker(url):
        assert engine.submit(hog.bind()).result(timeout=WAIT_SECONDS)
    assert "in hold_up" in caplog.text
    assert until(lambda: all(thread.name != "hydra-body-watch" for thread in threading.enumerate()))


@pytest.mark.parametrize("is_second", [False, True])
def test_a_local_worker_that_must_go_before_its_hub_is_made_goes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_second: bool
) -> None:
    """As on a busy machine, where a thread begins long after it was started; it is not told to the hub before."""
    may_begin = threading.Semaphore(int(is_second))

    def late(*arguments: Any, **options: Any) -> Transactions:
        assert may_begin.acquire(timeout=WAIT_SECONDS)
        return Transactions(*arguments, **options)

    monkeypatch.setattr(local, "Transactions", late)
    node = Unbothered()
    hubs = local.Hubs(node, Registry(), 1, "default", "sqlite:///unused.db")  # type: ignore[arg-type]
    if is_second:
        hubs.spawn(0)
        assert node.reports.get(timeout=WAIT_SECONDS) == WorkerStarted(0)
        hubs.kill(0, NOT_NEEDED)
        assert node.reports.get(timeout=WAIT_SECONDS) == WorkerGone(0, DRAINED, [])
    hubs.spawn(0)
    assert "a step still runs" not in caplog.text  # it had begun, no more
    hubs.kill(0, STOPPED)
    assert "a step still runs" in caplog.text
    may_begin.release()
    assert node.reports.get(timeout=WAIT_SECONDS) == WorkerStarted(0)
    assert node.reports.get(timeout=WAIT_SECONDS) == WorkerGone(0, DRAINED, [])


def test_r1_a_hub_that_begins_late_has_the_lease_page_of_the_registration_it_was_started_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_begin = threading.Event()
    made: list[LeasePage] = []

    def late(*arguments: Any, **options: Any) -> Transactions:
        assert may_begin.wait(WAIT_SECONDS)
        return Transactions(*arguments, **options)

    class Seen(Hub):
        def __init__(self, app: Any, send: Any, page: Any, *others: Any) -> None:
            made.append(page)
            super().__init__(app, send, page, *others)

    monkeypatch.setattr(local, "Transactions", late)
    monkeypatch.setattr(local, "Hub", Seen)
    node = Unbothered()
    hubs = local.Hubs(node, Registry(), 1, "default", "sqlite:///unused.db")  # type: ignore[arg-type]
    page = node.page
    hubs.spawn(0)
    hubs.kill(0, "its node may not write any more")
    node.page = LeasePage.create()
    may_begin.set()
    assert node.reports.get(timeout=WAIT_SECONDS) == WorkerStarted(0)
    assert node.reports.get(timeout=WAIT_SECONDS) == WorkerGone(0, DRAINED, [])
    assert made == [page]
