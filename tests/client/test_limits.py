"""Limits of workflows from end to end, in this process: submitted, spawned, forked, by name, and changed meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
import pytest
from hydra.client import pending_bounds
from hydra.errors import PayloadError

WAIT_SECONDS = 60


class Watched:
    """How many run at once, by key, and in which order they began."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.order: list[int] = []
        self.gate = threading.Event()

    @contextmanager
    def inside(self, key: str, number: int) -> Iterator[None]:
        with self.lock:
            self.running[key] = self.running.get(key, 0) + 1
            self.most[key] = max(self.most.get(key, 0), self.running[key])
            self.order.append(number)
        yield
        with self.lock:
            self.running[key] -= 1


watched = Watched()


@pytest.fixture(autouse=True)
def fresh() -> None:
    watched.__init__()  # type: ignore[misc]


@hydra.step
def limited_work(key: str, number: int, waits: bool = False) -> int:
    with watched.inside(key, number):
        if waits:
            watched.gate.wait(WAIT_SECONDS)
    return number


@hydra.workflow(limits=[hydra.Concurrency(2, key="tenant")])
def limited(tenant: str, number: int, waits: bool = False) -> int:
    return limited_work(tenant, number, waits)


@hydra.workflow(limits=[hydra.Concurrency(1, name="one_by_one")])
async def strict(number: int) -> int:
    return await hydra.aio.call(limited_work.bind("strict", number))


@hydra.workflow
def parent_of_limited(count: int) -> list[int]:
    children = [hydra.spawn(limited.bind("child", number)) for number in range(count)]
    return [child.result() for child in children]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[hydra.Engine]:
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine:
        yield engine
        assert engine.audit() == []


def test_r29_no_more_of_a_key_run_at_once_and_other_keys_go_on(engine: hydra.Engine) -> None:
    handles = engine.submit_many([limited.bind(f"tenant {n % 3}", n) for n in range(30)])
    with engine.worker(16):
        assert [handle.result(WAIT_SECONDS) for handle in handles] == list(range(30))
    assert max(watched.most.values()) <= 2
    assert len(watched.most) == 3


def test_r29_a_count_of_1_begins_them_in_the_order_of_submission(engine: hydra.Engine) -> None:
    handles = engine.submit_many([strict.bind(n) for n in range(10)])
    handles += [engine.submit(strict.bind(10)), engine.submit(strict.bind(11))]
    with engine.worker(16):
        for handle in handles:
            handle.result(WAIT_SECONDS)
    assert watched.order == list(range(12))


def test_r29_children_have_limits_like_anything_that_is_submitted(engine: hydra.Engine) -> None:
    with engine.worker(16):
        assert engine.submit(parent_of_limited.bind(6)).result(WAIT_SECONDS) == list(range(6))
    assert watched.most["child"] <= 2


def test_its_keys_and_where_it_waits_are_shown(engine: hydra.Engine) -> None:
    with engine.worker(4):
        first = [engine.submit(limited.bind("acme", n, True)) for n in range(2)]
        third = engine.submit(limited.bind("acme", 2))
        execution = third.execution()
        assert (execution.limits, execution.waits_for, execution.wake_at) == (
            ["limited.tenant=acme"],
            "limited.tenant=acme",
            None,
        )
        while any(each.status() != "running" for each in first):  # the worker may not be registered yet
            time.sleep(0.01)
        why = engine.why(third.id)
        assert why.reason == "limited"
        assert why.sentence.startswith("it waits for its place at the limit `limited.tenant=acme`; `")
        assert any(f"`{each.id}` holds one" in why.sentence for each in first)
        watched.gate.set()
        assert third.result(WAIT_SECONDS) == 2
        assert third.execution().waits_for is None
        for handle in first:
            handle.result(WAIT_SECONDS)


def test_a_fork_has_the_keys_of_what_it_is_forked_from(engine: hydra.Engine) -> None:
    with engine.worker(4):
        first = engine.submit(limited.bind("acme", 0))
        first.result(WAIT_SECONDS)
        fork = engine.fork(first.id, "limited_work")
        assert fork.result(WAIT_SECONDS) == 0
        assert fork.execution().limits == ["limited.tenant=acme"]


def test_a_rolled_back_submission_waits_nowhere(engine: hydra.Engine, tmp_path: Path) -> None:
    import sqlite3

    engine.submit(limited.bind("acme", 0))
    own = sqlite3.connect(f"{tmp_path}/hydra.db", isolation_level=None)
    own.execute("begin immediate")
    engine.submit(limited.bind("acme", 1), connection=own)
    own.rollback()
    own.execute("begin immediate")
    handle = engine.submit(limited.bind("acme", 2), connection=own)
    own.commit()
    own.close()
    with engine.worker(4):
        assert handle.result(WAIT_SECONDS) == 2


