"""How many may be pending of a workflow, of a key of a limit, in a namespace: by the code or an operator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import hydra
import pytest
from hydra.client import pending_bounds
from hydra.client.pending_bounds import read_bounds
from hydra.errors import ConfigError, IdempotencyConflict, KeyTaken, NotFound, QueueFull
from hydra.stores.limit_states import LimitState

from tests.cli.invoking import run


@hydra.workflow(max_pending=3)
def bounded_by_code(number: int) -> int:
    return number


@hydra.workflow
def unbounded_by_code(number: int) -> int:
    return number


@hydra.workflow(limits=[hydra.Concurrency(1, key="tenant", name="bounded_places", max_pending=2)])
def bounded_by_key(tenant: str) -> str:
    return tenant


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bounds.db"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def engine(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[hydra.Engine]:
    """Nodes have registered the workflows; depths and bounds are read each time."""
    monkeypatch.setattr(pending_bounds, "DEPTH_AGE_NS", 0)
    monkeypatch.setattr(pending_bounds, "DEPTH_SHARE", 1e9)
    monkeypatch.setattr(pending_bounds, "BOUNDS_AGE_NS", 0)
    with hydra.Engine(url) as engine:
        with engine.worker(2):
            engine.submit(unbounded_by_code.bind(0)).result(timeout=60)
        yield engine


def count(engine: hydra.Engine) -> int:
    return len(engine.executions(status="pending"))


def test_g7_past_the_bound_of_a_workflow_submissions_are_refused_and_others_are_not(engine: hydra.Engine) -> None:
    handles = engine.submit_many([bounded_by_code.bind(number) for number in range(2)])
    later = engine.submit(bounded_by_code.bind(2), delay=3600)
    with pytest.raises(QueueFull, match=r"^3 executions of workflow `bounded_by_code` are pending and the limit is 3"):
        engine.submit(bounded_by_code.bind(3))
    with pytest.raises(QueueFull, match="submit 2 more later"):
        engine.submit_many([unbounded_by_code.bind(0), *[bounded_by_code.bind(4)] * 2])
    assert count(engine) == 3, "nothing was written"
    engine.submit(unbounded_by_code.bind(1))
    later.cancel()
    engine.submit(bounded_by_code.bind(5))
    handles[0].cancel()
    asyncio.run(refused_when_full(engine.url))


async def refused_when_full(url: str) -> None:
    async with hydra.AsyncEngine(url) as engine:
        await engine.submit(bounded_by_code.bind(6))
        with pytest.raises(QueueFull, match="of workflow `bounded_by_code`"):
            await engine.submit(bounded_by_code.bind(7))


def test_g7_past_the_bound_of_a_key_submissions_of_it_are_refused(engine: hydra.Engine) -> None:
    engine.submit_many([bounded_by_key.bind("acme")] * 2)
    with pytest.raises(QueueFull, match=r"^2 executions of `bounded_places=acme` are pending and the limit is 2"):
        engine.submit(bounded_by_key.bind("acme"))
    engine.submit(bounded_by_key.bind("other"))
    engine.set_limit("bounded_places", max_pending=3)
    engine.submit(bounded_by_key.bind("acme"))
    (limit,) = [each for each in engine.limits() if each.name == "bounded_places"]
    assert (limit.count, limit.max_pending, limit.code_max_pending, limit.is_set) == (1, 3, 2, True)
    engine.reset_limit("bounded_places")
    with pytest.raises(QueueFull, match="the limit is 2"):
        engine.submit(bounded_by_key.bind("acme"))


def test_g7_what_is_delayed_is_pending_of_its_workflow_and_in_all_and_waits_at_no_key_yet(engine: hydra.Engine) -> None:
    """The same on each database: one held back, one delayed, one ready."""
    engine.submit(bounded_by_key.bind("acme"))
    engine.submit(bounded_by_key.bind("acme"), delay=3600)
    engine.submit(unbounded_by_code.bind(0))
    engine.submit(bounded_by_key.bind("acme"))
    with pytest.raises(QueueFull, match=r"^2 executions of `bounded_places=acme` are pending and the limit is 2"):
        engine.submit(bounded_by_key.bind("acme"))
    with (
        hydra.Engine(engine.url, max_pending=4) as full,
        pytest.raises(QueueFull, match=r"^4 executions are pending and the limit is 4"),
    ):
        full.submit(unbounded_by_code.bind(1))
    engine.set_limit("workflow:bounded_by_key", max_pending=3)
    with pytest.raises(QueueFull, match=r"^3 executions of workflow `bounded_by_key` are pending"):
        engine.submit(bounded_by_key.bind("other"))


def test_an_operator_bounds_a_workflow_and_the_namespace_and_takes_it_back(engine: hydra.Engine) -> None:
    url = engine.url
    engine.submit_many([unbounded_by_code.bind(number) for number in range(2)])
    run(url, "limits", "set", "workflow:unbounded_by_code", "--max-pending", "2")
    with pytest.raises(QueueFull, match="2 executions of workflow `unbounded_by_code` are pending and the limit is 2"):
        engine.submit(unbounded_by_code.bind(2))
    run(url, "limits", "set", "namespace:default", "--max-pending", "3")
    engine.submit(bounded_by_code.bind(0))
    with pytest.raises(QueueFull, match=r"^3 executions in namespace `default` are pending and the limit is 3"):
        engine.submit(bounded_by_code.bind(1))
    shown = run(url, "limits").output
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
    assert lines["workflow:unbounded_by_code"] == ["pending", "2", "pending", "any", "number", "pending"]
    assert lines["workflow:bounded_by_code"] == ["pending", "3", "pending", "3", "pending"]
    assert lines["namespace:default"][:3] == ["pending", "3", "pending"]
    assert [key.waiting for key in engine.limit_keys("workflow:unbounded_by_code")] == [2]
    with engine.worker(2):  # an operator's number survives the next start
        engine.get(engine.executions(status="pending")[0].id).result(timeout=60)
    assert {each.name for each in engine.limits() if each.is_set} == {"workflow:unbounded_by_code", "namespace:default"}
    for name in ("workflow:unbounded_by_code", "namespace:default"):
        engine.reset_limit(name)
    engine.submit_many([unbounded_by_code.bind(number) for number in range(9)])


def test_who_changes_a_bound_knows_it_at_once(url: str) -> None:
    """Depths and bounds are kept as in a program: other engines know it a second later."""
    with hydra.Engine(url) as engine:
        with engine.worker(2):
            engine.submit(unbounded_by_code.bind(0)).result(timeout=60)
        engine.submit_many([unbounded_by_code.bind(number) for number in range(3)])
        engine.set_limit("workflow:unbounded_by_code", max_pending=1)
        with pytest.raises(QueueFull, match="the limit is 1"):
            engine.submit(unbounded_by_code.bind(3))
        engine.set_limit("workflow:unbounded_by_code", max_pending=3)
        with pytest.raises(QueueFull, match=r"^3 executions of .* the limit is 3"):
            engine.submit(unbounded_by_code.bind(3))
        engine.reset_limit("workflow:unbounded_by_code")
        engine.submit(unbounded_by_code.bind(3))


def test_what_the_code_bounds_no_more_is_not_bounded(engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_by_code, "max_pending", None)
    with engine.worker(2):
        engine.submit(bounded_by_code.bind(0)).result(timeout=60)
    engine.submit_many([bounded_by_code.bind(number) for number in range(5)])


def test_what_is_no_bound_is_one_sentence(engine: hydra.Engine) -> None:
    def refuse(kind: type[Exception], sentence: str, name: str, **numbers: int) -> None:
        with pytest.raises(kind, match=sentence):
            engine.set_limit(name, **numbers)

    refuse(NotFound, "no limit is named `workflow:nobody`", "workflow:nobody", max_pending=1)
    refuse(NotFound, "no limit is named `namespace:other`", "namespace:other", max_pending=1)
    refuse(ConfigError, "`namespace:default` bounds what may be pending, and has", "namespace:default", count=1)
    refuse(ConfigError, "`max_pending` of `namespace:default` must be a whole", "namespace:default", max_pending=0)
    refuse(ConfigError, "`max_pending` of a limit must be a whole", "bounded_places", max_pending=0)
    with pytest.raises(ConfigError, match="`workflow:bounded_by_code` bounds what is pending, and cannot be paused"):
        engine.pause_limit("workflow:bounded_by_code")


def test_bad_bounds_are_refused_where_they_are_written() -> None:
    def body(key: str) -> None: ...

    with pytest.raises(ConfigError, match="`max_pending` of workflow `body` must be a whole number from 1"):
        hydra.workflow(max_pending=0)(body)
    with pytest.raises(ConfigError, match="`max_pending` of a limit must be a whole number from 1"):
        hydra.Rate(1, max_pending=-1)
    with pytest.raises(ConfigError, match="a limit of step `body` has `max_pending`, which bounds submissions"):
        hydra.step(limits=[hydra.Concurrency(1, max_pending=1)])(body)


def test_an_operators_number_wins_and_0_bounds_nothing() -> None:
    def row(kind: str, name: str, count: int, per_us: int = 0, **set: int) -> LimitState:
        return LimitState(kind, name, count, per_us, 0, **set)

    found = read_bounds(
        [
            row("pending", "workflow:a", 5),
            row("pending", "workflow:b", 5, set_count=7),
            row("pending", "limit:c", 0),
            row("by_turns", "d", 8, 0),
            row("by_turns", "e", 8, 9),
            row("by_turns", "f", 8, 9, set_per_us=4),
            row("concurrency", "g", 1),
        ]
    )
    assert found == {"workflow:a": 5, "workflow:b": 7, "limit:e": 9, "limit:f": 4}


def test_g1_what_adds_nothing_is_not_refused_where_it_is_full(engine: hydra.Engine) -> None:
    """Its key, or its id, is there: whoever repeats it after a failure gets what the first made."""
    waiting = engine.submit(bounded_by_code.bind(0), key="a", delay=3600)
    own_id = "01234567-89ab-7def-8123-456789abcdef"
    named = engine.submit(bounded_by_code.bind(1), id=own_id)
    engine.submit(bounded_by_code.bind(2), key="b", delay=3600)
    assert engine.submit(bounded_by_code.bind(0), key="a").id == waiting.id
    assert engine.submit(bounded_by_code.bind(1), id=own_id).id == named.id
    assert engine.submit(bounded_by_code.bind(0), key="a", key_reuse="after_end").id == waiting.id
    assert engine.submit(bounded_by_code.bind(0), key="a", key_reuse=3600).id == waiting.id
    assert engine.submit(bounded_by_code.bind(5), key="a", debounce=hydra.Debounce(3600)).id == waiting.id
    with pytest.raises(KeyTaken):
        engine.submit(bounded_by_code.bind(0), key="a", key_reuse="reject")
    with pytest.raises(IdempotencyConflict):
        engine.submit(bounded_by_code.bind(9), key="b")
    both = engine.submit_many([bounded_by_code.bind(number) for number in (5, 2)], keys=["a", "b"])
    assert both[0].id == waiting.id
    for new in ({}, {"key": "c"}, {"key": "a", "key_reuse": 1e-6}):
        with pytest.raises(QueueFull, match="the limit is 3; submit one more later"):
            engine.submit(bounded_by_code.bind(5), **new)
    with pytest.raises(QueueFull, match="the limit is 3; submit one more later"):
        engine.submit_many([bounded_by_code.bind(number) for number in (5, 6, 6)], keys=["a", "c", "c"])
    assert count(engine) == 3, "all or nothing"
    asyncio.run(repeated_when_full(engine.url, waiting.id))
    named.cancel()
    assert engine.submit(bounded_by_code.bind(6), key="c").id != waiting.id


async def repeated_when_full(url: str, id: str) -> None:
    async with hydra.AsyncEngine(url) as engine:
        assert (await engine.submit(bounded_by_code.bind(5), key="a")).id == id
        assert [each.id for each in await engine.submit_many([bounded_by_code.bind(5)], keys=["a"])] == [id]
        with pytest.raises(QueueFull):
            await engine.submit(bounded_by_code.bind(7), key="d")


def test_g1_the_bound_of_an_engine_refuses_only_what_is_new(url: str) -> None:
    with hydra.Engine(url, max_pending=1) as engine:
        first = engine.submit(unbounded_by_code.bind(0), key="a", delay=3600)
        assert engine.submit(unbounded_by_code.bind(0), key="a").id == first.id
        with pytest.raises(QueueFull):
            engine.submit(unbounded_by_code.bind(0), key="a2")


def test_a_count_that_says_full_is_read_again_before_it_refuses(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_bounds, "DEPTH_AGE_NS", 3_600_000_000_000)
    monkeypatch.setattr(pending_bounds, "DEPTH_SHARE", 1e9)
    with hydra.Engine(url, max_pending=1) as engine:
        engine.submit(unbounded_by_code.bind(0)).cancel()
        engine.submit(unbounded_by_code.bind(1))
        with pytest.raises(QueueFull):
            engine.submit(unbounded_by_code.bind(2))
