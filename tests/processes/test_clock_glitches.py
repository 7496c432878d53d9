"""The database's own clock is wrong for some seconds while work arrives: nothing is early, nothing late for long."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.processes import clock_app
from tests.processes.scene import Scene, until
from tests.servers.hosts import fake_clock_file
from tests.servers.mysql import MysqlServer, create_database
from tests.servers.postgres import PostgresServer

SOON_SECONDS = 2.0
HALF_HOUR = 1800.0
GLITCH_SECONDS = 5.0


class Glitching:
    """A database whose clock says what the file says. A SQLite file's clock is that of whoever asks."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._folder = tempfile.TemporaryDirectory()
        Path(self._folder.name).chmod(0o755)
        self._file = Path(self._folder.name) / "clock"
        self.set("+0")
        self._server: PostgresServer | MysqlServer | None = None
        fake = fake_clock_file(self._file)
        self.environment: dict[str, str] = {}
        if kind == "sqlite":
            self.environment = fake
            self.url = f"sqlite:///{folder}/scene.db"
        elif kind == "postgres":
            self._server = PostgresServer(environment=fake).start()
            self.url = self._server.url()
        else:
            self._server = server = MysqlServer(environment=fake).start()
            self.url = create_database(server)

    def set(self, by: str) -> None:
        self._file.write_text(f"{by}\n")
        self._file.chmod(0o644)

    def destroy(self) -> None:
        if self._server is not None:
            self._server.destroy()
        self._folder.cleanup()


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Glitching]:
    database = Glitching(request.param, tmp_path)
    try:
        yield database
    finally:
        database.destroy()


@pytest.mark.parametrize("jump", ["+3600", "-3600"])
def test_a_clock_that_jumps_by_an_hour_for_seconds_makes_nothing_early_and_nothing_later_than_that(
    tmp_path: Path, database: Glitching, jump: str
) -> None:
    scene = Scene(tmp_path, database.url)
    try:
        scene.start("clock_app", environment=database.environment)
        submit = scene.engine.submit
        assert submit(clock_app.rests.bind(SOON_SECONDS)).result(timeout=30)  # beats have been answered
        far = [submit(clock_app.rests.bind(HALF_HOUR)), submit(clock_app.rests_ten_minutes_at_most.bind(HALF_HOUR))]
        until(lambda: all(handle.status() == "sleeping" for handle in far))
        delayed = [submit(clock_app.begins.bind(), delay=timedelta(minutes=30))]
        soon = [submit(clock_app.rests.bind(SOON_SECONDS + 0.1 * number)) for number in range(10)]
        until(lambda: all(handle.status() == "sleeping" for handle in soon))

        database.set(jump)
        until_at = time.monotonic() + GLITCH_SECONDS
        while time.monotonic() < until_at:
            soon.append(submit(clock_app.rests.bind(SOON_SECONDS)))
            time.sleep(0.5)
        database.set("+0")
        began = time.monotonic()
        for handle in soon:
            assert handle.result(timeout=30)
        late_seconds = time.monotonic() - began
        delayed.append(submit(clock_app.begins.bind(), delay=timedelta(minutes=30)))
        last = submit(clock_app.rests.bind(SOON_SECONDS)).result(timeout=30)
        assert last, "time goes on"
        assert late_seconds < 3 * GLITCH_SECONDS, "a bound far from an hour, for a busy machine"
        assert [handle.status() for handle in far] == ["sleeping"] * 2
        assert [handle.status() for handle in delayed] == ["pending"] * 2
        assert all(handle.attempts() == [] for handle in delayed)
        assert scene.nodes[0].stop() == 0
        assert scene.engine.audit() == []
    finally:
        scene.close()


def test_a_clock_that_is_set_back_for_seconds_makes_nothing_early_that_is_begun_during_it_or_right_after(
    tmp_path: Path, database: Glitching
) -> None:
    """On SQLite the nodes' clock goes wrong; the submitting program has this host's, which nobody sets."""
    scene = Scene(tmp_path, database.url)
    try:
        scene.start("clock_app", environment=database.environment)
        submit = scene.engine.submit
        assert submit(clock_app.rests.bind(SOON_SECONDS)).result(timeout=30)
        delayed, far = [], []

        def begin_all() -> None:
            far.append(submit(clock_app.rests_ten_minutes_at_most.bind(HALF_HOUR)))
            delayed.append(submit(clock_app.begins.bind(), delay=timedelta(minutes=30)))

        for jump, seconds in (("-3600", GLITCH_SECONDS), ("+0", 3.0)):
            database.set(jump)
            until_at = time.monotonic() + seconds
            while time.monotonic() < until_at:
                begin_all()
                time.sleep(0.3)
        assert submit(clock_app.rests.bind(SOON_SECONDS)).result(timeout=30), "time goes on"
        assert {handle.status() for handle in far} == {"sleeping"}
        assert {handle.status() for handle in delayed} == {"pending"}
        assert scene.nodes[0].stop() == 0
        assert scene.engine.audit() == []
    finally:
        scene.close()
