"""A cancel, or a workflow's time-out, reaches the steps that run: they are told, then ended, then given up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hydra import codec
from hydra.context import cancelled, gather, on_failure
from hydra.errors import StepTimeout
from hydra.execution import Ending
from hydra.frames import Recycle
from hydra.workflow import step, workflow

from tests.body.supervising import Stored, Supervisor


@pytest.mark.parametrize("reason", ["cancelled", "timeout"])
def test_a_step_that_does_not_ask_is_ended_after_its_grace(supervisor: Supervisor, reason: str) -> None:
    @step(cancel_grace=0.05, max_attempts=5)
    def spins() -> None:
        supervisor.halt(execution, reason)
        while True:
            pass

    @workflow
    def calls() -> None:
        spins()

    execution = supervisor.submit(calls.bind())
    supervisor.run()
    assert execution.end.kind == (Ending.CANCELLED if reason == "cancelled" else Ending.FAILED)
    assert execution.kinds() == ["crash"], "nobody knows what it did, and no attempt is used up"
    assert "did not end within 0.05 s" in str(codec.decode(execution.records[0].payload or b""))
    assert supervisor.recycles == []


def test_what_a_step_returns_within_its_grace_is_recorded(supervisor: Supervisor) -> None:
    @step
    def asks() -> str:
        supervisor.halt(execution, "cancelled")
        while not cancelled():
            pass
        return "tidy"

    @workflow
    def calls() -> None:
        asks()

    execution = supervisor.submit(calls.bind())
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert execution.kinds() == ["step"]


def test_an_async_step_is_cancelled_at_once(supervisor: Supervisor) -> None:
    cleaned: list[str] = []

    @step
    async def waits() -> None:
        supervisor.halt(execution, "cancelled")
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("closed")

    @workflow
    async def calls() -> None:
        await waits()

    execution = supervisor.submit(calls.bind())
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert execution.kinds() == ["crash"]
    assert cleaned == ["closed"]


def test_every_branch_is_ended_and_then_it_is_undone(supervisor: Supervisor) -> None:
    log: list[str] = []

    @step
    def undo() -> None:
        assert not cancelled()
        log.append("undone")

    @step(cancel_grace=0.05)
    def spins(name: str) -> None:
        if name == "b":
            supervisor.halt(execution, "cancelled")
        try:
            while True:
                pass
        except StepTimeout:
            log.append("ended")
            raise

    @workflow
    def calls() -> None:
        on_failure(undo.bind())
        gather(spins.bind("a"), spins.bind("b"))

    execution = supervisor.submit(calls.bind())
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert log == ["ended", "ended", "undone"]


def test_a_step_that_cannot_be_ended_recycles_its_worker_and_nothing_is_undone_beside_it(
    supervisor: Supervisor,
) -> None:
    release = threading.Event()
    log: list[str] = []

    @step
    def undo() -> None:
        log.append("undone")

    @step(cancel_grace=0.02)
    def stuck() -> None:
        supervisor.halt(execution, "cancelled")
        try:
            release.wait()  # a wait in C, which no exception reaches
        finally:
            log.append("effect")

    @workflow
    def calls() -> None:
        on_failure(undo.bind())
        stuck()

    execution: Stored = supervisor.submit(calls.bind())

    def on_send(frames: list[Any]) -> None:
        if any(isinstance(frame, Recycle) for frame in frames):
            assert execution.ends == []
            supervisor.halt(execution, "cancelled")
            release.set()

    supervisor.on_send = on_send
    supervisor.run()
    assert execution.end.kind == Ending.RELEASED
    execution.cancel_requested = True
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert log == ["effect", "undone"]
