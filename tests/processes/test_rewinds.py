"""A database that goes back in time under its supervisors: noticed, told and parked, whatever they counted there.

A server is copied while it is down, works on, and is put back to the copy; a file is restored in place.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import hydra
import pytest
from hydra.client.handle import Handle
from hydra.execution import Status

from tests.processes import apps
from tests.processes.scene import Scene, is_alive, until
from tests.processes.test_failover import FORGOT, assert_set_back, climb_half, climb_on
from tests.servers.mysql import MysqlServer, create_database
from tests.servers.postgres import PostgresServer


class CopiedServer:
    """`take` and `put_back` stop the server for a moment, so everything connects again."""

    def __init__(self, server: PostgresServer | MysqlServer, url: str, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self.url = url

    def take(self, name: str = "copy") -> None:
        self._server.stop()
        subprocess.run(["cp", "-a", self._server.data_folder, self._folder / name], check=True)
        self._server.start()

    def put_back(self, name: str = "copy") -> None:
        self._server.kill()
        shutil.rmtree(self._server.data_folder)
        subprocess.run(["cp", "-a", self._folder / name, self._server.data_folder], check=True)
        self._server.start()

    def destroy(self) -> None:
        self._server.destroy()


class CopiedFile:
    """Restored in place, as `.restore` of the sqlite3 shell does, while programs have it open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "scene.db"
        self.url = f"sqlite:///{self._path}"

    def take(self, name: str = "copy") -> None:
        self._copy(self._path, self._folder / name)

    def put_back(self, name: str = "copy") -> None:
        self._copy(self._folder / name, self._path)

    def destroy(self) -> None:
        pass

    def _copy(self, source: Path, target: Path) -> None:
        with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(target, timeout=30)) as copy:
            whole.backup(copy)


Copied = CopiedServer | CopiedFile


def make(name: str, folder: Path) -> Copied:
    if name == "sqlite":
        return CopiedFile(folder)
    if name == "postgres":
        server = PostgresServer().start()
        return CopiedServer(server, server.url(), folder)
    mysql = MysqlServer().start()
    return CopiedServer(mysql, create_database(mysql), folder)


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def copied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Copied]:
    copied = make(request.param, tmp_path)
    try:
        yield copied
    finally:
        copied.destroy()


def test_r19_a_database_put_back_to_an_older_copy_is_noticed_and_what_it_forgot_is_parked(
    tmp_path: Path, copied: Copied
) -> None:
    """The copy's session is lower than the node's own, whose connection was replaced since: no death, a rewind."""
    scene = Scene(tmp_path, copied.url)
    try:
        handles, workers = climb_half(scene)
        copied.take()
        climb_on(scene, handles)
        copied.put_back()
        assert_set_back(scene, handles, workers)
        assert "declared dead" not in scene.nodes[0].text()
    finally:
        scene.close()


def resume(handle: Handle[str]) -> None:
    """Over whatever connection: the server has just ended those there were."""
    with suppress(hydra.StoreUnavailable):
        handle.resume()
        return
    handle.resume()


@pytest.mark.slow
def test_r19_a_failback_to_the_other_history_parks_what_the_first_rewind_led_to(tmp_path: Path, copied: Copied) -> None:
    """Back to an early copy, on from there, then to a late one, which knows the first registration, not the second."""
    scene = Scene(tmp_path, copied.url)
    try:
        (ends, climbs), _ = climb_half(scene)
        (node,) = scene.nodes
        copied.take("early")
        scene.gate.touch()
        assert ends.result(timeout=60) == "released"
        scene.first_note(count=3)  # what is behind the gate is recorded, what is above is not
        copied.take("late")
        copied.put_back("early")
        until(lambda: node.text().count(FORGOT) == 1, seconds=60)
        until(lambda: climbs.status() == Status.PARKED, seconds=60)
        Path(f"{scene.gate}-above").touch()
        resume(climbs)
        assert climbs.result(timeout=60) == "above"

        worker = scene.notes()[-1].worker
        copied.put_back("late")
        until(lambda: node.text().count(FORGOT) == 2, seconds=60)
        until(lambda: climbs.status() == Status.PARKED, seconds=60)
        until(lambda: not is_alive(worker))
        words = [note.word for note in scene.notes()]
        assert words.count("behind the gate") == 2, "once on each history, the second by a person's order"
        assert ends.result(timeout=60) == "released", "the late copy has all that is known of it"
        resume(climbs)
        assert climbs.result(timeout=60) == "above"
        assert scene.engine.submit(apps.count.bind(3)).result(timeout=60) == 3
        assert node.stop() == 0
        assert scene.engine.audit() == []
    finally:
        scene.close()
