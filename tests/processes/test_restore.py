"""A backup that was taken with the database's own tool while everything ran, restored after the database was lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import hydra
import pytest

from tests.processes import apps
from tests.processes.scene import Scene, until
from tests.servers import mysql, postgres


class Backup:
    """What docs/operations.md says to do, for the database of a URL."""

    def __init__(self, url: str, folder: Path, request: pytest.FixtureRequest) -> None:
        self._url = url
        self._parts = urlsplit(url)
        self._name = self._parts.path.strip("/")
        self._copy = folder / "backup"
        self._request = request

    def take(self) -> None:
        match self._parts.scheme:
            case "sqlite":
                with closing(sqlite3.connect(self._path)) as whole, closing(sqlite3.connect(self._copy)) as copy:
                    whole.backup(copy)
            case "postgresql":
                self._run(postgres.program("pg_dump"), "--format=custom", f"--file={self._copy}", self._url)
            case _:
                with self._copy.open("wb") as copy:
                    self._run("mariadb-dump", *self._mysql("--single-transaction", "--hex-blob"), stdout=copy)

    def restore(self) -> None:
        """Over a database that is lost altogether."""
        match self._parts.scheme:
            case "sqlite":
                for lost in Path(self._path).parent.glob(f"{Path(self._path).name}*"):
                    lost.unlink()
                shutil.copy(self._copy, self._path)
            case "postgresql":
                server = self._request.getfixturevalue("postgres_server")
                postgres.drop_database(server, self._url)
                postgres.create_database(server, self._name)
                self._run(postgres.program("pg_restore"), f"--dbname={self._url}", str(self._copy))
            case _:
                server = self._request.getfixturevalue("mysql_server")
                mysql.drop_database(server, self._url)
                mysql.create_database(server, self._name)
                with self._copy.open("rb") as copy:
                    self._run("mariadb", *self._mysql(), stdin=copy)

    @property
    def _path(self) -> str:
        return "/" + self._name

    def _mysql(self, *options: str) -> Iterator[str]:
        yield "--no-defaults"
        yield from options
        if socket := parse_qs(self._parts.query).get("unix_socket"):
            yield f"--socket={socket[0]}"
        else:
            yield f"--host={self._parts.hostname}"
            yield f"--port={self._parts.port or 3306}"
        yield f"--user={self._parts.username or 'root'}"
        if self._parts.password:
            yield f"--password={self._parts.password}"
        yield self._name

    @staticmethod
    def _run(*command: str | Path, **streams: object) -> None:
        subprocess.run(command, check=True, **streams)  # type: ignore[call-overload]


def kill_all(scene: Scene) -> None:
    """Supervisors and their workers."""
    workers = {note.worker for note in scene.notes()}
    for node in scene.nodes:
        node.kill()
        node.wait()
    until(lambda: not any(os.path.exists(f"/proc/{worker}") for worker in workers))


def test_d4_work_goes_on_from_a_backup_and_runs_again_only_what_came_after_it(
    scene: Scene, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    backup = Backup(scene.url, tmp_path, request)
    scene.start()
    submit = scene.engine.submit
    done = submit(apps.count.bind(4), key="before")
    assert done.result(timeout=30) == 6
    asleep = submit(apps.life.bind(scene.log))
    climbing = submit(apps.climb.bind(scene.log, str(scene.gate)))
    scene.first_note("hold")
    until(lambda: asleep.status() == "sleeping")

    backup.take()
    scene.gate.touch()
    late = scene.first_note("behind the gate")
    scene.first_note("hold", 2)  # so what is before it is recorded, in a database that will be lost
    assert submit(apps.count.bind(5), key="after").result(timeout=30) == 10

    kill_all(scene)
    scene.engine.close()
    backup.restore()
    scene.engine = engine = hydra.Engine(scene.url)
    assert engine.audit() == []
    assert engine.get(done.id).result(timeout=30) == 6
    with pytest.raises(hydra.NotFound):
        engine.find(apps.count, key="after")

    scene.start()
    Path(f"{scene.gate}-above").touch()
    assert engine.get(climbing.id).result(timeout=30) == "above"
    assert engine.get(asleep.id).result(timeout=30) == ["first", "second", "third"]
    words = [note.word for note in scene.notes()]
    assert (words.count("first"), words.count("second")) == (1, 1)
    again = [note for note in scene.notes() if note.word == "behind the gate"]
    assert [note.key for note in again] == [late.key] * 2
    assert engine.submit(apps.count.bind(4), key="before").id == done.id
    assert engine.submit(apps.count.bind(5), key="after").result(timeout=30) == 10
