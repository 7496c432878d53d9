"""Keys that were used before: each policy has one stated outcome, on every store, raced, and after a purge."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hydra
import pytest

from tests.client import shop

WAIT_SECONDS = 60
SUBMITTERS = 64


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/keys.db"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def engine(url: str) -> Iterator[hydra.Engine]:
    with hydra.Engine(url) as engine:
        yield engine
        assert engine.audit() == []


def end(engine: hydra.Engine, handle: hydra.Handle[Any]) -> None:
    assert handle.cancel() == "cancelled"


def purge(engine: hydra.Engine) -> None:
    while not engine.purge(0):
        time.sleep(0.001)  # what ended in this very microsecond is not older


def test_first_gives_the_first_and_reject_nothing_whatever_became_of_it(engine: hydra.Engine) -> None:
    first = engine.submit(shop.echo.bind(1), key="a", key_reuse="reject")
    for _ in range(2):
        assert engine.submit(shop.echo.bind(1), key="a").id == first.id
        with pytest.raises(hydra.KeyTaken, match=f"was used by execution `{first.id}`; use another") as caught:
            engine.submit(shop.echo.bind(1), key="a", key_reuse="reject")
        assert (caught.value.execution_id, caught.value.conflicts) == (first.id, ["a"])
        assert isinstance(caught.value, hydra.IdempotencyConflict)
        with pytest.raises(hydra.IdempotencyConflict, match="with other arguments"):
            engine.submit(shop.echo.bind(2), key="a")
        end(engine, first)
    assert engine.submit(shop.echo.bind(1), id=first.id, key="a", key_reuse="reject").id == first.id, "R17"


def test_after_end_begins_another_once_the_last_has_ended(engine: hydra.Engine) -> None:
    first = engine.submit(shop.echo.bind(1), key="a", key_reuse="after_end")
    assert engine.submit(shop.echo.bind(1), key="a", key_reuse="after_end").id == first.id
    with pytest.raises(hydra.IdempotencyConflict, match="with other arguments"):
        engine.submit(shop.echo.bind(2), key="a", key_reuse="after_end")
    end(engine, first)
    second = engine.submit(shop.echo.bind(2), key="a", key_reuse="after_end")
    assert second.id != first.id and second.status() == "pending"
    assert engine.find(shop.echo, "a").id == second.id
    assert engine.submit(shop.echo.bind(2), key="a").id == second.id
    assert engine.submit(shop.echo.bind(1), id=first.id, key="a", key_reuse="after_end").id == first.id, "R17"
    assert engine.find(shop.echo, "a").id == second.id


def test_an_id_that_was_used_without_this_key_is_refused_so_that_one_key_is_one_execution(
    engine: hydra.Engine, url: str
) -> None:
    plain = engine.submit(shop.echo.bind(1))
    keyed = engine.submit(shop.echo.bind(1), key="other")
    for id, way in ((plain.id, "without a key"), (keyed.id, "under the key `other`")):
        sentence = f"^id `{id}` of workflow `echo` was used before {way}; repeat it that way, or leave the id out"
        for how in ({}, {"key_reuse": "after_end"}, {"debounce": hydra.Debounce(60)}):
            with pytest.raises(hydra.IdempotencyConflict, match=sentence) as caught:
                engine.submit(shop.echo.bind(1), id=id, key="a", **how)  # type: ignore[arg-type]
            assert caught.value.conflicts == ["a"]
        with pytest.raises(hydra.IdempotencyConflict, match=sentence):
            asyncio.run(submit_async(url, id))
        with pytest.raises(hydra.IdempotencyConflict, match=f"^id `{id}` of workflow `echo` .* with other arguments"):
            engine.submit(shop.echo.bind(2), id=id, key="a")
    first = engine.submit(shop.echo.bind(1), key="a")
    assert first.id not in (plain.id, keyed.id)
    assert engine.submit(shop.echo.bind(1), key="a").id == first.id
    with pytest.raises(hydra.IdempotencyConflict, match="without a key"):
        engine.submit(shop.echo.bind(1), id=plain.id, key="a")
    assert engine.submit(shop.echo.bind(1), id=keyed.id).id == keyed.id, "the id says it all"


async def submit_async(url: str, id: str) -> None:
    async with hydra.AsyncEngine(url) as engine:
        await engine.submit(shop.echo.bind(1), id=id, key="a")


def test_a_callers_transaction_refuses_an_id_that_was_used_without_this_key(tmp_path: Path) -> None:
    with hydra.Engine(f"sqlite:///{tmp_path}/keys.db") as engine:
        plain = engine.submit(shop.echo.bind(1))
        connection = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
        connection.execute("begin immediate")
        with pytest.raises(hydra.IdempotencyConflict, match="without a key"):
            engine.submit(shop.echo.bind(1), id=plain.id, key="a", connection=connection)
        connection.execute("commit")
        connection.close()
        assert engine.submit(shop.echo.bind(1), key="a").id != plain.id


def test_what_is_parked_or_sleeps_has_not_ended(engine: hydra.Engine) -> None:
    first = engine.submit(shop.sleep_long.bind(), key="a")
    with engine.worker():
        while first.status() != "sleeping":
            pass
    assert engine.submit(shop.sleep_long.bind(), key="a", key_reuse="after_end").id == first.id


def test_after_a_purge_each_policy_says_what_it_does(engine: hydra.Engine) -> None:
    first = engine.submit(shop.echo.bind(1), key="a")
    end(engine, first)
    purge(engine)
    for policy in ("first", "reject"):
        with pytest.raises(hydra.KeyTaken, match=f"`{first.id}`, which ended and was purged, so it does not run again"):
            engine.submit(shop.echo.bind(1), key="a", key_reuse=policy)
        with pytest.raises(hydra.KeyTaken) as caught:
            engine.submit_many([shop.echo.bind(0), shop.echo.bind(1)], keys=[policy, "a"], key_reuse=policy)
        assert caught.value.conflicts == ["a"] and "the others are submitted" in str(caught.value)
        assert engine.find(shop.echo, policy).status() == "pending"
    second = engine.submit(shop.echo.bind(2), key="a", key_reuse="after_end")
    assert second.status() == "pending" and engine.find(shop.echo, "a").id == second.id


def test_submit_many_has_the_same_outcomes(engine: hydra.Engine) -> None:
    bounds = [shop.echo.bind(number) for number in range(4)]
    keys = ["a", "b", "c", "a"]
    with pytest.raises(hydra.IdempotencyConflict):
        engine.submit_many(bounds, keys=keys, key_reuse="after_end")
    end(engine, engine.find(shop.echo, "a"))
    again = engine.submit_many([shop.echo.bind(9), bounds[1]], keys=["a", "b"], key_reuse="after_end")
    assert [handle.status() for handle in again] == ["pending", "pending"]
    with pytest.raises(hydra.KeyTaken) as caught:
        engine.submit_many(bounds, keys=["a", "x", "y", "c"], key_reuse="reject")
    assert caught.value.conflicts == ["a", "c"]


def test_what_gave_its_key_up_cannot_be_retried(engine: hydra.Engine) -> None:
    with engine.worker():
        first = engine.submit(shop.pay_by_card.bind("4242"), key="a")
        with pytest.raises(hydra.WorkflowFailed):
            first.result(timeout=WAIT_SECONDS)
    second = engine.submit(shop.pay_by_card.bind("4242"), key="a", key_reuse="after_end")
    with pytest.raises(hydra.IllegalMove, match=f"its key `a` is that of execution `{second.id}` by now"):
        first.retry()
    assert (first.status(), second.status()) == ("failed", "pending")
    with engine.worker(), pytest.raises(hydra.WorkflowFailed):
        second.result(timeout=WAIT_SECONDS)
    with pytest.raises(hydra.IllegalMove, match="retry that, or submit it again"):
        first.retry()
    second.retry()
    assert second.status() == "pending"


@pytest.mark.parametrize("policy", ["first", "reject", "after_end"])
def test_of_64_submitters_one_begins_an_execution(url: str, policy: str) -> None:
    """At once, over several engines, when the key is new and when its last holder has just ended."""
    with hydra.Engine(url) as engine, ThreadPoolExecutor(SUBMITTERS) as threads:
        others = [hydra.Engine(url) for _ in range(4)]
        last: hydra.Handle[Any] | None = None
        for round_number in range(3):
            barrier = threading.Barrier(SUBMITTERS)

            def submit(number: int, barrier: threading.Barrier = barrier) -> str:
                barrier.wait(WAIT_SECONDS)
                try:
                    return others[number % 4].submit(shop.echo.bind(1), key="a", key_reuse=policy).id
                except hydra.KeyTaken as error:
                    assert policy == "reject" and error.execution_id is not None
                    return f"taken by {error.execution_id}"

            answers = list(threads.map(submit, range(SUBMITTERS)))
            ids = {answer.removeprefix("taken by ") for answer in answers}
            assert len(ids) == 1, answers
            (id,) = ids
            is_new = last is None or id != last.id
            assert is_new is (round_number == 0 or policy == "after_end")
            begun_count = sum(not answer.startswith("taken by") for answer in answers)
            assert begun_count == (SUBMITTERS if policy != "reject" else 1 if round_number == 0 else 0)
            last = engine.get(id)
            assert len(engine.executions(status="pending")) == (1 if is_new else 0)
            if is_new:
                end(engine, last)
        for other in others:
            other.close()
        assert engine.audit() == []


def test_a_retry_and_a_submission_that_race_for_a_key_never_both_run(url: str) -> None:
    with hydra.Engine(url) as engine, hydra.Engine(url) as other, ThreadPoolExecutor(2) as threads:
        for number in range(20):
            key = f"key {number}"
            with engine.worker():
                first = engine.submit(shop.pay_by_card.bind("4242"), key=key)
                with pytest.raises(hydra.WorkflowFailed):
                    first.result(timeout=WAIT_SECONDS)
            barrier = threading.Barrier(2)

            def retry(handle: hydra.Handle[Any] = first, barrier: threading.Barrier = barrier) -> bool:
                barrier.wait(WAIT_SECONDS)
                try:
                    handle.retry()
                except hydra.IllegalMove:
                    return False
                return True

            def submit(key: str = key, barrier: threading.Barrier = barrier) -> str:
                barrier.wait(WAIT_SECONDS)
                return other.submit(shop.pay_by_card.bind("4242"), key=key, key_reuse="after_end").id

            retried, submitted = threads.submit(retry), threads.submit(submit)
            is_retried, id = retried.result(WAIT_SECONDS), submitted.result(WAIT_SECONDS)
            assert is_retried is (id == first.id), "both answers are true"
            assert [each.id for each in engine.executions(status="pending")] == [id]
            end(engine, engine.get(id))
        assert engine.audit() == []


def test_a_callers_transaction_goes_by_the_same_policies(tmp_path: Path) -> None:
    import sqlite3

    with hydra.Engine(f"sqlite:///{tmp_path}/keys.db") as engine:
        first = engine.submit(shop.echo.bind(1), key="a")
        end(engine, first)
        connection = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
        connection.execute("begin immediate")
        with pytest.raises(hydra.KeyTaken):
            engine.submit_many([shop.echo.bind(1)] * 2, keys=["b", "a"], key_reuse="reject", connection=connection)
        second = engine.submit(shop.echo.bind(2), key="a", key_reuse="after_end", connection=connection)
        connection.execute("rollback")
        assert engine.find(shop.echo, "a").id == first.id
        connection.execute("begin immediate")
        second = engine.submit(shop.echo.bind(2), key="a", key_reuse="after_end", connection=connection)
        connection.execute("commit")
        connection.close()
        assert engine.find(shop.echo, "a").id == second.id
        assert {each.key for each in engine.executions()} == {"a"} and engine.audit() == []


@hydra.workflow
def sync(customer: str) -> str:
    return hydra.current().id


@hydra.workflow
def order_syncs(policy: str, count: int) -> list[str]:
    ids = []
    for _ in range(count):
        try:
            child = hydra.spawn(sync.bind("c"), key="c", key_reuse=policy)
            ids.append(child.result())
        except hydra.KeyTaken as error:
            ids.append(f"taken by {error.execution_id}")
    return ids


@hydra.workflow
async def order_syncs_async(policy: str, count: int) -> list[str]:
    ids = []
    for _ in range(count):
        try:
            child = await hydra.aio.spawn(sync.bind("c"), key="c", key_reuse=policy)
            ids.append(await child.result())
        except hydra.KeyTaken as error:
            ids.append(f"taken by {error.execution_id}")
    return ids


@pytest.mark.parametrize("workflow", [order_syncs, order_syncs_async], ids=lambda each: each.name)
def test_spawn_has_the_same_policies(engine: hydra.Engine, workflow: Any) -> None:
    with engine.worker():
        first, again = engine.submit(workflow.bind("first", 2)).result(timeout=WAIT_SECONDS)
        assert first == again
        other, last = engine.submit(workflow.bind("after_end", 2)).result(timeout=WAIT_SECONDS)
        assert len({first, other, last}) == 3
        taken = engine.submit(workflow.bind("reject", 2)).result(timeout=WAIT_SECONDS)
        assert taken == [f"taken by {last}"] * 2


def test_an_unknown_policy_is_one_sentence(engine: hydra.Engine) -> None:
    with pytest.raises(hydra.ConfigError, match="`key_reuse` is one of first, reject, after_end"):
        engine.submit(shop.echo.bind(1), key="a", key_reuse="never")
