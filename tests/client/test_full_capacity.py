"""A worker whose places are all taken: what comes waits in the database, and begins in its order, place by place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hydra
import pytest

PLACES = 4
WAITING = 30
BOUND_SECONDS = 60

begun: list[int] = []
open_doors: dict[int, threading.Event] = {}
most = {"running": 0}
running: set[int] = set()
lock = threading.Lock()


@hydra.step
def hold_until_told(number: int) -> int:
    with lock:
        begun.append(number)
        running.add(number)
        most["running"] = max(most["running"], len(running))
    assert open_doors[number].wait(BOUND_SECONDS)
    with lock:
        running.remove(number)
    return number


@hydra.workflow
def long_task(number: int) -> int:
    return hold_until_told(number)


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[hydra.Engine]:
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/full.db" if is_file else request.getfixturevalue(f"{request.param}_url")
    begun.clear()
    running.clear()
    most["running"] = 0
    open_doors.update({number: threading.Event() for number in range(PLACES + WAITING)})
    with hydra.Engine(url) as engine:
        yield engine


def until_begun(count: int) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    while len(begun) < count:
        assert time.monotonic() < deadline, f"only {len(begun)} of {count} have begun"
        time.sleep(0.005)


def counts(engine: hydra.Engine) -> dict[str, int]:
    return engine.stats().counts["long_task"]


def test_l2_at_full_capacity_what_comes_waits_and_each_end_lets_the_oldest_begin(engine: hydra.Engine) -> None:
    with engine.worker(PLACES):
        first = engine.submit_many([long_task.bind(number) for number in range(PLACES)])
        until_begun(PLACES)
        assert counts(engine) == {"running": PLACES}, "exactly full, and nothing waits"
        later = engine.submit_many([long_task.bind(number) for number in range(PLACES, PLACES + WAITING)])
        assert counts(engine) == {"running": PLACES, "pending": WAITING}, "no place, so nobody claims"
        assert sorted(begun) == list(range(PLACES))
        for number in range(WAITING):  # place by place: whoever began first ends, and one more begins
            open_doors[begun[number]].set()
            until_begun(PLACES + number + 1)
            assert len(begun) == PLACES + number + 1
        assert begun[PLACES:] == list(range(PLACES, PLACES + WAITING)), "the queue is drained in order"
        for each in open_doors.values():
            each.set()
        assert [each.result(timeout=BOUND_SECONDS) for each in first + later] == list(range(PLACES + WAITING))
    assert most["running"] == PLACES
    assert counts(engine) == {"completed": PLACES + WAITING}
    assert engine.audit() == []
