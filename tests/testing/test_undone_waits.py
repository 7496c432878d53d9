"""A cancel of an execution that waits for several things undoes what it registered, as of one that waits for one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import aio
from hydra.testing import Harness


def sold(losers: Any, take_back: Any) -> hydra.BoundWorkflow[int]:
    @hydra.workflow
    def first_of_two() -> int:
        hydra.on_failure(take_back.bind("sale"))
        return hydra.wait_first(hydra.after(40.0), hydra.after(250.0), losers=losers).index

    return first_of_two.bind()


def given_up(take_back: Any) -> hydra.BoundWorkflow[None]:
    @hydra.workflow
    async def registered_by_a_task_given_up() -> None:
        async def nothing() -> None: ...

        async def register() -> None:
            await aio.on_failure(take_back.bind("task"))

        tasks = [asyncio.create_task(nothing()), asyncio.create_task(register())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await aio.sleep(3600)

    return registered_by_a_task_given_up.bind()


@pytest.mark.parametrize("seconds", [1.7, 38.5, 39.999], ids=["long before", "soon before", "just before"])
@pytest.mark.parametrize("how", ["stop", "run", "task"])
def test_a_cancel_undoes_what_was_registered(tmp_path: Path, how: str, seconds: float) -> None:
    undone: list[str] = []

    @hydra.step
    def take_back(what: str) -> None:
        undone.append(what)

    bound: hydra.BoundWorkflow[Any] = given_up(take_back) if how == "task" else sold(how, take_back)
    with Harness(f"sqlite:///{tmp_path}/hydra.db") as harness:
        handle = harness.submit(bound)
        harness.run_until_idle()
        harness.clock.advance(round(seconds * 1e6))
        harness.engine.get(handle.id).cancel()
        harness.run_until_idle()
        harness.clock.advance(2_000_000)  # what is due that soon is waited for in memory
        harness.run_until_idle()
        assert (harness.engine.get(handle.id).status(), undone) == (
            "cancelled",
            ["task" if how == "task" else "sale"],
        )
