"""Pairs of databases. Three of them have each store once as a source and once as a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.support.registries import own_registry

__all__ = ["own_registry"]

DATABASES: dict[str, Callable[[pytest.FixtureRequest, str], str]] = {
    "sqlite": lambda request, name: f"sqlite:///{request.getfixturevalue('tmp_path')}/{name}.db",
    "postgres": lambda request, _: request.getfixturevalue("postgres_url"),
    "mysql": lambda request, _: request.getfixturevalue("mysql_url"),
}
PAIRS = [("sqlite", "postgres"), ("postgres", "mysql"), ("mysql", "sqlite")]


class Pair(NamedTuple):
    source: str
    target: str


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(pair))
def pair(request: pytest.FixtureRequest) -> Pair:
    source, target = request.param
    return Pair(DATABASES[source](request, "source"), DATABASES[target](request, "target"))


@pytest.fixture
def files(request: pytest.FixtureRequest) -> Pair:
    """Two SQLite files, for what every store does alike."""
    return Pair(DATABASES["sqlite"](request, "source"), DATABASES["sqlite"](request, "target"))


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request, "source")
