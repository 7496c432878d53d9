"""A production execution as a test fixture: the same code agrees with it, changed code is told where it differs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra
import msgspec
import pytest
from hydra.testing import Harness, check_replays, replay
from hydra.workflow import registry


def export_of(handle: hydra.Handle[Any]) -> str:
    return msgspec.json.encode(handle.export()).decode()


def ordered(harness: Harness, runs: list[str]) -> tuple[Any, Any, Any]:
    @hydra.step
    def charge(card: str) -> int:
        runs.append("charge")
        return len(card)

    @hydra.step
    def refuse(card: str) -> int:
        raise ValueError("no")

    @hydra.workflow
    def bill(card: str) -> tuple[int, str]:
        total = charge(card)
        hydra.sleep(3600)
        try:
            hydra.gather(charge.bind(card), refuse.bind(card))
        except ValueError as error:
            return total + sum(hydra.map(charge.bind_each([card, card])).results()), str(error)
        return total, ""

    return charge, refuse, bill


def test_the_same_code_replays_it_without_effects(harness: Harness) -> None:
    runs: list[str] = []
    _, _, bill = ordered(harness, runs)
    handle = harness.submit(bill.bind("4242"))
    result = harness.run_until_done(handle)
    runs.clear()
    replayed = replay(export_of(handle), bill)
    assert (replayed.is_complete, replayed.result, replayed.error) == (True, result, None)
    assert replayed.record_count == len(handle.records())
    assert runs == []


def test_one_that_goes_on_is_replayed_as_far_as_it_came(harness: Harness) -> None:
    runs: list[str] = []
    _, _, bill = ordered(harness, runs)
    handle = harness.submit(bill.bind("4242"))
    harness.run_until_idle()
    assert handle.status() == "sleeping"
    runs.clear()
    assert not replay(json.loads(export_of(handle)), bill).is_complete
    assert runs == []


def test_code_that_differs_is_told_where(harness: Harness) -> None:
    runs: list[str] = []
    charge, _, bill = ordered(harness, runs)
    handle = harness.submit(bill.bind("4242"))
    harness.run_until_done(handle)
    exported = export_of(handle)
    runs.clear()

    def another_step(card: str) -> int:
        hydra.now()
        return charge(card)

    def another_argument(card: str) -> int:
        return charge(card + "!")

    def another_end(card: str) -> int:
        charge(card)
        raise KeyError(card)

    said = []
    for function in (another_step, another_argument, another_end):
        registry.workflows.clear()
        with pytest.raises(hydra.NonDeterminismError) as differs:
            replay(exported, hydra.workflow(name="bill")(function))
        said.append(str(differs.value))
    assert "the code asks for `hydra.now`" in said[0] and "the record has `charge`" in said[0]
    assert "called with other arguments" in said[1]
    assert "the code raised KeyError" in said[2]
    assert runs == []


def test_another_result_is_a_difference(harness: Harness) -> None:
    @hydra.workflow(name="bill")
    def bill() -> int:
        return 1

    handle = harness.submit(bill.bind())
    harness.run_until_done(handle)
    registry.workflows.clear()

    @hydra.workflow(name="bill")
    def changed() -> int:
        return 2

    with pytest.raises(hydra.NonDeterminismError, match="returned 1, and the code returns 2"):
        replay(export_of(handle), changed)


def test_async_bodies_failures_cancels_and_later_generations_are_replayed(harness: Harness) -> None:
    undone: list[str] = []

    @hydra.step
    async def fetch(number: int) -> int:
        return number

    @hydra.step
    def undo() -> None:
        undone.append("undone")

    @hydra.workflow
    async def collect() -> int:
        numbers = await asyncio.gather(*(fetch(number) for number in range(5)))
        await hydra.aio.sleep(3600)
        return sum(numbers)

    @hydra.workflow
    def fails() -> None:
        hydra.on_failure(undo.bind())
        hydra.wait_event("never", timeout=60)

    @hydra.workflow
    def turns(cursor: int) -> int:
        hydra.sleep(60)
        if cursor < 3:
            hydra.continue_as_new(cursor + 1)
        return cursor

    collected, failed, cancelled = (
        harness.submit(collect.bind()),
        harness.submit(fails.bind()),
        harness.submit(fails.bind()),
    )
    turned = harness.submit(turns.bind(1))
    harness.run_until_idle()
    cancelled.cancel()
    harness.run_until_done(collected)
    harness.run_until_done(turned)
    assert (failed.status(), cancelled.status()) == ("failed", "cancelled")
    undone.clear()
    assert replay(export_of(collected), collect).result == 10
    assert isinstance(replay(export_of(failed), fails).error, hydra.EventTimeout)
    assert replay(export_of(cancelled), fails).is_complete
    assert replay(export_of(turned), turns).result == 3
    assert undone == []


def test_the_command_line_exports_what_replay_takes(harness: Harness, tmp_path: Path) -> None:
    _, _, bill = ordered(harness, [])
    handle = harness.submit(bill.bind("4242"))
    harness.run_until_done(handle)
    command = [sys.executable, "-m", "hydra.cli", "show", handle.id, "--db", harness.url, "--json"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (tmp_path / "bill.json").write_text(shown)
    assert replay(tmp_path / "bill.json", bill).is_complete
    assert replay(str(tmp_path / "bill.json"), bill).is_complete
    (bulk,) = json.loads(shown)["maps"]
    assert (bulk["step"], bulk["item_count"], bulk["done_count"]) == ("charge", 2, 2)
    without = [*command[:-1]]
    text = subprocess.run(without, capture_output=True, text=True, check=True).stdout
    assert "map of step charge" in text and "2 of 2 items (100 %)" in text


def test_what_cannot_be_replayed_is_said_in_one_sentence(harness: Harness, tmp_path: Path) -> None:
    @hydra.workflow
    def other() -> None: ...

    _, _, bill = ordered(harness, [])
    handle = harness.submit(bill.bind("4242"))
    with pytest.raises(hydra.HydraError, match="is one of workflow `bill`, not of `other`"):
        replay(handle.export(), other)
    for wrong in ("{}", "{", str(tmp_path / "missing"), '{"export": {"id": 5}}'):
        with pytest.raises(hydra.ConfigError, match="not what `hydra show ID --json` prints"):
            replay(wrong, bill)
    with pytest.raises(hydra.ConfigError, match="has format 2"):
        replay({**json.loads(export_of(handle)), "format": 2}, bill)


def test_open_maps_generations_and_callbacks_pass_the_gate_of_a_deploy(harness: Harness) -> None:
    factor = 1
    runs: list[int] = []

    @hydra.step(max_attempts=3, backoff=hydra.Backoff(initial=60.0))
    def charge(item: int) -> int:
        runs.append(item)
        if item == 3:
            raise ConnectionError("not yet")
        return item

    @hydra.workflow
    def bulk() -> int:
        return len(hydra.map(charge.bind_each([item * factor for item in range(6)]), chunk=2))

    @hydra.workflow
    def turns(cursor: int) -> int:
        charge(cursor)
        if cursor < 2:
            hydra.continue_as_new(cursor + 1)
        hydra.sleep(60)
        return cursor

    @hydra.workflow
    def pay() -> int:
        return hydra.wait_callback(hydra.callback_token(), type=int)

    mapped = harness.submit(bulk.bind())
    for bound in (turns.bind(0), pay.bind()):
        harness.submit(bound)
    harness.run_until_idle()
    assert {str(each.status) for each in harness.engine.executions()} == {"sleeping", "waiting"}
    runs.clear()
    assert check_replays(harness.engine) == []
    assert not replay(export_of(mapped), bulk).is_complete
    factor = 2
    (divergence,) = check_replays(harness.engine)
    assert (divergence.execution_id, divergence.record) == (mapped.id, "other items")
    assert runs == []


def test_a_replay_of_an_export_has_the_clock_of_the_body_that_ran(harness: Harness) -> None:
    @hydra.step
    async def keep(seconds: float) -> float:
        return seconds

    @hydra.workflow
    async def timed() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await keep(began)
        return await keep(loop.time() - began)

    handle = harness.submit(timed.bind())
    harness.run_until_idle()
    assert replay(export_of(handle), timed).result == handle.result()
