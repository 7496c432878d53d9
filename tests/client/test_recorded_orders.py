"""Each order has a line: who, from where, why, what was before, in the transaction of its effect. On every store."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import hydra
import pytest
from hydra import identity
from hydra.errors import ConfigError, IllegalMove
from hydra.stores.acts import ActKind

from tests.cli.invoking import run
from tests.stores.conftest import DATABASES

is_mended = False
NAMES = {str(kind) for kind in ActKind}


@hydra.step
def ordered_charge(card: str) -> str:
    if not is_mended:
        raise LookupError(f"no account for {card}")
    return card


@hydra.workflow
def ordered_bill(card: str) -> str:
    return ordered_charge(card)


@hydra.workflow
def ordered_ask(card: str) -> str:
    return hydra.wait_event("answer", type=str)


@pytest.fixture(autouse=True)
def bug() -> Iterator[None]:
    global is_mended
    is_mended = False
    yield
    is_mended = False


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


@pytest.fixture
def engine(url: str) -> Iterator[hydra.Engine]:
    with hydra.Engine(url) as engine:
        yield engine


def failed(engine: hydra.Engine, count: int) -> list[hydra.Handle[str]]:
    with engine.worker():
        handles = engine.submit_many([ordered_bill.bind(f"visa-{n}") for n in range(count)])
        for handle in handles:
            with suppress(hydra.WorkflowFailed):
                handle.result(timeout=60)
    return handles


def test_orders_of_a_program_a_person_and_a_page_say_who_they_are_of(engine: hydra.Engine, url: str) -> None:
    global is_mended
    first, *others = failed(engine, 3)
    is_mended = True
    first.retry(reason="bug 81 is fixed")
    with engine.acting("token:ops", reason="bug 82 is fixed"):
        acted = engine.select(status="failed").retry()
    assert set(acted.done) == {each.id for each in others}
    with engine.worker():
        assert [each.result(timeout=60) for each in (first, *others)] == ["visa-0", "visa-1", "visa-2"]
    (act,) = first.acts()
    program = f"program:{os.path.basename(sys.argv[0])}"
    assert (act.kind, act.done_by, act.done_from) == ("retry", program, identity.person())
    assert (act.reason, act.detail) == ("bug 81 is fixed", "was failed; attempt 2 begins")
    lines = [act for each in others for act in each.acts()]
    assert {(act.done_by, act.reason) for act in lines} == {("token:ops", "bug 82 is fixed")}
    assert len({act.order_id for act in lines}) == 1 and None not in {act.order_id for act in lines}
    asked = engine.submit(ordered_ask.bind("visa-9"))
    run(url, "cancel", asked.id, "--reason", "she has paid")
    (act,) = asked.acts()
    assert (act.kind, act.done_by, act.reason) == ("cancel", identity.person(), "she has paid")
    assert act.detail == "was pending"
    asked.cancel()
    assert len(asked.acts()) == 1  # nothing was moved
    with pytest.raises(IllegalMove):
        asked.retry()
    assert len(asked.acts()) == 1
    newest = engine.acts(limit=1)[0]
    assert (newest.execution_id, newest.kind) == (asked.id, "cancel")
    assert len(engine.acts(kind="retry")) == 3 and len(engine.acts(by="token:")) == 2
    assert engine.acts(until=timedelta(hours=1)) == []
    assert engine.audit() == []


def test_a_signal_has_a_line_where_somebody_says_who_sends_it(engine: hydra.Engine) -> None:
    first, second = (engine.submit(ordered_ask.bind(card)) for card in ("visa-1", "visa-2"))
    first.signal("answer", "yes")
    with engine.acting("ana", reason="she called"):
        second.signal("answer", "yes", id="evt-1")
    assert first.acts() == []
    assert [(act.kind, act.done_by, act.detail) for act in second.acts()] == [("signal", "ana", "event `answer`")]


def test_what_concerns_the_namespace_has_a_line_too(engine: hydra.Engine) -> None:
    handles = failed(engine, 2)
    with engine.acting("ana", reason="the bank is down"):
        engine.pause_workflow(ordered_bill)
        assert engine.resume_workflow(ordered_bill) and not engine.resume_workflow(ordered_bill)
        engine.pause_namespace(reason="all of it")
        engine.resume_namespace()
    assert engine.purge(0, reason="request 9") == 2
    said = [(act.kind, act.done_by.partition(":")[0], act.reason) for act in engine.acts()]
    assert said == [
        ("purge", "program", "request 9"),
        ("unpause", "ana", "the bank is down"),
        ("pause", "ana", "all of it"),
        ("unpause", "ana", "the bank is down"),
        ("pause", "ana", "the bank is down"),
    ]
    assert [act.detail for act in engine.acts()][-1] == "workflow `ordered_bill`"
    assert {act.execution_id for act in engine.acts()} == {None} and {act.kind for act in engine.acts()} <= NAMES
    assert engine.purge(0) == 0 and len(engine.acts()) == 5  # nothing went
    assert handles[0].acts() == []


def test_an_async_program_says_who_it_acts_for(url: str) -> None:
    async def cancel() -> list[str]:
        async with hydra.AsyncEngine(url) as engine:
            first, second = [await engine.submit(ordered_ask.bind(card)) for card in ("visa-1", "visa-2")]

            async def cancel_as(handle: hydra.AsyncHandle[str], by: str) -> None:
                with engine.acting(by):
                    await handle.cancel(reason="over")

            await asyncio.gather(cancel_as(first, "token:a"), cancel_as(second, "token:b"))
            return [act.done_by for each in (first, second) for act in await each.acts()]

    assert asyncio.run(cancel()) == ["token:a", "token:b"]


def test_the_audit_misses_an_order_that_left_no_line(engine: hydra.Engine) -> None:
    engine.pause_namespace()  # the first order that is known
    engine.resume_namespace()
    (handle,) = failed(engine, 1)
    engine.write(lambda store, now: store.retry([handle.id], now))
    (found,) = engine.audit()
    assert (found.promise, found.execution_id) == ("G7", handle.id)
    assert "it went on 1 times" in found.detail


def test_a_cancel_in_a_callers_transaction_has_its_line_with_its_commit(tmp_path: object) -> None:
    path = f"{tmp_path}/own.db"
    with hydra.Engine(f"sqlite:///{path}") as engine:
        handle = engine.submit(ordered_ask.bind("visa-1"))
        connection = sqlite3.connect(path)
        handle.cancel(connection=connection, reason="her own")
        connection.rollback()
        assert handle.acts() == [] and handle.status() == "pending"
        with engine.acting("token:ops"):
            handle.signal("answer", "yes", connection=connection)
        handle.cancel(connection=connection, reason="her own")
        connection.commit()
        connection.close()
        assert [(act.kind, act.reason) for act in handle.acts()] == [("signal", ""), ("cancel", "her own")]
        assert handle.status() == "cancelled"


def test_what_cannot_be_meant_is_one_sentence(tmp_path: object) -> None:
    engine = hydra.Engine(f"sqlite:///{tmp_path}/own.db")
    for by in ("", "x" * 201, "a\nb"):
        with pytest.raises(ConfigError, match="must be a text of 1 to 200 printable characters"), engine.acting(by):
            raise AssertionError
    with pytest.raises(ConfigError, match="`reason` must be a text"), engine.acting("ana", reason="x" * 1001):
        raise AssertionError
    with pytest.raises(ConfigError, match="is not a kind of act; it is one of reschedule, delete"):
        engine.acts(kind="murder")
    with pytest.raises(ConfigError, match="`limit`"):
        engine.acts(limit=0)
    engine.close()


def test_the_commands_show_who_ordered_what(engine: hydra.Engine, url: str) -> None:
    handles = failed(engine, 3)
    run(url, "retry", "--status", "failed", "--because", "bug 81 is fixed", "--yes")
    run(url, "pause", "ordered_bill", "--reason", "wait")
    shown = run(url, "acts").output
    assert "3 executions, such as" in shown and "bug 81 is fixed" in shown and "workflow `ordered_bill`" in shown
    assert "bug 81" not in run(url, "acts", "--kind", "pause").output
    assert run(url, "acts", "--by", "nobody").output == "no acts match\n"
    timeline = run(url, "show", handles[0].id).output
    assert f"by {identity.person()}; because bug 81 is fixed; was failed; attempt 2 begins" in timeline
    refused = run(url, "retry", handles[0].id, "--reason", "a", "--because", "b", code=2).output
    assert "give one of them" in refused
