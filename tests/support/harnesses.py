"""A harness on each database, under a clock that the test moves. Imported by the `conftest.py` of who needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hydra.testing import Harness

DATABASES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}/workflow.db",
    "postgres": lambda request: request.getfixturevalue("postgres_url"),
    "mysql": lambda request: request.getfixturevalue("mysql_url"),
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


@pytest.fixture
def harness(url: str) -> Iterator[Harness]:
    """When the test is over nothing in it may break a promise."""
    with Harness(url) as harness:
        yield harness
        assert harness.engine.audit() == []
