from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.node.spawns_by_name import RefusedSpawn

from tests.processes.scene import Scene

DATABASES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}/scene.db",
    "postgres": lambda request: request.getfixturevalue("postgres_url"),
    "mysql": lambda request: request.getfixturevalue("mysql_url"),
}


on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # of a test that no other database adds to


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


@pytest.fixture
def scene(tmp_path: Path, url: str) -> Iterator[Scene]:
    """A database, supervisors on it, and at the end: no error that nobody expected, and a clean audit."""
    scene = Scene(tmp_path, url)
    try:
        yield scene
    finally:
        scene.close()
    for node in scene.nodes:
        assert "database is locked" not in node.text()
    with hydra.Engine(scene.url) as engine:
        assert engine.audit() == []


@pytest.fixture
def allow_spawns(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Children by name are refused, as where nobody has registered their workflow, until this is called."""
    is_allowed = threading.Event()

    def registered(_: Any, workflow: str) -> dict[str, Any]:
        if not is_allowed.is_set():
            raise RefusedSpawn(f"workflow `{workflow}` was not spawned by its name")
        return {}

    monkeypatch.setattr("hydra.client.signatures.KnownSignatures.registered", registered)
    monkeypatch.setattr("hydra.body.child_executions.code_of", lambda _: None)
    return is_allowed.set
