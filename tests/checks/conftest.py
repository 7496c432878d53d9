from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hydra.testing import Harness
from hydra.workflow import registry

DATABASES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}/checks.db",
    "postgres": lambda request: request.getfixturevalue("postgres_url"),
    "mysql": lambda request: request.getfixturevalue("mysql_url"),
}


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """Each test defines its own workflows, and sees none that other tests' modules define."""
    workflows, steps = registry.workflows, registry.steps
    registry.workflows, registry.steps = {}, {}
    yield
    registry.workflows, registry.steps = workflows, steps


@pytest.fixture(params=DATABASES)
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """On each database; when the test is over nothing in it may break a promise."""
    with Harness(DATABASES[request.param](request)) as harness:
        yield harness
        assert harness.engine.audit() == []
