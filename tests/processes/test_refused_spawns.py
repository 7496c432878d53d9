"""A child by name that its node refuses parks its parent, and runs no step again that ended beside it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.dispatch.outbox import Outbox
from hydra.execution import End, ExecutionCommit, Record, Status
from hydra.node import store_thread
from hydra.node.spawns_by_name import Completed, Registered

from tests.processes.scene import until

ran: Counter[str] = Counter()
may_spawn, has_spawned, is_held, may_write, may_charge = (threading.Event() for _ in range(5))
effects: list[str] = []


@hydra.step
def refused_beside_first() -> None:
    ran["first"] += 1
    may_spawn.wait(60)


@hydra.step
def refused_beside_second() -> str:
    ran["second"] += 1
    has_spawned.wait(60)
    return "charged"


@hydra.workflow
async def refused_beside() -> str:
    async def spawns() -> str:
        await hydra.aio.call(refused_beside_first.bind())
        child = await hydra.aio.spawn(hydra.named("refused_beside_child").bind())
        has_spawned.set()
        return str(await child.result())

    child, charged = await asyncio.gather(spawns(), hydra.aio.call(refused_beside_second.bind()))
    return f"{child} {charged}"


@hydra.step
def refused_beside_holds() -> None: ...


@hydra.workflow
def refused_beside_holder() -> None:
    refused_beside_holds()


@hydra.workflow
def refused_beside_child() -> str:
    return "child"


def test_g3_g4_a_step_that_ended_beside_a_refused_child_never_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allow_spawns: Callable[[], None]
) -> None:
    completed = store_thread.completed
    told: set[str] = set()
    add = Outbox.add

    def add_told(outbox: Outbox, owned: Any, records: list[Record], end: End | None = None) -> ExecutionCommit:
        told.update(each.name.removeprefix("refused_beside_") for each in records if each.name.endswith("second"))
        return add(outbox, owned, records, end)

    def completed_late(commits: Sequence[ExecutionCommit], registered: Registered) -> Completed:
        """One commit is held, so that the next one has the spawn and what ended after it."""
        if any(each.name == "refused_beside_holds" for commit in commits for each in commit.records):
            is_held.set()
            may_write.wait(60)
        return completed(commits, registered)

    monkeypatch.setattr(Outbox, "add", add_told)
    monkeypatch.setattr(store_thread, "completed", completed_late)
    with hydra.Engine(f"sqlite:///{tmp_path}/refused.db") as engine, engine.worker():
        handle = engine.submit(refused_beside.bind())
        until(lambda: ran == {"first": 1, "second": 1})
        engine.submit(refused_beside_holder.bind())
        assert is_held.wait(60)
        may_spawn.set()
        assert has_spawned.wait(60)
        until(lambda: told == {"second"})
        may_write.set()
        until(lambda: handle.status() == Status.PARKED)
        assert "was not spawned by its name" in handle.execution().reason
        allow_spawns()
        handle.resume()
        assert handle.result(timeout=60) == "child charged"
        assert ran == {"first": 1, "second": 1}
        assert engine.audit() == []


@hydra.step
def refused_later_refund() -> None:
    effects.append("refund")


@hydra.step
def refused_later_charge() -> str:
    effects.append("charge begins")
    may_charge.wait(60)
    effects.append("charge ends")
    return "charged"


@hydra.step
def refused_later_looks() -> None:
    until(lambda: "charge begins" in effects)


@hydra.workflow
async def refused_later() -> str:
    async def spawns() -> str:
        await hydra.aio.call(refused_later_looks.bind())
        child = await hydra.aio.spawn(hydra.named("refused_beside_child").bind())
        return str(await child.result())

    await hydra.aio.on_failure(refused_later_refund.bind())
    child, charged = await asyncio.gather(spawns(), hydra.aio.call(refused_later_charge.bind()))
    return f"{child} {charged}"


@pytest.mark.parametrize("order", ["resume", "cancel", "cancel before"])
def test_g4_a_step_under_way_beside_a_refused_child_ends_before_its_body_is_parked(
    tmp_path: Path, allow_spawns: Callable[[], None], caplog: pytest.LogCaptureFixture, order: str
) -> None:
    effects.clear()
    may_charge.clear()
    with hydra.Engine(f"sqlite:///{tmp_path}/refused.db") as engine, engine.worker():
        handle = engine.submit(refused_later.bind())
        until(lambda: "is parked once its steps under way have ended" in caplog.text)
        assert effects == ["charge begins"]
        assert handle.status() == Status.RUNNING
        if order == "cancel before":
            handle.cancel()
            may_charge.set()
            until(lambda: handle.status() == Status.CANCELLED)
            assert effects == ["charge begins", "charge ends", "refund"]
            assert engine.audit() == []
            return
        may_charge.set()
        until(lambda: handle.status() == Status.PARKED)
        assert "was not spawned by its name" in handle.execution().reason
        assert [step.name for step in handle.steps()] == ["refused_later_looks", "refused_later_charge"]
        allow_spawns()
        if order == "resume":
            handle.resume()
            assert handle.result(timeout=60) == "child charged"
            assert effects == ["charge begins", "charge ends"]
        else:
            handle.cancel()
            until(lambda: handle.status() == Status.CANCELLED)
            assert effects == ["charge begins", "charge ends", "refund"]
        assert engine.audit() == []
