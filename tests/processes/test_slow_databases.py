"""Supervisors on a database that is slow, or deaf for a while: it all completes, and nothing happens twice."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import hydra
import pytest
from hydra import _core
from hydra.errors import StoreUnavailable

from tests.processes import apps
from tests.processes.scene import Scene, until
from tests.processes.test_http import address, get
from tests.servers.slow_proxy import SlowProxy, at_once, between

ANY_PORT = "127.0.0.1:0"
EXECUTIONS = 6
DEAF_SECONDS = float(os.environ.get("HYDRA_TEST_DEAF_SECONDS", "0"))  # longer than it takes to be noticed


class Slowness(Protocol):
    """What makes the database of the supervisors slow or deaf; `url` is how they see it."""

    url: str

    def begin(self) -> None: ...
    def deafen(self) -> None: ...
    def end(self) -> None: ...


class SlowServer:
    def __init__(self, url: str, folder: Path, request: pytest.FixtureRequest) -> None:
        parts = urlsplit(url)
        if parts.scheme == "mysql":
            self.proxy = SlowProxy(folder / "slow", request.getfixturevalue("mysql_server").socket)
            query = f"unix_socket={quote(str(folder / 'slow'), safe='')}"
        else:
            server = request.getfixturevalue("postgres_server")
            (folder / "slow").mkdir()
            self.proxy = SlowProxy(
                folder / "slow" / f".s.PGSQL.{server.port}", server.socket_folder / f".s.PGSQL.{server.port}"
            )
            query = f"host={quote(str(folder / 'slow'), safe='')}"
        self.url = parts._replace(query=query).geturl()

    def begin(self) -> None:
        self.proxy.delay = between(1.0, 3.0)

    def deafen(self) -> None:
        self.proxy.deafen()

    def end(self) -> None:
        self.proxy.delay = at_once
        self.proxy.answer()


class LockedFile:
    """Another program, which holds the file's write lock for seconds, again and again, or until it is told."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._start(1.0, 3.0, 2.0)

    def deafen(self) -> None:
        self._start(3600.0)

    def _start(self, *seconds: float) -> None:
        self._ends.clear()
        self._thread = threading.Thread(target=self._hold, args=(seconds,), daemon=True)
        self._thread.start()

    def _hold(self, seconds: tuple[float, ...]) -> None:
        own = sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=60, isolation_level=None)
        while not self._ends.is_set():
            for each in seconds:
                own.execute("begin immediate")
                is_over = self._ends.wait(each)
                own.execute("rollback")
                if is_over:
                    break
        own.close()

    def end(self) -> None:
        self._ends.set()
        if self._thread is not None:
            self._thread.join()


@pytest.fixture
def slowness(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    made = LockedFile(url) if url.startswith("sqlite") else SlowServer(url, tmp_path, request)
    yield made
    made.end()


class Lives:
    """Executions that have begun their first step, and wait in it for a gate."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._logs = [f"{scene.log}-{number}" for number in range(EXECUTIONS)]
        self._handles = [scene.engine.submit(apps.climb.bind(log, str(scene.gate))) for log in self._logs]
        until(lambda: all(Path(log).exists() for log in self._logs))

    def go_on(self) -> None:
        self._scene.gate.touch()
        Path(f"{self._scene.gate}-above").touch()

    def assert_done_once(self, first_words: int = 1) -> None:
        """`first_words`: how often the step before the gate begins, which a drain cuts off."""
        assert [handle.result(timeout=120) for handle in self._handles] == ["above"] * EXECUTIONS
        for log in self._logs:
            words = [line.split("\t")[0] for line in Path(log).read_text().splitlines()]
            assert words == ["hold"] * first_words + ["behind the gate", "hold"]


def readiness(place: str) -> str:
    return get(place, "/readyz")[1].strip()


def test_g7_a_node_on_a_slow_database_fences_itself_and_comes_back(scene: Scene, slowness: Slowness) -> None:
    """A reply takes longer than the lease of two seconds lasts: nothing is begun then, and nothing is done again."""
    scene.engine.stats()  # makes the tables
    node = scene.start(url=slowness.url, http=ANY_PORT)
    place = address(node)
    lives = Lives(scene)
    slowness.begin()
    lives.go_on()
    until(lambda: "lease has run out" in readiness(place))
    slowness.end()
    until(lambda: readiness(place) == "ok")
    lives.assert_done_once()
    assert node.stop() == 0


@pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
def test_a_node_told_to_end_while_its_database_is_slow_ends_in_its_time(scene: Scene, slowness: Slowness) -> None:
    """Its drain, and a few seconds for the last commits; what it could not hand back goes on elsewhere."""
    scene.engine.stats()
    node = scene.start(url=slowness.url, drain_grace_seconds=0.5)
    lives = Lives(scene)
    slowness.begin()
    assert node.stop() == 0
    slowness.end()
    scene.start()
    lives.go_on()
    lives.assert_done_once(first_words=2)


def test_g7_a_database_that_goes_deaf_and_answers_everything_at_once(scene: Scene, slowness: Slowness) -> None:
    """In the middle of claims, commits, beats, and of what a program asks; nobody waits longer than they said."""
    scene.engine.stats()
    node = scene.start(url=slowness.url, http=ANY_PORT)
    place = address(node)
    lives = Lives(scene)
    with hydra.Engine(slowness.url) as program:
        known = program.submit(apps.life.bind(f"{scene.log}-known"), delay=3600)
        slowness.deafen()
        lives.go_on()
        id = str(_core.uuid7())
        bound = apps.held.bind(f"{scene.log}-late", str(scene.gate))
        with ThreadPoolExecutor(2) as threads:
            submitted = threads.submit(program.submit, bound, id=id)
            waited = threads.submit(known.result, timeout=0.5)
            until(lambda: "lease has run out" in readiness(place))
            until(waited.done)
            with pytest.raises(hydra.ResultTimeout):
                waited.result()
            threading.Event().wait(DEAF_SECONDS)
            slowness.end()
            until(submitted.done, seconds=120)
        until(lambda: readiness(place) == "ok")
        error = submitted.exception()
        assert error is None or isinstance(error, StoreUnavailable)
        late = program.submit(bound, id=id)  # safe to repeat, whatever became of it
        assert late.result(timeout=60) == "released"
        lives.assert_done_once()
        known.cancel()
    assert [line.split("\t")[0] for line in Path(f"{scene.log}-late").read_text().splitlines()] == ["hold"]
    assert node.stop() == 0
