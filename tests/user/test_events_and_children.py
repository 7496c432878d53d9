"""Signals through Engine and Handle, on every database, with a worker at work."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import hydra
import pytest

WAIT_SECONDS = 60

DATABASES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}/hydra.db",
    "postgres": lambda request: request.getfixturevalue("postgres_url"),
    "mysql": lambda request: request.getfixturevalue("mysql_url"),
}


@pytest.fixture(params=DATABASES)
def working(request: pytest.FixtureRequest) -> Iterator[hydra.Engine]:
    with hydra.Engine(DATABASES[request.param](request)) as engine:
        with engine.worker():
            yield engine
        assert engine.audit() == []


@hydra.workflow(name="events-approve")
def approve(name: str) -> tuple[str, str]:
    first = hydra.wait_event("approved", type=str)
    second = hydra.wait_event("approved", type=str, timeout=600)
    return first, second


@hydra.workflow(name="events-impatient")
def impatient() -> str:
    try:
        return hydra.wait_event("approved", type=str, timeout=0.05)
    except hydra.EventTimeout:
        return "late"


def test_signals_before_and_after_the_wait_come_in_order(working: hydra.Engine) -> None:
    handle = working.submit(approve.bind("a"), key="k")
    repeated = str(uuid.uuid4())
    handle.signal("approved", "one", id=repeated)
    handle.signal("approved", "one", id=repeated)
    working.find(approve, "k").signal("approved", "two")
    assert handle.result(timeout=WAIT_SECONDS) == ("one", "two")
    with pytest.raises(hydra.IllegalMove, match="takes no event"):
        handle.signal("approved", "three")


def test_a_wait_that_runs_out_of_time_says_so(working: hydra.Engine) -> None:
    assert working.submit(impatient.bind()).result(timeout=WAIT_SECONDS) == "late"


def test_a_signal_to_nobody_is_refused(working: hydra.Engine) -> None:
    with pytest.raises(hydra.NotFound):
        working.signal(str(uuid.uuid4()), "approved")
    with pytest.raises(hydra.ConfigError):
        working.submit(approve.bind("b")).signal("hydra.child", 1)
