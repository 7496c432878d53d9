"""`hydra list` looks at no more than somebody waits for, says where it stopped, and goes on from there."""

from __future__ import annotations

import json
from pathlib import Path

import hydra
import pytest
from hydra.client import looking

from tests.cli.invoking import run


@hydra.workflow
def listed_bill(card: str) -> str:
    return card


@hydra.workflow
def listed_other(card: str) -> str:
    return card


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/hydra.db"


def ids(text: str) -> list[str]:
    return [each["id"] for each in json.loads(text)]


def test_by_a_tag_it_stops_and_says_where_to_go_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MAX_LOOKED_AT", 10)
    with hydra.Engine(url) as engine:
        rare = engine.submit(listed_bill.bind("visa"), tags={"run": "rare"}).id
        engine.submit_many([listed_bill.bind("visa")] * 15)
    asked = ("list", "--tag", "run=rare", "--json")
    found = run(url, *asked)
    assert ids(found.stdout) == [] and "`--all` looks to the end" in found.stderr
    place = found.stderr.split("`--before ")[1].split("`")[0]
    assert "none of these match" in run(url, "list", "--tag", "run=rare").output
    again = run(url, *asked, "--before", place)
    assert ids(again.stdout) == [rare] and again.stderr == ""
    assert ids(run(url, *asked, "--all").stdout) == [rare]
    assert ids(run(url, *asked, "--oldest-first").stdout) == [rare]
    oldest = run(url, "list", "--tag", "run=none", "--oldest-first")
    assert "`--after " in oldest.stderr and "none of these match" in oldest.output
    assert run(url, "list", "--tag", "run=rare", "--count").output == "1\n", "a count is of all"


def test_a_key_without_its_workflow_is_found_however_many_there_are(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MAX_LOOKED_AT", 3)
    with hydra.Engine(url) as engine:
        both = [engine.submit(each.bind("visa"), key="inv-81").id for each in (listed_bill, listed_other)]
        engine.submit_many([listed_bill.bind("visa")] * 15)
    found = run(url, "list", "--key", "inv-81", "--json")
    assert ids(found.stdout) == both[::-1] and found.stderr == ""
