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
from tests.processes.scene import until
from tests.stores.conftest import DATABASES

is_mended = False
handed_out: set[str] = set()
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


@hydra.step
def ordered_hand_out(card: str, token: str) -> str:
    handed_out.add(token)
    return token


@hydra.workflow
def ordered_call(card: str) -> str:
    token = hydra.callback_token()
    ordered_hand_out(card, token)
    return hydra.wait_callback(token, type=str)


def token_of(handle: hydra.Handle[str]) -> str:
    """Once it waits."""
    until(lambda: handle.status() == "waiting")
    (token,) = [token for token in handed_out if token.startswith(handle.id)]
    return token


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


def test_a_signal_that_is_repeated_with_its_id_has_one_line(engine: hydra.Engine) -> None:
    waits, program, busy = (engine.submit(ordered_ask.bind(f"visa-{n}")) for n in range(3))
    program.signal("answer", "yes", id="evt-1")
    with engine.acting("ana"):
        for handle in (waits, waits, program):
            handle.signal("answer", "yes", id="evt-1")
        with engine.worker():
            assert waits.result(timeout=60) == "yes"
            until(lambda: busy.status() == "waiting")
        chosen = engine.select(workflow="ordered_ask", status="pending")  # the first signal wakes it
        for id in ("evt-2", "evt-3"):
            busy.signal("other", 1, id=id)
            assert set(chosen.signal("other", 1, id=id).done) == {busy.id}
    assert [act.done_by for act in waits.acts()] == ["ana"]
    assert program.acts() == [], "its message was the program's"
    assert [act.detail for act in busy.acts()] == ["event `other`"] * 2


def test_who_completed_a_callback_has_a_line_once(engine: hydra.Engine, url: str) -> None:
    by_program, by_page, by_person, failed_by = (engine.submit(ordered_call.bind(f"visa-{n}")) for n in range(4))
    with engine.worker():
        tokens = [token_of(each) for each in (by_program, by_page, by_person, failed_by)]
    engine.complete(tokens[0], "yes")
    for _ in range(2):
        with engine.acting("token:ops", reason="the bank has answered"):
            engine.complete(tokens[1], "yes")
        run(url, "complete", tokens[2], '"yes"')
    with engine.acting("ana"):
        engine.fail(tokens[3], "no")
        with pytest.raises(IllegalMove):
            engine.complete(tokens[1], "other")
    assert by_program.acts() == []
    (act,) = by_page.acts()
    assert (act.kind, act.done_by, act.reason) == ("complete", "token:ops", "the bank has answered")
    assert not any(token.partition(".")[2] in act.detail for token in tokens)
    assert [act.done_by for act in by_person.acts()] == [identity.person()]
    assert [act.done_by for act in failed_by.acts()] == ["ana"]
    assert len(engine.acts(kind="complete")) == 3
    assert "complete" in run(url, "show", by_page.id).output and engine.audit() == []


def test_a_completion_in_a_callers_transaction_has_its_line_with_its_commit(tmp_path: object) -> None:
    path = f"{tmp_path}/own.db"
    with hydra.Engine(f"sqlite:///{path}") as engine:
        handle = engine.submit(ordered_call.bind("visa-1"))
        with engine.worker():
            token = token_of(handle)
        connection = sqlite3.connect(path)
        with engine.acting("token:ops"):
            engine.complete(token, "yes", connection=connection)
            connection.rollback()
            assert handle.acts() == []
            engine.complete(token, "yes", connection=connection)
        connection.commit()
        connection.close()
        assert [(act.kind, act.done_by) for act in handle.acts()] == [("complete", "token:ops")]


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


def test_one_order_is_one_line_of_the_table_with_the_count_of_all_of_it(engine: hydra.Engine, url: str) -> None:
    failed(engine, 7)
    run(url, "retry", "--status", "failed", "--because", "bug 81", "--yes")
    engine.pause_namespace(reason="wait")
    lines = run(url, "acts", "--limit", "2").output.splitlines()
    assert len(lines) == 3 and "pause" in lines[1] and "7 executions, such as" in lines[2]
    assert len(run(url, "acts", "--limit", "1").output.splitlines()) == 2
    engine.resume_namespace()
    engine.select(status="pending").cancel(reason="over")
    run(url, "rerun", "--status", "cancelled", "--because", "again", "--yes")
    (line,) = [line for line in run(url, "acts", "--limit", "3").output.splitlines() if "rerun" in line]
    assert "7 executions, such as" in line and "again" in line
    assert len(engine.acts(kind="rerun_of")) == len(engine.acts(kind="rerun")) == 7
    assert len(run(url, "acts", "--kind", "rerun_of").output.splitlines()) == 2
    assert run(url, "acts", "--json", "--limit", "3").output.count('"done_at"') == 3
