from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
import pytest

DATABASES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}/hydra.db",
    "postgres": lambda request: request.getfixturevalue("postgres_url"),
    "mysql": lambda request: request.getfixturevalue("mysql_url"),
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/user.db"


@pytest.fixture
def engine(url: str) -> Iterator[hydra.Engine]:
    with hydra.Engine(url) as engine:
        yield engine
        assert engine.audit() == []


@pytest.fixture(params=DATABASES)
def working(request: pytest.FixtureRequest) -> Iterator[hydra.Engine]:
    """An engine of each database, with a worker at work."""
    with hydra.Engine(DATABASES[request.param](request)) as engine:
        with engine.worker():
            yield engine
        assert engine.audit() == []
