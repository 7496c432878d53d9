"""Debounce, keys that are free after a while, and other arguments for what waits, as programs ask for them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.errors import ConfigError, IllegalMove

from tests.cli.invoking import run
from tests.client import shop

DELAY_SECONDS = 3600


@hydra.workflow(limits=[hydra.Concurrency(1, key="shelf", name="shelves"), hydra.Concurrency(2, key="tag:region")])
def count_shelf(shelf: str) -> str:
    return shelf


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/debounce.db"


def test_a_burst_runs_once_with_the_last_arguments(url: str) -> None:
    with hydra.Engine(url) as engine:
        handles = [
            engine.submit(shop.echo.bind(number), key="a", debounce=hydra.Debounce(timedelta(hours=1), max_wait=7200))
            for number in range(3)
        ]
        assert len({handle.id for handle in handles}) == 1
        (act,) = handles[0].acts()
        assert (act.kind, act.other_id, "other arguments" in act.detail) == ("debounce", None, True)
        handles[0].reschedule(delay=0)
        with engine.worker():
            assert handles[0].result(timeout=60) == 2
        again = engine.submit(shop.echo.bind(9), key="a", debounce=hydra.Debounce(0.001))
        assert again.id != handles[0].id
        with engine.worker():
            assert again.result(timeout=60) == 9


def test_async_engines_and_callers_transactions_do_the_same(url: str) -> None:
    import sqlite3

    async def burst() -> str:
        async with hydra.AsyncEngine(url) as engine:
            first = await engine.submit(shop.echo.bind(1), key="a", debounce=hydra.Debounce(DELAY_SECONDS))
            last = await engine.submit(shop.echo.bind(2), key="a", debounce=hydra.Debounce(DELAY_SECONDS))
            await last.reschedule(input=shop.echo.bind(3))
            assert first.id == last.id
            return first.id

    id = asyncio.run(burst())
    with hydra.Engine(url) as engine:
        assert engine.find(shop.echo, "a").id == id
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("begin immediate")
        wait = hydra.Debounce(DELAY_SECONDS)
        assert engine.submit(shop.echo.bind(4), key="a", debounce=wait, connection=connection).id == id
        connection.execute("rollback")
        connection.close()
        handle = engine.get(id)
        handle.reschedule(delay=0)
        with engine.worker():
            assert handle.result(timeout=60) == 3
        assert engine.audit() == []


def test_a_key_that_is_free_after_a_while_begins_another_beside_what_is_open(url: str) -> None:
    with hydra.Engine(url) as engine:
        first = engine.submit(shop.pay_by_card.bind("4242"), key="a", key_reuse=timedelta(hours=1))
        assert engine.submit(shop.pay_by_card.bind("4242"), key="a", key_reuse=3600).id == first.id
        with pytest.raises(hydra.IdempotencyConflict):
            engine.submit(shop.pay_by_card.bind("1111"), key="a", key_reuse=3600)
        again = timedelta(microseconds=1)
        while (second := engine.submit(shop.pay_by_card.bind("4242"), key="a", key_reuse=again)).id == first.id:
            pass
        (act,) = first.acts()
        assert (act.kind, act.other_id) == ("key_passed", second.id)
        assert second.id in run(url, "show", first.id).output
        assert (first.status(), engine.find(shop.pay_by_card, "a").id) == ("pending", second.id)
        with engine.worker(), pytest.raises(hydra.WorkflowFailed):
            first.result(timeout=60)
        with pytest.raises(IllegalMove, match=f"its key `a` is that of execution `{second.id}` by now"):
            first.retry()
        assert engine.audit() == []


def test_steps_of_what_had_a_key_before_share_no_idempotency_key_with_what_has_it_now(url: str) -> None:
    with hydra.Engine(url) as engine, engine.worker():
        keys = {engine.submit(read_own_key.bind(), key="a").result(timeout=60)}
        for reuse in ("after_end", timedelta(microseconds=1)):
            keys.add(engine.submit(read_own_key.bind(), key="a", key_reuse=reuse).result(timeout=60))
        burst = engine.submit(read_own_key.bind(), key="a", debounce=hydra.Debounce(0.001))
        keys.add(burst.result(timeout=60))
        assert len(keys) == 4


@hydra.step
def own_key() -> str:
    return hydra.idempotency_key()


@hydra.workflow
def read_own_key() -> str:
    return own_key()


def test_other_arguments_come_with_their_limits_and_keep_the_rest(url: str) -> None:
    with hydra.Engine(url) as engine:
        handle = engine.submit(count_shelf.bind("a"), key="k", delay=DELAY_SECONDS, tags={"region": "eu"})
        handle.reschedule(input=count_shelf.bind("b"), priority=2, reason="the wrong shelf")
        seen = handle.execution()
        assert sorted(seen.limits) == ["count_shelf.tag.region=eu", "shelves=b"] and seen.tags == {"region": "eu"}
        assert engine.submit(count_shelf.bind("b"), key="k").id == handle.id
        (act,) = handle.acts()
        assert (act.reason, act.detail) == ("the wrong shelf", "other arguments; priority 0, now 2")
        handle.reschedule(delay=0)
        with engine.worker():
            assert handle.result(timeout=60) == "b"
        assert engine.audit() == []


def test_what_has_begun_and_what_cannot_be_meant_is_one_sentence(url: str) -> None:
    with hydra.Engine(url) as engine:
        handle = engine.submit(shop.echo.bind(1), delay=DELAY_SECONDS)
        for wrong, message in (
            (shop.sleep_long.bind(), "is of workflow `echo`, not `sleep_long`; give an input for that"),
            ("echo", "cannot be submitted; give a bound workflow"),
        ):
            with pytest.raises(ConfigError, match=message):
                handle.reschedule(input=wrong)  # type: ignore[arg-type]
        sleeper = engine.submit(shop.sleep_long.bind())
        with engine.worker():
            while sleeper.status() != "sleeping":
                pass
        with pytest.raises(IllegalMove, match="is sleeping; only one that is pending can be given another time or pri"):
            sleeper.reschedule(input=shop.sleep_long.bind())

        def submit(**options: Any) -> object:
            return engine.submit(shop.echo.bind(1), **options)

        wait = hydra.Debounce(5)
        for options, message in (
            ({"debounce": wait}, "`debounce` needs a `key`"),
            ({"debounce": 5, "key": "a"}, "`debounce` must be a `hydra.Debounce`, such as"),
            ({"debounce": wait, "key": "a", "delay": 1}, "`debounce` and `delay` or `run_at` cannot both be given"),
            ({"debounce": wait, "key": "a", "key_reuse": "reject"}, "`debounce` and `key_reuse` cannot both"),
            ({"key": "a", "key_reuse": 0}, "`key_reuse` must be longer than 0 seconds"),
            ({"key": "a", "key_reuse": -1}, "`key_reuse` must be between 0 seconds and"),
            ({"key": "a", "key_reuse": True}, "`key_reuse` is one of first, reject, after_end, or seconds"),
        ):
            with pytest.raises(ConfigError, match=message):
                submit(**options)
        for arguments, message in (
            ((0,), "`wait` of `hydra.Debounce` must be longer"),
            ((5, 4), "`max_wait` of `hydra.Debounce` is shorter than its `wait`"),
            (("5",), "`wait` of `hydra.Debounce` must be a timedelta or a number"),
        ):
            with pytest.raises(ConfigError, match=message):
                hydra.Debounce(*arguments)  # type: ignore[arg-type]


def test_a_retried_attempt_keeps_its_arguments(url: str) -> None:
    with hydra.Engine(url) as engine:
        handle = engine.submit(shop.pay_by_card.bind("4242"))
        with engine.worker(), pytest.raises(hydra.WorkflowFailed):
            handle.result(timeout=60)
        handle.retry()
        with pytest.raises(IllegalMove, match="has begun before, so it keeps its arguments; cancel it, and submit"):
            handle.reschedule(input=shop.pay_by_card.bind("1111"))


def test_commands_debounce_reuse_keys_and_replace_arguments(url: str) -> None:
    with hydra.Engine(url) as engine, engine.worker():
        engine.submit(shop.echo.bind(0)).result(timeout=60)
    one = run(url, "submit", "echo", "[1]", "--key", "a", "--debounce", "1h", "--max-wait", "2h").output.strip()
    two = run(url, "submit", "echo", "[2]", "--key", "a", "--debounce", "1h").output.strip()
    assert one == two
    assert run(url, "submit", "echo", "[2]", "--key", "a", "--key-reuse", "1h").output.strip() == one
    assert run(url, "reschedule", one, "--now", "--input", "[3]").output == f"{one} rescheduled\n"
    with hydra.Engine(url) as engine, engine.worker():
        assert engine.get(one).result(timeout=60) == 3
    assert "refused: execution" in run(url, "reschedule", one, "--input", "[4]", code=1).output
    assert (
        "none of first, reject, after_end, and no duration"
        in run(url, "submit", "echo", "[1]", "--key", "a", "--key-reuse", "soon", code=2).output
    )
    refused = run(url, "submit", "echo", "[1]", "--key", "a", "--max-wait", "1s", code=2).output
    assert "goes with `--debounce`" in refused
