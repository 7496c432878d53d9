"""The incident that hydra is judged by: 500 payments fail of a bug and are refunded.

They are found as one fault, the bug is fixed, and all are done again under their keys: in under ten commands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html import unescape
from pathlib import Path

import hydra
import pytest
from hydra import Status
from starlette.testclient import TestClient

from tests.cli.invoking import run
from tests.dashboard.conftest import browser_of
from tests.processes.scene import until

COUNT = 500
MAX_COMMANDS = 10


class World:
    """The card provider, and whether the bug is there."""

    def __init__(self) -> None:
        self.has_bug = True
        self.charges: Counter[str] = Counter()
        self.refunds: Counter[str] = Counter()


world = World()


class TemplateMissing(Exception):
    pass


@hydra.step
def incident_refund(card: str) -> None:
    world.refunds[card] += 1


@hydra.step
def incident_charge(card: str) -> str:
    world.charges[card] += 1
    return f"receipt of {card}"


@hydra.step
def incident_render(receipt: str, number: int) -> str:
    if world.has_bug:
        raise TemplateMissing(f"no template for invoice {number} of {receipt}")
    return f"{receipt}, rendered"


@hydra.workflow
def incident_pay(card: str, number: int) -> str:
    receipt = incident_charge(card)
    hydra.on_failure(incident_refund.bind(card))
    return incident_render(receipt, number)


@pytest.fixture
def broken(own: hydra.Engine) -> hydra.Engine:
    """Five hundred have failed of the bug, and were refunded. A worker goes on."""
    global world
    world = World()
    bounds = [incident_pay.bind(f"card-{number}", number) for number in range(COUNT)]
    handles = own.submit_many(bounds, keys=[f"inv-{number}" for number in range(COUNT)])
    with own.worker():
        until(lambda: own.stats().counts["incident_pay"] == {Status.FAILED: COUNT}, 240)
    assert world.charges == world.refunds == Counter(f"card-{number}" for number in range(COUNT))
    assert all(handle.status() is Status.FAILED for handle in handles[:3])
    return own


def check_paid(engine: hydra.Engine, fix: Callable[[], object]) -> None:
    """After the fix and the order everybody has paid once, under the key of the invoice, and it is recorded why."""
    with engine.worker():
        fix()
        until(lambda: engine.stats().counts["incident_pay"] == {Status.FAILED: COUNT, Status.COMPLETED: COUNT}, 240)
    world.charges.subtract(world.refunds)
    assert world.charges == Counter({f"card-{number}": 1 for number in range(COUNT)})
    for number in (0, 250, 499):
        handle = engine.find("incident_pay", f"inv-{number}")
        assert handle.result() == f"receipt of card-{number}, rendered"
        (act,) = handle.acts()
        assert (act.kind, act.reason) == ("rerun_of", "bug 81 is fixed")
    assert engine.audit() == []


def test_from_the_command_line(broken: hydra.Engine, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/own.db"
    commands = 0

    def ask(*arguments: str, code: int = 0) -> str:
        nonlocal commands
        commands += 1
        return run(url, *arguments, code=code).output

    errors = ask("errors")
    (line,) = [line for line in errors.splitlines() if "TemplateMissing" in line]
    fault, count, *_ = line.split()
    assert (count, "incident_render" in line, "invoice # of" in line) == (str(COUNT), True, True)
    example = re.search(r"[0-9a-f-]{36}", line)
    assert example is not None
    assert "Traceback" in ask("show", example[0])
    refused = ask("retry", "--error", fault, "--dry-run")
    assert f"{COUNT} match, 0 would be done, {COUNT} refused" in refused and "were undone when it failed" in refused
    assert f"{COUNT} match, {COUNT} would be done, 0 refused" in ask("rerun", "--error", fault, "--dry-run")

    def fix() -> None:
        world.has_bug = False
        told = ask("rerun", "--error", fault, "--expect", str(COUNT), "--reason", "bug 81 is fixed")
        assert f"{COUNT} match, {COUNT} done, 0 refused" in told

    check_paid(broken, fix)
    assert f"{COUNT} executions, such as" in ask("acts")
    assert "completed" in ask("stats")
    assert commands < MAX_COMMANDS


class Operator:
    """Somebody at the page, who follows its links and presses its buttons; each is counted."""

    def __init__(self, browser: TestClient) -> None:
        self.browser = browser
        self.count = 0
        self.page = ""

    def open(self, path: str) -> str:
        self.count += 1
        answer = self.browser.get(path)
        assert answer.status_code == 200, answer.text
        self.page = answer.text
        return unescape(re.sub(r"<[^>]+>", "", answer.text))

    def follow(self, label: str) -> str:
        """The link of that text."""
        found = re.search(rf'href="([^"]+)"[^>]*>{label}</a>', self.page)
        assert found is not None, label
        return self.open(unescape(found[1]))

    def press(self, label: str, **fields: str) -> str:
        """The button of that text, with what was written into its form."""
        self.count += 1
        form = next(form for form in re.findall(r"<form.*?</form>", self.page, re.DOTALL) if label in form)
        hidden = {
            name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
        }
        action = re.search(r'action="([^"]+)"', form)
        assert action is not None
        headers = {"origin": "http://hydra.test"}
        answer = self.browser.post(action[1], data={**hidden, **fields}, headers=headers)
        assert answer.status_code == 200, answer.text
        self.page = answer.text
        return unescape(re.sub(r"<[^>]+>", "", answer.text))


def test_from_the_page(broken: hydra.Engine) -> None:
    operator = Operator(browser_of(broken))
    errors = operator.open("/errors")
    assert str(COUNT) in errors and "no template for invoice # of" in errors
    listed = operator.follow("TemplateMissing")
    assert "retry…" in listed and "rerun…" in listed
    list_page = operator.page
    refused = operator.follow("retry…")
    assert f"{COUNT} match, 0 would be done, {COUNT} refused" in refused and "were undone when it failed" in refused
    operator.page = list_page
    assert f"{COUNT} match, {COUNT} would be done, 0 refused" in operator.follow("rerun…")

    def fix() -> None:
        world.has_bug = False
        told = operator.press(f"Rerun {COUNT} executions", why="bug 81 is fixed")
        assert f"{COUNT} match, {COUNT} done, 0 refused." in told

    check_paid(broken, fix)
    acts = operator.open("/acts")
    assert f"{COUNT} executions, such as" in acts and "bug 81 is fixed" in acts
    assert operator.count < MAX_COMMANDS
