"""The incident: 500 executions fail of one bug and are refunded. Grouped, fixed, and run again under their keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import hydra
import pytest
from click.testing import CliRunner
from hydra.cli import main

COUNT = 500
ODD_COUNT = 3  # of other failures, which are to be left alone
COMMAND_LIMIT = 10
RESULT_SECONDS = 100

has_ledger = False
refunded: list[str] = []


@hydra.step
def many_refund(card: str) -> None:
    refunded.append(card)


@hydra.step
def many_debit(card: str, pennies: int) -> str:
    return f"pay-{card}"


@hydra.step
def many_post(payment: str, pennies: int) -> str:
    if pennies < 0:
        raise ValueError(f"{pennies} is no amount")
    if not has_ledger:  # the bug
        raise KeyError(f"no ledger for {payment}")
    return f"{payment}: {pennies}"


@hydra.workflow
def many_collect(card: str, pennies: int) -> str:
    payment = many_debit(card, pennies)
    hydra.on_failure(many_refund.bind(card))
    return many_post(payment, pennies)


class Console:
    """The command line, in this process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.command_count = 0

    def hydra(self, command: str, *arguments: str, code: int = 0) -> str:
        """What it prints, errors included."""
        self.command_count += 1
        done = CliRunner().invoke(main, [command, "--db", self.url, *arguments])
        assert done.exit_code == code, done.output
        return done.output

    def json(self, command: str, *arguments: str) -> Any:
        return json.loads(self.hydra(command, "--json", *arguments))


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(f"sqlite:///{tmp_path}/many.db")


@pytest.fixture
def engine(console: Console) -> Iterator[hydra.Engine]:
    global has_ledger
    has_ledger = False
    with hydra.Engine(console.url) as engine:
        yield engine
        assert engine.audit() == []
    has_ledger = False


def test_500_failures_are_grouped_fixed_and_run_again_under_their_keys(console: Console, engine: hydra.Engine) -> None:
    global has_ledger
    bounds = [many_collect.bind(f"visa-{n}", n + 1) for n in range(COUNT)]
    odd = [many_collect.bind(f"visa-{n}", -1 - n) for n in range(ODD_COUNT)]
    keys = [f"inv-{n}" for n in range(COUNT + ODD_COUNT)]
    with engine.worker():
        for handle in engine.submit_many([*bounds, *odd], keys=keys):
            with suppress(hydra.WorkflowFailed):
                handle.result(timeout=RESULT_SECONDS)
    assert len(refunded) == COUNT + ODD_COUNT

    # What is it? One line for each fault, with an example to look at.
    first, second = console.json("errors", "--since", "1d")
    assert (first["kind"], first["step"], first["count"]) == ("KeyError", "many_post", COUNT)
    assert (second["kind"], second["step"], second["count"]) == ("ValueError", "many_post", ODD_COUNT)
    fault = first["error"]
    shown = console.hydra("show", first["example_id"])
    assert (
        "no ledger for" in shown
        and "Traceback" in shown
        and "test_many_failed.py" in shown
        and '"args":["visa-' in shown
    )

    # A retry would only park them: it says so, and touches none.
    refused = console.hydra("retry", "--error", fault, "--dry-run")
    assert f"{COUNT} match, 0 would be done, {COUNT} refused (nothing was touched)" in refused
    assert f"refused {COUNT}:" in refused and "were undone" in refused

    # The bug is fixed and deployed; what was undone is done again, under its key.
    has_ledger = True
    dry = console.hydra("rerun", "--error", fault, "--dry-run")
    assert f"rerun: {COUNT} match, {COUNT} would be done, 0 refused" in dry
    too_many = console.hydra("rerun", "--error", fault, "--expect", str(COUNT - 1), code=1)
    assert f"{COUNT} executions match, and at most {COUNT - 1} were expected" in too_many
    done = console.hydra("rerun", "--error", fault, "--expect", str(COUNT), "--reason", "bug 81 is fixed")
    assert f"{COUNT} match, {COUNT} done, 0 refused" in done
    with engine.worker():
        for n in range(COUNT):
            handle = engine.find(many_collect, f"inv-{n}")
            assert handle.result(timeout=RESULT_SECONDS) == f"pay-visa-{n}: {n + 1}"
    assert [(act.kind, act.reason) for act in handle.acts()] == [("rerun_of", "bug 81 is fixed")]

    again = console.hydra("rerun", "--error", fault, "--yes", code=1)
    assert f"0 done, {COUNT} refused" in again  # a second operator begins none
    assert "every promise holds" in console.hydra("audit")
    assert console.command_count < COMMAND_LIMIT
    assert engine.select("failed", error="ValueError").count() == ODD_COUNT
    assert engine.select("completed").count() == COUNT
    assert len(refunded) == COUNT + ODD_COUNT


def test_what_a_filter_cannot_mean_is_one_sentence(console: Console, engine: hydra.Engine) -> None:
    engine.submit(many_collect.bind("visa-1", 1))

    def refused(*arguments: str, code: int = 2) -> str:
        return console.hydra(*arguments, code=code)

    assert "say which: ids, or a filter" in refused("retry")
    assert "give ids or a filter" in refused("cancel", "x", "--status", "failed")
    assert "are for a filter" in refused("rerun", "x", "--yes")
    assert "say `--dry-run` first, and then `--expect N`" in refused("rerun", "--status", "failed")
    assert "is no time; write `2h`" in refused("list", "--since", "noon")
    assert "say what: `--older-than 30d`" in refused("purge")
    assert "are for a filter, such as" in refused("purge", "--older-than", "1d", "--yes")
    assert "nothing lies between them" in refused("list", "--since", "1h", "--until", "2h")
    assert console.hydra("retry", "--workflow", "nobody", "--yes") == "no executions match\n"
    assert console.hydra("list", "--count") == "1\n"
    assert console.json("list", "--group-by", "status") == {"pending": 1}


def test_acts_by_a_filter_end_what_they_name_and_leave_the_rest(console: Console, engine: hydra.Engine) -> None:
    bounds = [many_collect.bind(f"visa-{n}", n) for n in range(4)]
    ids = [engine.submit(each, tags={"run": str(n % 2)}).id for n, each in enumerate(bounds)]
    assert console.hydra("cancel", "--tag", "run=1", "--expect", "2") == "cancel: 2 match, 2 done, 0 refused\n"
    listed = console.json("list", "--status", "cancelled", "--oldest-first")
    assert [each["id"] for each in listed] == sorted(ids[1::2])
    signalled = console.json("signal", "go", "1", "--workflow", "many_collect", "--yes")
    assert set(signalled["done"]) == set(ids[0::2])
    again = console.json("rerun", ids[1], "--reason", "a mistake")["done"][ids[1]]
    assert again in console.hydra("show", ids[1]) and ids[1] in console.hydra("show", again)
    assert console.json("show", again)["acts"][0]["reason"] == "a mistake"
    gone = console.hydra("purge", "--status", "cancelled", "--expect", "2", "--reason", "request 81")
    assert gone == "purge: 2 match, 2 done, 0 refused\n"
    assert console.json("resume", "--status", "parked", "--yes")["matched_count"] == 0


def test_a_number_of_any_size_is_printed_exactly(console: Console, engine: hydra.Engine) -> None:
    handle = engine.submit(many_collect.bind("visa-1", 10**30))
    assert str(10**30) in console.hydra("show", handle.id)
    assert console.json("show", handle.id)["input"]["args"] == ["visa-1", 10**30]
