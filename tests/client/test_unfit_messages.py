"""Signals and completions that do not fit the wait: refused where they are sent, or set aside; the wait goes on."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, make_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import hydra
import pydantic
import pytest

from tests.support.warm import hydra_command

WAIT_SECONDS = 60


@dataclass
class Approval:
    by: str
    amount: Decimal


tokens: list[str] = []


@hydra.step
def hand_over_token(token: str) -> None:
    tokens.append(token)


@hydra.step
async def hand_over_token_async(token: str) -> None:
    tokens.append(token)


@hydra.workflow
def approve() -> str:
    approval = hydra.wait_event("approval", type=Approval)
    return f"{approval.by} {approval.amount + 1}"


@hydra.workflow
def approve_later() -> str:
    hydra.wait_event("begin")
    approval = hydra.wait_event("approval", type=Approval, timeout=WAIT_SECONDS)
    return f"{approval.by} {approval.amount + 1}"


@hydra.workflow
async def approve_async() -> str:
    approval = await hydra.aio.wait_event("approval", type=Approval)
    return f"{approval.by} {approval.amount + 1}"


@hydra.workflow
def called_back() -> str:
    token = hydra.callback_token()
    hand_over_token(token)
    hydra.wait_event("begin")
    approval = hydra.wait_callback(token, type=Approval)
    return f"{approval.by} {approval.amount + 1}"


@hydra.workflow
def called_back_as_said() -> str:
    token = hydra.callback_token(type=Approval)
    hand_over_token(token)
    hydra.wait_event("begin")
    approval = hydra.wait_callback(token, type=Approval)
    return f"{approval.by} {approval.amount + 1}"


@hydra.workflow
async def called_back_as_said_async() -> str:
    token = hydra.callback_token("mine", type=Approval)
    await hand_over_token_async(token)
    await hydra.aio.wait_event("begin")
    approval = await hydra.aio.wait_callback(token, type=Approval)
    return f"{approval.by} {approval.amount + 1}"


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/unfit.db"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        pass


GOOD = {"by": "ops", "amount": "1.50"}
WRONG: list[tuple[Any, str]] = [
    ({"by": "ops"}, "`value` lacks `amount`"),
    ({"by": "ops", "amount": [1]}, r"`value\.amount` must be a string \(decimal\)"),
    ({"by": "ops", "amount": 1.5}, r"`value\.amount` must be a string \(decimal\), not 1\.5"),
    ("yes", "`value` must be an object"),
    (None, "`value` must be an object"),
]


@pytest.mark.parametrize("workflow", [approve, approve_async], ids=lambda each: each.name)
def test_the_sender_is_told_where_the_type_is_known(url: str, workflow: Any) -> None:
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(workflow.bind())
        until(lambda: bool(handle.awaited()))
        (awaited,) = handle.awaited()
        assert (awaited.name, awaited.type, awaited.until) == ("approval", "Approval", None)
        for value, sentence in WRONG:
            with pytest.raises(hydra.PayloadError, match=sentence) as caught:
                handle.signal("approval", value)
            assert "waits for event `approval` as `Approval`" in str(caught.value)
        assert engine.read(lambda store: store.messages(handle.id)) == []
        handle.signal("approval", GOOD)
        assert handle.result(timeout=WAIT_SECONDS) == "ops 2.50"
        assert handle.awaited() == [] and handle.set_aside() == []


def test_an_object_of_the_class_fits() -> None:
    for value in (Approval("ops", Decimal(1)), {"by": "x", "amount": Decimal(1)}):
        hydra.client.awaited.refuse_unfit("id", "it", value, [awaited_as(Approval)])


class Receipt(pydantic.BaseModel):
    number: str
    amount: Decimal = pydantic.Field(gt=0)


@pytest.mark.parametrize(
    ("value", "sentence"), [({"number": "1"}, "lacks `amount`"), ({"number": "1", "amount": 0}, "greater than 0")]
)
def test_the_fields_of_a_model_are_known_to_the_sender(value: Any, sentence: str) -> None:
    with pytest.raises(hydra.PayloadError, match=sentence):
        hydra.client.awaited.refuse_unfit("id", "it", value, [awaited_as(Receipt)])
    hydra.client.awaited.refuse_unfit("id", "it", {"number": "1", "amount": "2"}, [awaited_as(Receipt)])


def awaited_as(annotation: Any) -> hydra.client.awaited.Awaited:
    note = hydra.codec.decode(hydra.records.wait_notes.note_of(annotation) or b"")
    now = hydra.client.views.to_datetime(0)
    return hydra.client.awaited.Awaited("go", note["type"], now, None, note["schema"])


def test_what_came_too_early_to_be_refused_is_set_aside_and_seen(url: str) -> None:
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(approve_later.bind())
        for value, _ in WRONG:
            handle.signal("approval", value)
        handle.signal("begin")
        until(lambda: len(handle.set_aside()) == len(WRONG))
        assert [each.value for each in handle.set_aside()] == [value for value, _ in WRONG]
        assert all(each.name == "approval" and "PayloadError" in each.reason for each in handle.set_aside())
        until(lambda: handle.status() == "waiting")
        handle.signal("approval", GOOD)
        assert handle.result(timeout=WAIT_SECONDS) == "ops 2.50"
        assert engine.read(lambda store: store.messages(handle.id)) == [], "what was set aside is consumed"
        assert engine.audit() == []
        shown = command(url, "show", handle.id)
        assert shown.stdout.count("approval set aside") == len(WRONG) and "lacks `amount`" in shown.stdout
        as_json = json.loads(command(url, "show", handle.id, "--json").stdout)
        assert len(as_json["set_aside"]) == len(WRONG) and as_json["awaited"] == []


def test_a_completion_that_does_not_fit_leaves_the_token_open(url: str) -> None:
    tokens.clear()
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(called_back.bind())
        until(lambda: bool(tokens) and handle.status() == "waiting")
        engine.complete(tokens[0], "early, and nobody knows yet as what it is read")
        handle.signal("begin")
        until(lambda: len(handle.set_aside()) == 1 and handle.status() == "waiting")
        assert [each.name for each in handle.awaited()] == ["a callback"]
        with pytest.raises(hydra.PayloadError, match="waits for a callback as `Approval`: `value` lacks `amount`"):
            engine.complete(tokens[0], {"by": "ops"})
        engine.complete(tokens[0], GOOD)
        assert handle.result(timeout=WAIT_SECONDS) == "ops 2.50"
        engine.complete(tokens[0], GOOD)  # the same again is none the worse
        with pytest.raises(hydra.IllegalMove, match="completed before, with something else"):
            engine.complete(tokens[0], {"by": "boss", "amount": "1"})
        assert engine.audit() == []


def by_engine(url: str, order: str, *words: Any) -> None:
    with hydra.Engine(url) as engine:
        getattr(engine, order)(*words)


def by_async_engine(url: str, order: str, *words: Any) -> None:
    async def send() -> None:
        async with hydra.AsyncEngine(url) as engine:
            await getattr(engine, order)(*words)

    asyncio.run(send())


def in_a_transaction(url: str, order: str, *words: Any) -> None:
    with hydra.Engine(url) as engine, closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db, db:
        getattr(engine, order)(*words, connection=db)


def by_command(url: str, order: str, *words: Any) -> None:
    done = command(url, order, *words[:-1], json.dumps(words[-1]))
    if done.returncode:
        raise hydra.PayloadError(done.stderr)


@pytest.mark.parametrize("send", [by_engine, by_async_engine, in_a_transaction, by_command])
def test_a_message_goes_by_one_rule_whenever_and_by_whatever_way_it_is_sent(tmp_path: Path, send: Any) -> None:
    """A float is no Decimal, before the wait or during it; what is its JSON form is."""
    url, tokens_before = f"sqlite:///{tmp_path}/unfit.db", len(tokens)
    inexact, exact = {"by": "ops", "amount": 1.5}, {"by": "ops", "amount": "1.50"}
    with hydra.Engine(url) as engine, engine.worker():
        signalled, called = engine.submit(approve_later.bind()), engine.submit(called_back.bind())
        until(lambda: len(tokens) > tokens_before and called.status() == "waiting")
        ways = [(signalled, "signal", (signalled.id, "approval")), (called, "complete", (tokens[-1],))]
        for handle, order, words in ways:
            send(url, order, *words, inexact)
            handle.signal("begin")
            until(lambda handle=handle: len(handle.set_aside()) == 1 and bool(handle.awaited()))  # type: ignore[misc]
            assert r"must be a string (decimal), not 1.5" in handle.set_aside()[0].reason
            with pytest.raises(hydra.PayloadError, match=r"must be a string \(decimal\), not 1\.5; nothing was sent"):
                send(url, order, *words, inexact)
            send(url, order, *words, exact)
            assert handle.result(timeout=WAIT_SECONDS) == "ops 2.50"


def test_a_wait_that_took_a_float_for_a_decimal_in_an_earlier_version_is_replayed() -> None:
    payload = hydra.codec.encode({"by": "ops", "amount": 1.5})
    assert hydra.codec.decode_taken(payload, Approval) == Approval("ops", Decimal("1.5"))
    with pytest.raises(hydra.PayloadError):
        hydra.codec.decode_as(payload, Approval)


@pytest.mark.parametrize("workflow", [called_back_as_said, called_back_as_said_async], ids=lambda each: each.name)
def test_a_token_of_a_known_type_refuses_a_wrong_completion_before_anybody_waits(url: str, workflow: Any) -> None:
    """So the right one, right after it, is taken."""
    tokens.clear()
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(workflow.bind())
        until(lambda: bool(tokens) and handle.status() == "waiting")
        for value, sentence in WRONG:
            with pytest.raises(hydra.PayloadError, match=sentence):
                engine.complete(tokens[0], value)
        engine.complete(tokens[0], GOOD)
        with pytest.raises(hydra.IllegalMove, match="completed before, with something else"):
            engine.complete(tokens[0], {"by": "boss", "amount": "1"})
        handle.signal("begin")
        assert handle.result(timeout=WAIT_SECONDS) == "ops 2.50"
        assert handle.set_aside() == [] and engine.audit() == []


def test_a_callback_may_fail_whatever_its_type(url: str) -> None:
    tokens.clear()
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(called_back.bind())
        until(lambda: bool(tokens) and handle.status() == "waiting")
        engine.fail(tokens[0], "declined")
        handle.signal("begin")
        with pytest.raises(hydra.WorkflowFailed, match="declined"):
            handle.result(timeout=WAIT_SECONDS)
        assert handle.set_aside() == []


def command(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return hydra_command([*words, "--db", url], Path.cwd(), os.environ, timeout=WAIT_SECONDS)


def test_the_command_line_says_that_nobody_waits_for_a_name_and_which_are_awaited(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/unfit.db"
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(approve.bind())
        until(lambda: bool(handle.awaited()))
        done = command(url, "signal", handle.id, "aproval", json.dumps(GOOD))
        assert (done.returncode, done.stdout.strip()) == (0, f"{handle.id} signalled")
        assert "nobody waits for `aproval` (it waits for `approval`); it is kept" in done.stderr
        assert len(engine.read(lambda store: store.messages(handle.id))) == 1, "it may have come early"
        assert "waits for" in (shown := command(url, "show", handle.id).stdout) and "approval (Approval)" in shown
        done = command(url, "signal", handle.id, "approval", '"yes"')
        assert done.returncode == 2 and "waits for event `approval` as `Approval`" in done.stderr
        done = command(url, "signal", handle.id, "approval", json.dumps(GOOD))
        assert (done.returncode, done.stderr) == (0, "")
        assert handle.result(timeout=WAIT_SECONDS) == "ops 2.50"


@hydra.workflow
def approve_when_told() -> str:
    hydra.wait_event("begin")
    approval = hydra.wait_event("approval", type=Any)
    hydra.wait_event("end")
    return f"{approval.amount}"


@hydra.workflow
def called_back_with_anything() -> str:
    token = hydra.callback_token()
    hand_over_token(token)
    hydra.wait_event("begin")
    return f"{hydra.wait_callback(token).amount}"


def grown(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`Approval` with a field that a later release has added."""
    fields = [("by", str), ("amount", Decimal), ("note", str, field(default=""))]
    later = make_dataclass("Approval", fields, namespace={"__module__": __name__})
    monkeypatch.setattr(sys.modules[__name__], "Approval", later)
    return later


