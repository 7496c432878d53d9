"""`hydra.Secret` in what runs: bodies and replays have the value, and what people look at has a mask."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import hydra
import msgspec
import pytest
from hydra import PayloadKeys, Secret
from hydra.testing import replay

from tests.cli.invoking import run
from tests.client.conftest import DATABASES
from tests.dashboard.conftest import browser_of, program_of
from tests.processes.scene import until

HIDDEN = "s3cr3t-qz4711"
MASK = "**********"
KEYS: dict[str, Callable[[], PayloadKeys | None]] = {
    "plain": lambda: None,
    "encrypted": lambda: PayloadKeys({"k1": os.urandom(32)}, "k1"),
}
log = logging.getLogger("secretive")
seen: list[str] = []


@dataclass(frozen=True)
class SecretCard:
    number: Secret[str]
    limit: Decimal


class Refused(Exception):
    pass


@hydra.step
def secret_charge(card: SecretCard, tokens: list[Secret[str]]) -> dict[str, Secret[str] | None]:
    log.warning("charging %s with %s", card, tokens)
    seen.append(card.number.get_secret_value())
    return {"receipt": card.number, "none": None}


@hydra.step
def secret_bare(token: Secret[str]) -> Secret[str]:
    return token.get_secret_value()  # type: ignore[return-value]  # the annotation hides it all the same


@hydra.step(max_attempts=2, backoff=hydra.Backoff(initial=0.01))
def secret_refuse(token: Secret[str]) -> None:
    raise Refused(f"{token} was refused", token)


@hydra.workflow
def secret_pay(card: SecretCard, token: Secret[str], spare: Secret[str] | None = None) -> Secret[str]:
    receipt = secret_charge(card, [token])["receipt"]
    mapped = hydra.map(secret_bare.bind_each([token, receipt]))
    told = hydra.wait_event("told", type=Secret[str])
    hydra.sleep(0)
    if told == token:
        secret_refuse(told)
    return secret_bare(mapped[1].result())


@pytest.fixture(params=DATABASES)
def any_url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


def run_both(engine: hydra.Engine) -> SimpleNamespace:
    card = SecretCard(Secret(HIDDEN), Decimal("4.50"))
    seen.clear()
    with engine.worker():
        paid = engine.submit(secret_pay.bind(card, Secret("token-qz4711")), key="paid")
        failed = engine.submit(secret_pay.bind(card, Secret("token-qz4711"), Secret("qz4711")), key="failed")
        for handle in (paid, failed):
            until(lambda handle=handle: handle.status() == "waiting", 20)  # type: ignore[misc]
        paid.signal("told", Secret("told-qz4711"))
        failed.signal("told", Secret("token-qz4711"))
        result = paid.result(timeout=60)
        with pytest.raises(hydra.WorkflowFailed) as raised:
            failed.result(timeout=60)
    return SimpleNamespace(paid=paid, failed=failed, result=result, error=raised.value)


@pytest.mark.parametrize("keys", KEYS)
def test_nothing_that_people_look_at_shows_it(any_url: str, keys: str, caplog: pytest.LogCaptureFixture) -> None:
    with hydra.Engine(any_url, payload_keys=KEYS[keys]()) as engine:
        ran = run_both(engine)
        assert ran.result == Secret(HIDDEN) and set(seen) == {HIDDEN}
        assert f"{MASK} was refused" in str(ran.error) and "qz4711" not in str(ran.error) + repr(ran.error)
        assert engine.submit(secret_pay.bind(card_of(HIDDEN), Secret("token-qz4711")), key="paid").id == ran.paid.id
        with pytest.raises(hydra.IdempotencyConflict) as conflict:
            engine.submit(secret_pay.bind(card_of("other-qz4711"), Secret("token-qz4711")), key="paid")
        assert "qz4711" not in str(conflict.value)
        browser, program = browser_of(engine), program_of(engine)
        shown = [repr(conflict.value), *(repr(each) for each in engine.executions())]
        for handle in (ran.paid, ran.failed):
            shown.append(repr((handle.execution(), handle.steps(), handle.attempts(), handle.awaited())))
            page = browser.get(f"/executions/{handle.id}").text
            assert MASK in page
            answers = [program.get(f"/api/v1/executions/{handle.id}"), browser.get("/")]
            answers.append(program.get(f"/api/v1/executions/{handle.id}/result"))
            shown += [page, *(each.text for each in answers)]
        assert program.get(f"/api/v1/executions/{ran.paid.id}/result").json()["result"] == MASK
        for text in (*shown, caplog.text):
            assert "qz4711" not in text
        assert f"number=Secret('{MASK}')" in caplog.text
        assert engine.audit() == []


def card_of(number: str) -> SecretCard:
    return SecretCard(Secret(number), Decimal("4.50"))


def test_the_commands_show_a_mask_and_an_export_replays(url: str) -> None:
    with hydra.Engine(url) as engine:
        ran = run_both(engine)
        for handle in (ran.paid, ran.failed):
            said = json.loads(run(url, "show", handle.id, "--json").output)
            exported = said.pop("export")
            assert "qz4711" not in json.dumps(said) and MASK in json.dumps(said["input"])
            assert replay(exported, secret_pay).record_count > 0
            for command in (["show", handle.id], ["list"], ["list", "--json"], ["errors"], ["why", handle.id]):
                assert "qz4711" not in run(url, *command).output, command
        assert json.loads(run(url, "result", ran.paid.id).output) == MASK
        assert engine.get(ran.paid.id).result() == Secret(HIDDEN)


def test_what_a_program_sends_as_json_is_hidden_before_a_worker_sees_it(url: str) -> None:
    with hydra.Engine(url) as engine:
        with engine.worker():
            until(lambda: engine.workflows())
        arguments = {"card": {"number": HIDDEN, "limit": "4.50"}, "token": "token-qz4711", "spare": None}
        made = program_of(engine).post("/api/v1/executions", json={"workflow": "secret_pay", "arguments": arguments})
        assert made.status_code == 201, made.text
        id = made.json()["id"]
        assert "qz4711" not in run(url, "show", id).output and MASK in run(url, "show", id).output
        other = run(url, "submit", "secret_pay", json.dumps(arguments)).output.strip()
        assert "qz4711" not in run(url, "show", other).output
        seen.clear()
        with engine.worker():
            until(lambda: engine.get(id).status() == "waiting")
            assert HIDDEN in seen
            engine.get(id).signal("told", Secret("told-qz4711"))
            assert engine.get(id).result(timeout=60) == Secret(HIDDEN)


def test_r13_other_code_does_not_say_what_was_recorded(url: str) -> None:
    with hydra.Engine(url) as engine:
        ran = run_both(engine)
        exported = ran.paid.export()

    @hydra.workflow(name="secret_pay_otherwise")
    def changed(card: SecretCard, token: Secret[str], spare: Any = None) -> Any:
        return secret_charge(card_of("other-qz4711"), [token])

    with pytest.raises(hydra.NonDeterminismError) as diverged:
        replay(msgspec.structs.replace(exported, workflow="secret_pay_otherwise"), changed)
    assert "qz4711" not in str(diverged.value)


def test_a_body_goes_on_with_the_value_after_its_worker_was_lost(any_url: str) -> None:
    with hydra.Engine(any_url, payload_keys=KEYS["encrypted"]()) as engine:
        seen.clear()
        with engine.worker():
            handle = engine.submit(secret_pay.bind(card_of(HIDDEN), Secret("token-qz4711")))
            until(lambda: handle.status() == "waiting")
        handle.signal("told", Secret("told-qz4711"))
        with engine.worker():  # which replays what the other recorded
            assert handle.result(timeout=60) == Secret(HIDDEN)
        assert seen == [HIDDEN] and engine.audit() == []
