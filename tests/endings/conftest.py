"""A harness on each database: the real engine, dispatcher, hub and store, under a clock the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hydra.testing import Harness
from hydra.workflow import registry

DATABASES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}/endings.db",
    "postgres": lambda request: request.getfixturevalue("postgres_url"),
    "mysql": lambda request: request.getfixturevalue("mysql_url"),
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


@pytest.fixture
def harness(url: str) -> Iterator[Harness]:
    with Harness(url) as harness:
        yield harness
        assert harness.engine.audit() == []


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """Each test defines its own workflows, and sees none that other tests' modules define."""
    workflows, steps = registry.workflows, registry.steps
    registry.workflows, registry.steps = {}, {}
    yield
    registry.workflows, registry.steps = workflows, steps