def test_a_message_repeated_after_its_class_gained_a_field_arrives_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens.clear()
    with hydra.Engine(url) as engine, engine.worker():
        handle, called = engine.submit(approve_when_told.bind()), engine.submit(called_back_with_anything.bind())
        handle.signal("approval", Approval("ops", Decimal(1)), id="evt_1")
        until(lambda: bool(tokens))
        engine.complete(tokens[0], Approval("ops", Decimal(1)))
        later = grown(monkeypatch)
        for is_taken in (False, True):
            if is_taken:
                handle.signal("begin")
                until(lambda: [each.name for each in handle.awaited()] == ["end"])
            handle.signal("approval", later("ops", Decimal(1)), id="evt_1")
            engine.complete(tokens[0], later("ops", Decimal(1)))
            for other in (later("ops", Decimal(1), "new"), later("ops", Decimal(2)), "yes"):
                with pytest.raises(hydra.IdempotencyConflict, match=r"sent to execution .* before, with another"):
                    handle.signal("approval", other, id="evt_1")
                with pytest.raises(hydra.IllegalMove, match="completed before, with something else"):
                    engine.complete(tokens[0], other)
        handle.signal("end")
        called.signal("begin")
        assert (handle.result(timeout=WAIT_SECONDS), called.result(timeout=WAIT_SECONDS)) == ("1", "1")


