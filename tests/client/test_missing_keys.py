"""What a program may decide and show of payloads that it has not the key of: nothing is taken to be what it is not."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import hydra
import pytest
from click.testing import CliRunner
from hydra import PayloadKeys, dashboard
from hydra.cli import main
from hydra.client import session
from hydra.move.opening import open_side
from hydra.workflow import registry
from starlette.testclient import TestClient

from tests.client.conftest import DATABASES
from tests.processes.scene import until
from tests.support.registries import own_registry

__all__ = ["own_registry"]

K1, K2 = os.urandom(32), os.urandom(32)
FIRST = PayloadKeys({"k1": K1}, "k1")
TOKEN = "view-" + "x" * 30
SECOND = PayloadKeys({"k1": K1, "k2": K2}, "k2")


@pytest.fixture(params=DATABASES)
def any_url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


def bank() -> SimpleNamespace:
    """To be called within a test, which has a registry of its own."""

    @hydra.step
    def charge(card: str) -> str:
        raise hydra.StepTimeout(f"no answer of {card}")  # whether it was charged, nobody knows

    @hydra.step
    def look_up(card: str) -> str:
        raise ValueError(f"no {card}")

    @hydra.step
    def say(text: str) -> str:
        return text

    @hydra.workflow
    def pay(card: str) -> str:
        return charge(card)

    @hydra.workflow
    def fails(card: str) -> str:
        return look_up(card)

    @hydra.workflow
    def greets(card: str) -> str:
        return say(f"hello {card}")

    return SimpleNamespace(pay=pay, fails=fails, greets=greets)


def refuses_to_run_again(engine: hydra.Engine, id: str, why: str) -> None:
    with pytest.raises(hydra.IllegalMove, match=f"may do it twice: .*{why}"):
        engine.rerun(id)
    for is_dry_run in (True, False):
        acted = engine.select(workflow="pay").rerun(dry_run=is_dry_run)
        assert acted.done == {} and why in acted.refused[id]


def test_what_cannot_be_read_is_in_doubt_and_is_not_run_again(url: str) -> None:
    bank_ = bank()
    with hydra.Engine(url, payload_keys=FIRST) as old:
        old.audit()
        with hydra.Engine(url, payload_keys=SECOND) as engine, engine.worker():
            handle = engine.submit(bank_.pay.bind("4242"))
            with pytest.raises(hydra.WorkflowFailed):
                handle.result(timeout=30)
            refuses_to_run_again(engine, handle.id, "its step `charge` may have taken effect")
        refuses_to_run_again(old, handle.id, "encrypted with the payload key `k2` and does not open here")
    with hydra.Engine(url) as blind:
        refuses_to_run_again(blind, handle.id, "encrypted with the payload key `k2` and does not open here")
        assert blind.select(workflow="pay").count() == 1


@pytest.mark.parametrize("keys", [None, FIRST])
def test_a_damaged_failure_is_in_doubt_whether_a_key_is_missing_or_not(url: str, keys: PayloadKeys | None) -> None:
    bank_ = bank()
    with hydra.Engine(url, payload_keys=keys) as engine:
        with engine.worker():
            handle = engine.submit(bank_.pay.bind("4242"))
            with pytest.raises(hydra.WorkflowFailed):
                handle.result(timeout=30)
        side = open_side(url, may_migrate=False)
        side.run("update hydra_record set payload = cast(payload || x'00' as blob)", ())
        side.close()
        refuses_to_run_again(engine, handle.id, "charge" if keys is None else "`k1` and does not open here")


def test_a_fork_is_refused_where_its_input_cannot_be_read(url: str) -> None:
    bank_ = bank()
    with hydra.Engine(url, payload_keys=FIRST) as old:
        old.audit()
        with hydra.Engine(url, payload_keys=SECOND) as engine, engine.worker():
            handle = engine.submit(bank_.fails.bind("4242"))
            until(lambda: handle.status() == "failed")
        with pytest.raises(hydra.HydraError, match=r"cannot be forked: .*payload key `k2` and does not open here"):
            old.fork(handle.id, "look_up")


def test_a_result_that_cannot_be_read_is_an_error_and_no_text(any_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bank_ = bank()
    with hydra.Engine(any_url, payload_keys=FIRST) as engine, engine.worker():
        handle = engine.submit(bank_.greets.bind("ann"))
        assert handle.result(timeout=30) == "hello ann"
    monkeypatch.setattr(registry, "workflows", {})  # a program that has not the code
    sentence = f"the result of execution `{handle.id}` of `greets` cannot be read: it is encrypted with the payload key"
    with hydra.Engine(any_url) as blind:
        with pytest.raises(hydra.PayloadError, match=f"{sentence} `k1`"):
            blind.get(handle.id).result()
        (step,) = blind.get(handle.id).steps()
        assert not isinstance(step.result, str) and repr(step.result) == "<encrypted with the key `k1`>"
        page = TestClient(dashboard.app(blind, tokens=[f"ann view {TOKEN}"]), base_url="http://hydra.test")
        answer = page.get(f"/api/v1/executions/{handle.id}/result", headers={"authorization": f"Bearer {TOKEN}"})
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert sentence in answer.json()["detail"]
    told = CliRunner().invoke(main, ["result", handle.id, "--db", any_url])
    assert told.exit_code == 2 and sentence in told.stderr and told.stdout == ""


def test_failures_that_cannot_be_read_are_one_group_by_their_key_and_chosen_by_no_fault(any_url: str) -> None:
    bank_ = bank()
    with hydra.Engine(any_url, payload_keys=SECOND) as engine, engine.worker():
        handles = [engine.submit(each.bind("4242")) for each in (bank_.pay, bank_.fails)]
        until(lambda: all(handle.status() == "failed" for handle in handles))
        assert len(engine.select().errors()) == 2
        assert engine.select(error="ValueError").count() == 1
    with hydra.Engine(any_url) as blind:
        groups = blind.select().errors()
        assert {(group.kind, group.message) for group in groups} == {("encrypted", "encrypted with the key `k2`")}
        assert blind.select().count_by("reason") == {"(encrypted with the key `k2`)": 2}
        for chosen in (blind.select(error="ValueError"), blind.select(reason="no 4242")):
            with pytest.raises(hydra.PayloadError, match=r"^2 of 2 executions, such as .* key `k2` and does not"):
                chosen.count()
            with pytest.raises(hydra.PayloadError, match="cannot be chosen by their"):
                chosen.retry(dry_run=True)
        assert blind.select(error="encrypted").count() == 2  # to look at
        for act in (blind.select(error="encrypted").retry, blind.select(reason="encrypted").rerun):
            with pytest.raises(hydra.IllegalMove, match="payload key `k2` and does not open here"):
                act(dry_run=True)


@pytest.mark.parametrize("by_id", [False, True])
def test_the_same_call_is_no_conflict_for_who_lacks_a_key_that_came_later(any_url: str, by_id: bool) -> None:
    bank_ = bank()
    with hydra.Engine(any_url) as early:
        early.audit()
        with hydra.Engine(any_url, payload_keys=FIRST) as engine:
            said: dict[str, Any] = {"id": hydra._core.uuid7()} if by_id else {"key": "ann"}
            engine.submit(bank_.greets.bind("ann"), **said)
        with pytest.raises(hydra.ConfigError, match="encrypted with the key `k1`, which is not given here"):
            early.submit(bank_.greets.bind("ann"), **said)
        if not by_id:
            with pytest.raises(hydra.ConfigError, match="encrypted with the key `k1`, which is not given here"):
                early.submit_many([bank_.greets.bind("ann")], keys=["ann"])


def test_a_node_tells_a_damaged_payload_from_a_missing_key_and_says_once_what_to_do(url: str) -> None:
    bank_ = bank()
    early = PayloadKeys({"k1": K1})
    with hydra.Engine(url, payload_keys=early) as old, old.worker(), hydra.Engine(url, payload_keys=SECOND) as engine:
        damaged = engine.submit(bank_.greets.bind("ann"), delay=1)
        side = open_side(url, may_migrate=False)
        sealed = FIRST.encrypt(b"")
        side.run("update hydra_submission set input = ? where execution_id = ?", (sealed[:-1] + b"!!", damaged.id))
        side.close()
        closed = engine.submit(bank_.greets.bind("ann"))
        until(lambda: closed.status() == "parked" and damaged.status() == "parked")
        assert closed.execution().reason == (
            "it is encrypted with the payload key `k2`, which its node does not have; start nodes with that key, "
            f"then `hydra resume {closed.id}`"
        )
        assert damaged.execution().reason == (
            "its row in the database is damaged: a payload does not open with the key `k1`, which its node has; find "
            f"the cause, then `hydra resume {damaged.id}`"
        )
        assert engine.why(closed.id).sentence.count("hydra resume") == 1


def test_who_lacks_a_key_takes_no_callback_for_unknown_and_no_repetition_for_another(any_url: str) -> None:
    tokens: list[str] = []

    @hydra.step
    def lacking_publish(token: str) -> None:
        tokens.append(token)

    @hydra.workflow
    def lacking() -> list[object]:
        token = hydra.callback_token()
        lacking_publish(token)
        return [hydra.wait_callback(token), hydra.wait_event("go")]

    closed = "payload key `k2` and does not open here"
    with hydra.Engine(any_url, payload_keys=FIRST) as old:
        old.audit()
        with hydra.Engine(any_url, payload_keys=SECOND) as engine:
            with engine.worker():
                handle = engine.submit(lacking.bind())
                until(lambda: bool(tokens) and handle.status() == "waiting")
            said: dict[str, Any] = {"signal_id": hydra._core.uuid7()}
            engine.signal(handle.id, "go", 1, **said)
            for value in (1, 2):
                with pytest.raises(
                    hydra.PayloadError, match=f"was sent .* before, and whether .* not known: .*{closed}"
                ):
                    old.signal(handle.id, "go", value, **said)
            with pytest.raises(hydra.PayloadError, match=f"knows of this callback cannot be read: .*{closed}"):
                old.complete(tokens[0], 5)
            engine.complete(tokens[0], 5)
            with pytest.raises(hydra.PayloadError, match=closed):
                old.complete(tokens[0], 5)
            with engine.worker():
                assert handle.result(timeout=60) == [5, 1]
            with pytest.raises(hydra.PayloadError, match=f"not known: .*{closed}"):
                old.signal(handle.id, "go", 1, **said)


def test_a_completion_that_cannot_be_read_is_not_taken_for_another(any_url: str) -> None:
    tokens: list[str] = []

    @hydra.step
    def later_publish(token: str) -> None:
        tokens.append(token)

    @hydra.workflow
    def later() -> object:
        token = hydra.callback_token()
        later_publish(token)
        return hydra.wait_callback(token)

    with hydra.Engine(any_url, payload_keys=FIRST) as old:
        with old.worker():
            handle = old.submit(later.bind())
            until(lambda: bool(tokens) and handle.status() == "waiting")
        with hydra.Engine(any_url, payload_keys=SECOND) as engine:  # the key came after the token
            engine.complete(tokens[0], 5)
        with pytest.raises(hydra.PayloadError, match="payload key `k2` and does not open here"):
            old.complete(tokens[0], 5)
    with hydra.Engine(any_url, payload_keys=SECOND) as engine, engine.worker():
        assert handle.workflow == "later" and engine.get(handle.id).result(timeout=60) == 5


def test_a_program_opened_before_there_were_keys_writes_nothing_plain_once_it_hears_of_them(
    any_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks as often as it reads the database's clock."""
    monkeypatch.setattr(session, "CALIBRATION_SECONDS", 0)
    bank_ = bank()
    refused = "encrypted with the key `k1`, which is not given here"
    with hydra.Engine(any_url) as early:
        before = early.submit(bank_.greets.bind("ann"))
        with hydra.Engine(any_url, payload_keys=FIRST) as engine:
            engine.audit()
        for order in (
            lambda: early.submit(bank_.greets.bind("ann")),
            lambda: early.submit_many([bank_.greets.bind("ann")]),
            lambda: early.signal(before.id, "go", 1),
        ):
            with pytest.raises(hydra.ConfigError, match=refused):
                order()
        assert len(early.executions()) == 1 and early.get(before.id).status() == "pending"
