"""A step past its time-out is ended for real, or its worker is given up."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hydra.clock import boottime_ns
from hydra.context import current
from hydra.errors import StepTimeout
from hydra.execution import Ending
from hydra.frames import Recycle
from hydra.retry import Backoff
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor

AT_ONCE = Backoff(initial=0.0, maximum=0.0)


def test_g4_a_busy_step_gets_steptimeout_and_its_next_try_starts_when_it_has_ended(supervisor: Supervisor) -> None:
    log: list[str] = []

    @step(timeout=0.05, max_attempts=2, backoff=AT_ONCE)
    def spins() -> int:
        log.append(f"start {current().attempt}")
        try:
            while current().attempt == 1:
                pass
        finally:
            log.append(f"end {current().attempt}")
        return current().attempt

    @workflow
    def tries() -> int:
        return spins()

    execution = supervisor.submit(tries.bind())
    supervisor.run()
    assert execution.result() == 2
    assert execution.kinds() == ["try", "step"]
    assert log == ["start 1", "end 1", "start 2", "end 2"]
    assert supervisor.recycles == []


def test_a_time_out_names_the_step_and_its_limit(supervisor: Supervisor) -> None:
    @step(timeout=0.05)
    def spins() -> None:
        while True:
            pass

    @workflow
    def fails() -> None:
        spins()

    execution = supervisor.submit(fails.bind())
    supervisor.run()
    assert isinstance(execution.error(), StepTimeout)
    assert str(execution.error()) == "step `spins` ran longer than 0.05 s"


def test_what_a_step_returns_although_it_was_interrupted_counts(supervisor: Supervisor) -> None:
    @step(timeout=0.05)
    def cleans_up() -> str:
        try:
            while True:
                pass
        except StepTimeout:
            return "rolled back"

    @workflow
    def asks() -> str:
        return cleans_up()

    execution = supervisor.submit(asks.bind())
    supervisor.run()
    assert execution.result() == "rolled back"


def test_a_late_steptimeout_hits_no_later_step_of_the_same_thread() -> None:
    supervisor = Supervisor(concurrency=1)

    @step(timeout=0.002)
    def close_call(number: int) -> int:
        for _ in range(number % 60_000):
            pass
        return number

    @step
    def bystander(number: int) -> int:
        return sum(range(number % 1_000))

    @workflow
    def pairs(number: int) -> bool:
        try:
            close_call(number)
        except StepTimeout:
            bystander(number)
            return True
        bystander(number)
        return False

    executions = [supervisor.submit(pairs.bind(number * 997)) for number in range(300)]
    supervisor.run()
    assert {execution.end.kind for execution in executions} == {Ending.COMPLETED}


@pytest.mark.parametrize("swallows", [True, False])
def test_a_step_that_cannot_be_ended_recycles_its_worker_and_the_others_may_finish(
    supervisor: Supervisor, swallows: bool
) -> None:
    release, others_go_on, recycled = threading.Event(), threading.Event(), threading.Event()

    @step(timeout=0.02, max_attempts=2, backoff=AT_ONCE)
    def stuck() -> None:
        while swallows and not release.is_set():
            try:
                while not release.is_set():
                    pass
            except StepTimeout:
                continue
        release.wait()  # a wait in C, which no exception reaches

    @step
    def slow_neighbour() -> str:
        others_go_on.wait()
        return "kept"

    @workflow
    def stuck_one() -> None:
        stuck()

    @workflow
    def neighbour() -> str:
        return slow_neighbour()

    first = supervisor.submit(stuck_one.bind())
    second = supervisor.submit(neighbour.bind())

    def on_send(frames: list[Any]) -> None:
        if any(isinstance(frame, Recycle) for frame in frames):
            recycled.set()
            others_go_on.set()
        if second.ends and not release.is_set():
            assert first.ends == [], "its step still runs, so nobody else may have it"
            release.set()

    supervisor.on_send = on_send
    started_ns = boottime_ns()
    supervisor.run()
    assert recycled.is_set()
    (recycle,) = supervisor.recycles
    assert "`stuck`" in recycle.reason
    assert recycle.at_ns > started_ns
    assert second.kinds() == ["step"]
    assert second.end.kind in (Ending.RELEASED, Ending.COMPLETED)
    assert first.kinds() == ["try"], "the try that timed out uses up an attempt"
    assert first.end.kind == Ending.RELEASED, "the step ended after all before anything was killed"