@hydra.workflow
def approve_then_count() -> list[Any]:
    approval = hydra.wait_event("said", type=Approval)
    return [approval.by, hydra.wait_event("said", type=int)]


def test_what_was_set_aside_may_be_repeated_and_goes_to_a_later_wait(url: str) -> None:
    with hydra.Engine(url) as engine:
        handle = engine.submit(approve_then_count.bind())
        handle.signal("said", 7, id="evt_7")
        with engine.worker():
            until(lambda: [each.value for each in handle.set_aside()] == [7])
            handle.signal("other", None)  # it runs again
            with pytest.raises(hydra.PayloadError, match="waits for event `said` as `Approval`"):
                handle.signal("said", 8)
            handle.signal("said", GOOD)
            assert handle.result(timeout=WAIT_SECONDS) == ["ops", 7]
            assert handle.set_aside() == [] and engine.audit() == []


@hydra.workflow
async def approve_twice_beside_a_count() -> list[Any]:
    count = asyncio.create_task(hydra.aio.wait_event("said", type=int))
    first = await hydra.aio.wait_event("said", type=Approval)
    await hydra.aio.wait_event("go on")
    second = await hydra.aio.wait_event("said", type=Approval)
    return [first.by, second.by, await count]


def test_a_sender_is_not_refused_what_fits_a_wait_that_is_over(url: str) -> None:
    """It may wait so again: here, in a moment."""
    with hydra.Engine(url) as engine, engine.worker():
        handle = engine.submit(approve_twice_beside_a_count.bind())
        handle.signal("said", {**GOOD, "by": "one"})
        until(lambda: {each.name for each in handle.awaited()} == {"said", "go on"})
        until(lambda: any(record.kind == "event" for record in handle.records()))
        handle.signal("said", {**GOOD, "by": "two"})
        with pytest.raises(hydra.PayloadError, match="nothing was sent"):
            handle.signal("said", "neither")
        handle.signal("said", 3)
        handle.signal("go on")
        assert handle.result(timeout=WAIT_SECONDS) == ["one", "two", 3]
        assert engine.audit() == []
