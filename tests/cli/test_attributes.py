"""Executions found by their attributes on the command line: listed, shown, and acted on together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hydra
import pytest

from tests.cli.test_many_failed import Console


@hydra.workflow(search={"customer": str, "amount": int, "state": str})
def cli_searched(customer: str, amount: int) -> int:
    hydra.set_attributes(state="begun")
    if amount > 7:
        raise ValueError("too much")
    return amount


@hydra.workflow(search={"who": str, "page": int})
def cli_defaulted(who: str = "nobody", page: int = 1) -> None: ...


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    console = Console(f"sqlite:///{tmp_path}/found.db")
    with hydra.Engine(console.url) as engine, engine.worker():
        for number in range(10):
            with suppress(hydra.WorkflowFailed):
                engine.submit(cli_searched.bind(f"c-{number % 5}", number), key=f"inv-{number}").result()
    return console


def test_a_list_is_filtered_by_values_and_ranges(console: Console) -> None:
    def keys(*words: str) -> list[str]:
        return [each["key"] for each in json.loads(console.hydra("list", *words, "--json"))]

    assert keys("--attribute", "customer=c-3") == ["inv-8", "inv-3"]
    assert keys("--attribute", "amount>=8") == ["inv-9", "inv-8"]
    assert keys("--attribute", "amount < 2", "--attribute", "state=begun") == ["inv-1", "inv-0"]
    assert keys("--attribute", "customer=c-3", "--status", "failed") == ["inv-8"]
    assert keys("--attribute", "nobody=has it") == keys("--attribute", "customer=c-9") == []
    counts = console.hydra("list", "--attribute", "customer=c-3", "--group-by", "status")
    assert "failed     1" in counts and "completed  1" in counts


def test_one_is_shown_with_them(console: Console) -> None:
    (found,) = json.loads(console.hydra("list", "--attribute", "amount=8", "--json"))
    assert found["attributes"] == {"customer": "c-3", "amount": 8, "state": "begun"}
    assert "amount=8, customer=c-3, state=begun" in console.hydra("show", found["id"])


def test_acts_choose_by_them(console: Console) -> None:
    assert console.hydra("retry", "--attribute", "customer=c-3", "--yes").startswith("retry: 1 match, 1 done")
    assert console.hydra("rerun", "--attribute", "customer=c-4", "--dry-run").startswith("rerun: 1 match, 1 would")


def test_what_is_no_attribute_is_refused_in_a_sentence(console: Console) -> None:
    assert "`customer` is not an attribute to look for" in console.hydra("list", "--attribute", "customer", code=2)


def test_a_parameter_at_its_default_is_found_whoever_submitted_it(console: Console) -> None:
    console.hydra("submit", "cli_defaulted", "[]", "--key", "by hand")
    with hydra.Engine(console.url) as engine:
        engine.submit(hydra.named("cli_defaulted").bind(), key="by name")
        engine.submit(cli_defaulted.bind(), key="by code")
    found = json.loads(console.hydra("list", "--attribute", "who=nobody", "--attribute", "page=1", "--json"))
    assert [each["key"] for each in found] == ["by code", "by name", "by hand"]