def test_r29_a_harness_keeps_limits_too() -> None:
    from hydra.testing import Harness

    with Harness() as h:
        handles = [h.submit(strict.bind(n)) for n in range(5)]
        h.run_until_idle()
        assert [handle.result() for handle in handles] == list(range(5))
    assert watched.order == list(range(5))


@hydra.workflow(limits=[hydra.Concurrency(1, name="bank")])
def refund(number: int) -> int:
    return number


@hydra.workflow(limits=[hydra.Concurrency(1, name="bank")])
def payout(number: int) -> int:
    return number


def test_who_waits_behind_a_paused_one_is_told_which_and_what_to_do(engine: hydra.Engine) -> None:
    with engine.worker(2):
        engine.submit(refund.bind(0)).result(WAIT_SECONDS)
        engine.pause_workflow("refund")
        holder, victim = engine.submit(refund.bind(1)), engine.submit(payout.bind(2))
        while holder.execution().waits_for is not None:  # until the place is given
            pass
        sentence = engine.why(victim.id).sentence
        assert f"`{holder.id}` holds one, and does not run: workflow `refund` is paused" in sentence
        assert sentence.endswith("`hydra resume-workflow refund` lets it go on")


@pytest.mark.parametrize("text", ["a\nb", "a\u200bb"])
def test_a_key_that_cannot_be_printed_is_refused_by_what_is_wrong(engine: hydra.Engine, text: str) -> None:
    with pytest.raises(PayloadError, match="in it, which cannot be printed; give a key") as refused:
        engine.submit(limited.bind(text, 0))
    assert f"has {text[1]!a} in it" in str(refused.value)
    with pytest.raises(PayloadError, match="has 201 characters, and may have 200"):
        engine.submit(limited.bind("x" * 201, 0))


@hydra.workflow(limits=[hydra.Fair("key", weight={"gold": 3}, max_pending=5)])
def limited_by_turns(key: str, number: int) -> int:
    return limited_work(key, number)


@hydra.workflow
def parent_of_turns(count: int) -> list[int]:
    return [child.result() for child in [hydra.spawn(limited_by_turns.bind("child", n)) for n in range(count)]]


def test_turns_hold_for_whoever_submits(tmp_path: Path) -> None:
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine, engine.worker(2):
        assert engine.submit(parent_of_turns.bind(20)).result(WAIT_SECONDS) == list(range(20))
        named = engine.submit(hydra.named("limited_by_turns").bind("other", 3))
        assert named.result(WAIT_SECONDS) == 3
        assert named.execution().limits == ["limited_by_turns.key.fair=other"]
        keys = engine.limit_keys("limited_by_turns.key.fair")
        assert [(key.value, key.held, key.waiting, key.weight) for key in keys] == [
            ("child", 0, 0, 1.0),
            ("gold", 0, 0, 3.0),
            ("other", 0, 0, 1.0),
        ]


def test_g7_past_the_depth_of_a_value_submissions_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_bounds, "DEPTH_AGE_NS", 0)
    monkeypatch.setattr(pending_bounds, "DEPTH_SHARE", 1e9)
    monkeypatch.setattr(pending_bounds, "BOUNDS_AGE_NS", 0)
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine:
        with engine.worker(1):
            engine.submit(limited_by_turns.bind("acme", 0)).result(WAIT_SECONDS)
        first = engine.submit_many([limited_by_turns.bind("acme", number) for number in range(5)])
        sentence = (
            "5 executions of `limited_by_turns.key.fair=acme` are pending and the limit is 5; submit one more later"
        )
        with pytest.raises(hydra.QueueFull, match=sentence):
            engine.submit(limited_by_turns.bind("acme", 6))
        with pytest.raises(hydra.QueueFull, match="submit 2 more later"):
            engine.submit_many([limited_by_turns.bind("other", 0), *[limited_by_turns.bind("acme", 1)] * 2])
        assert len(engine.executions(status="pending")) == 5
        engine.submit(limited_by_turns.bind("other", 6))
        first[0].cancel()
        engine.submit(limited_by_turns.bind("acme", 7))
        engine.set_limit("limited_by_turns.key.fair", max_pending=6)
        (limit,) = [each for each in engine.limits() if each.name == "limited_by_turns.key.fair"]
        assert (limit.max_pending, limit.code_max_pending, limit.is_set) == (6, 5, True)
        engine.submit(limited_by_turns.bind("acme", 8))
        engine.reset_limit("limited_by_turns.key.fair")
        with pytest.raises(hydra.QueueFull, match="are pending and the limit is 5"):
            engine.submit(limited_by_turns.bind("acme", 9))
