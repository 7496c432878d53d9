"""`handle.reschedule`, `handle.delete` and their commands: what they say, and that idle nodes wake."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import hydra
import pytest
from hydra.errors import ConfigError, IllegalMove, NotFound

from tests.cli.invoking import run

DELAY_SECONDS = 3600


@hydra.workflow
def remind(customer: str) -> str:
    return f"dear {customer}"


@hydra.workflow
def remind_all(customers: list[str]) -> int:
    return len([child.result() for child in [hydra.spawn(remind.bind(each)) for each in customers]])


def test_run_now_wakes_an_idle_node_and_is_recorded(url: str) -> None:
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(remind.bind("ana"), delay=DELAY_SECONDS)
        assert (
            run(url, "reschedule", handle.id, "--now", "--reason", "she waits").output == f"{handle.id} rescheduled\n"
        )
        assert handle.result(timeout=60) == "dear ana"
        (act,) = handle.acts()
        assert (act.kind, act.reason, act.done_by.partition("@")[1]) == ("reschedule", "she waits", "@")
        with pytest.raises(IllegalMove, match="is completed; only one that is pending can be given another time"):
            handle.reschedule(delay=0)


def test_an_earlier_instant_than_a_node_sleeps_for_is_kept(url: str) -> None:
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(remind.bind("ana"), delay=DELAY_SECONDS)
        handle.reschedule(delay=0.2)
        assert handle.result(timeout=60) == "dear ana"


def test_what_is_due_is_put_off(url: str) -> None:
    with hydra.Engine(url) as engine:
        handle = engine.submit(remind.bind("ana"))
        run(url, "reschedule", handle.id, "--at", "2126-12-01T08:00+01:00", "--priority", "-3")
        assert handle.execution().wake_at == datetime(2126, 12, 1, 7, tzinfo=UTC)
        assert engine.why(handle.id).reason == "delayed"
        handle.cancel()
        refused = run(url, "reschedule", handle.id, "--now", code=1).output
        assert "refused: execution" in refused and "it was cancelled, and ended at" in refused


def test_what_cannot_be_meant_is_one_sentence(url: str) -> None:
    with hydra.Engine(url) as engine:
        handle = engine.submit(remind.bind("ana"))
        with pytest.raises(ConfigError, match="has no time zone"):
            handle.reschedule(at=datetime(2126, 12, 1))
        with pytest.raises(ConfigError, match="say what to change"):
            handle.reschedule()
        with pytest.raises(ConfigError, match="cannot both be given"):
            handle.reschedule(delay=1, at=datetime.now(UTC))
        with pytest.raises(ConfigError, match="`priority` must be a whole number"):
            handle.reschedule(priority=2**40)
        with pytest.raises(ConfigError, match="`reason` must be a text"):
            handle.delete(reason="x" * 1001)
    assert "say what to change" in run(url, "reschedule", handle.id, code=2).output
    assert "cannot be given together" in run(url, "reschedule", handle.id, "--now", "--delay", "1m", code=2).output
    assert "is not a time; write it as" in run(url, "reschedule", handle.id, "--at", "soon", code=2).output


def test_a_deleted_tree_is_gone_and_its_key_stays_taken(url: str) -> None:
    with hydra.Engine(url) as engine:
        handle = engine.submit(remind_all.bind(["ana", "ben"]), key="all-1")
        assert "is pending; only one that has ended can be deleted" in run(url, "delete", handle.id, code=1).output
        with engine.worker():
            assert handle.result(timeout=60) == 2
        child = next(each for each in engine.executions() if each.workflow == "remind")
        assert f"is of the tree of `{handle.id}`" in run(url, "delete", child.id, code=1).output
        done = run(url, "delete", handle.id, "--reason", "request 81")
        assert done.output == f"{handle.id} deleted, with 2 of its tree\n"
        assert [each.id for each in engine.executions()] == []
        with pytest.raises(NotFound):
            handle.status()
        with pytest.raises(NotFound):
            handle.delete()
        assert [(act.kind, act.reason) for act in handle.acts()] == [("delete", "request 81")]
        with pytest.raises(hydra.HydraError, match="all-1"):
            engine.submit(remind_all.bind(["ana"]), key="all-1")


def test_async_programs_do_the_same(url: str) -> None:
    async def change() -> list[str]:
        async with hydra.AsyncEngine(url) as engine:
            handle = await engine.submit(remind.bind("ana"), delay=DELAY_SECONDS)
            await handle.reschedule(priority=4)
            await handle.cancel()
            assert await handle.delete(reason="request 82") == 1
            return [act.kind for act in await handle.acts()]

    assert asyncio.run(change()) == ["delete"]
