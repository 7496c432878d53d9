"""A child by name that its node refuses parks its parent, and runs no step again that ended beside it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.dispatch.outbox import Outbox
from hydra.execution import End, ExecutionCommit, Record, Status
from hydra.node import store_thread
from hydra.node.spawns_by_name import Completed, RefusedSpawn, Registered

from tests.processes.scene import until

ran: Counter[str] = Counter()
may_spawn, has_spawned, is_held, may_write = (threading.Event() for _ in range(4))


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed = store_thread.completed
    is_refused = True
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

    def asked(_: Any, workflow: str) -> dict[str, Any]:
        if is_refused:
            raise RefusedSpawn(f"workflow `{workflow}` was not spawned by its name")
        return {}

    monkeypatch.setattr(Outbox, "add", add_told)
    monkeypatch.setattr(store_thread, "completed", completed_late)
    monkeypatch.setattr("hydra.client.signatures.KnownSignatures.registered", asked)
    monkeypatch.setattr("hydra.body.child_executions.code_of", lambda _: None)
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
        is_refused = False
        handle.resume()
        assert handle.result(timeout=60) == "child charged"
        assert ran == {"first": 1, "second": 1}
        assert engine.audit() == []
